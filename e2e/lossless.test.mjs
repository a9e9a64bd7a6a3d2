import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launch, newContext } from './support/browser.mjs'
import { Server } from './support/server.mjs'
import { openShop } from './support/shop.mjs'
import { until } from './support/until.mjs'

let server
let shop
let browser
before(async () => {
  server = await Server.start()
  shop = await openShop(server.url)
  browser = await launch()
})
after(async () => {
  await browser?.close()
  await shop?.close()
  await server?.stop()
})

const visit = async (context) => {
  const page = await context.newPage()
  await page.goto(shop.url)
  await page.waitForFunction(() => window.weir?.track)
  return page
}

/** Tracks numbered events without waiting for anything. */
const track = (page, name, from, to) =>
  page.evaluate(
    ([event, first, last]) => {
      for (let n = first; n < last; n++) window.weir.track(event, { n: String(n) })
    },
    [name, from, to],
  )

const nothingWaits = (page) =>
  page.evaluate(() => !Object.keys(localStorage).some((name) => /^weir\.wk_\w+\./.test(name)))

/** Every number is counted once, and every item was stored once however often it was sent. */
async function checkEach(name, total) {
  await until(`${total} events`, async () => (await server.count(name)) >= total)
  const counts = await server.count(name, 'n')
  assert.equal(counts.size, total)
  assert.deepEqual(
    [...counts].filter(([, count]) => count !== 1),
    [],
  )
  const rows = (await server.log({ kind: 'custom_event' })).filter((row) => row.name === name)
  const stored = rows.filter((row) => row.status === 'stored')
  assert.equal(stored.length, total)
  assert.equal(new Set(stored.map((row) => row.item_id)).size, total)
  assert.deepEqual(
    [...new Set(rows.map((row) => row.status))].filter(
      (status) => status !== 'stored' && status !== 'duplicate',
    ),
    [],
  )
  return rows.length - stored.length
}

test('pages that are closed mid-flight lose nothing and double nothing', async (t) => {
  const context = await newContext(browser)
  const rounds = 8
  const each = 25
  for (let round = 0; round < rounds; round++) {
    const page = await visit(context)
    const request = page.waitForRequest((one) => one.url().includes('/v1/items')).catch(() => {})
    await track(page, 'Closing', round * each, round * each + each)
    if (round % 2) await request // half of them while a request is under way, half before it
    await page.close()
  }
  const last = await visit(context)
  await until('everything to be sent', () => nothingWaits(last))
  const again = await checkEach('Closing', rounds * each)
  t.diagnostic(`${rounds * each} events of ${rounds} closed pages; ${again} of them were sent again`)
  context.quiet()
  await context.close()
})

test('reloads and walks through pages lose nothing and double nothing', async () => {
  const context = await newContext(browser)
  const page = await visit(context)
  for (let round = 0; round < 6; round++) {
    await track(page, 'Walking', round * 10, round * 10 + 10)
    await (round % 2 ? page.reload() : page.goto(`${shop.url}${round}`))
    await page.waitForFunction(() => window.weir?.track)
  }
  await until('everything to be sent', () => nothingWaits(page))
  await checkEach('Walking', 60)
  await until('the page views', async () => (await server.count('pageview')) >= 7)
  context.quiet()
  await context.close()
})

test('a server that is killed under a page loses nothing and doubles nothing', async (t) => {
  const context = await newContext(browser)
  const page = await visit(context)
  let n = 0
  for (let round = 0; round < 4; round++) {
    const request = page.waitForRequest((one) => one.url().includes('/v1/items')).catch(() => {})
    await track(page, 'Killed', n, n + 40)
    n += 40
    if (round % 2) await request
    await server.kill()
    await track(page, 'Killed', n, n + 10)
    n += 10
    if (round === 2) await page.close().then(async () => assert.equal(context.pages().length, 0))
    await server.restart()
    if (round === 2) break
  }
  const last = await visit(context)
  await until('everything to be sent', () => nothingWaits(last), 60_000)
  const again = await checkEach('Killed', n)
  t.diagnostic(`${n} events over 3 kills; ${again} of them were sent again`)
  context.quiet([/Failed to load resource|ERR_/]) // that the server is down is no fault of the page
  await context.close()
})
