import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { until } from './capture.mjs'
import { launch, world } from './fixture.mjs'

let browser
before(async () => {
  browser = await launch()
})
after(() => browser.close())

const click = (tab) => tab.evaluate(() => document.querySelector('button').click())
const track = (tab, name) => tab.evaluate((label) => window.weir.track(label), name)
const waiting = (tab) =>
  tab.evaluate(() => Object.keys(localStorage).filter((name) => name.startsWith('weir.wk_test.')).length)

test('a click is on the wire at once, without a preflight', (t) =>
  world(browser, async ({ capture, open }) => {
    const tab = await open()
    await until('the page view', () => capture.stored.length)
    await until('the pause after it', () => Date.now() - capture.requests[0].at > 1100)
    const clicked = Date.now()
    await click(tab)
    const request = await until('the click', () =>
      capture.requests.find((r) => r.items.some((i) => i.kind === 'custom_event')),
    )
    t.diagnostic(`from the click to the server: ${request.at - clicked} ms`)
    assert.ok(request.at - clicked < 1000)
    assert.deepEqual(new Set(capture.requests.map((r) => r.method)), new Set(['POST']))
    assert.match(request.headers['content-type'], /^text\/plain/)
    assert.equal(request.headers.cookie, undefined)
    assert.equal(request.url, '/v1/items?key=wk_test')
    await until('storage to be empty', async () => (await waiting(tab)) === 0)
  }))

test('a reload while the answer is on its way loses nothing', () =>
  world(browser, async ({ capture, open }) => {
    let answer
    capture.behave = () =>
      new Promise((resolve) => {
        answer = () => resolve({ broken: true })
      })
    const tab = await open()
    await click(tab)
    await until('a request', () => capture.requests.length)
    capture.behave = () => ({ status: 200 })
    await tab.reload()
    answer()
    await until('the click', () => capture.events.length)
    assert.deepEqual(capture.events, ['Clicked'])
    await until('storage to be empty', async () => (await waiting(tab)) === 0)
  }))

test('a server that is down gets all when it is up again, whatever pages came between', () =>
  world(browser, async ({ capture, open }) => {
    const tab = await open()
    await until('the page view', () => capture.stored.length)
    await capture.stop()
    const failed = tab.waitForEvent('requestfailed')
    await track(tab, 'One')
    await failed
    await tab.evaluate(() => history.pushState(null, '', '/next'))
    await track(tab, 'Two')
    await capture.start(capture.port)
    await until('both', () => capture.events.length === 2)
    assert.deepEqual(capture.events, ['One', 'Two'])
    assert.deepEqual(capture.stored.filter((i) => i.kind === 'pageview' && !i.pageview.updated_at).length, 2)
  }))

test('a 503 with Retry-After is obeyed', () =>
  world(browser, async ({ capture, open }) => {
    capture.behave = () =>
      capture.requests.length > 1 ? { status: 200 } : { status: 503, headers: { 'Retry-After': '2' } }
    const tab = await open()
    await until('the refused request', () => capture.requests.length)
    await track(tab, 'Meanwhile')
    await until('the click', () => capture.events.length)
    const [first, second] = capture.requests
    assert.ok(second.at - first.at >= 2000, `came back after ${second.at - first.at} ms`)
    assert.equal(second.items.length, 2)
  }))

test('two tabs send their own, and the one that lives sends what the other leaves', () =>
  world(browser, async ({ capture, open }) => {
    capture.behave = () => ({ status: 503 })
    const one = await open()
    const two = await open()
    await track(one, 'One')
    await track(two, 'Two')
    await until('requests of both', () => capture.requests.length >= 4)
    for (const request of capture.requests) {
      const labels = request.items.map((item) => item.custom_event?.label)
      assert.ok(!(labels.includes('One') && labels.includes('Two')), "a tab sent what is the other one's")
    }
    await two.close({ runBeforeUnload: true })
    capture.behave = () => ({ status: 200 })
    await until('both', () => capture.events.length === 2, 30_000)
    await until('storage to be empty', async () => (await waiting(one)) === 0)
  }))

test('a page that is closed at once loses nothing', () =>
  world(browser, async ({ capture, open }) => {
    const tab = await open()
    await tab.evaluate(() => {
      for (let i = 0; i < 200; i++) window.weir.track(`Event ${i}`)
    })
    await tab.close()
    const next = await open('/next')
    await until('all', () => new Set(capture.events).size === 200)
    assert.equal(capture.events.length, 200)
    await until('storage to be empty', async () => (await waiting(next)) === 0)
  }))

test('a link that is tracked and followed is counted', () =>
  world(browser, async ({ capture, site, open }) => {
    site.pages.set('/', `${site.pages.get('/')}<a href="/elsewhere" onclick="weir.track('Followed')">on</a>`)
    const tab = await open()
    await tab.evaluate(() => document.querySelector('a').click())
    await until('the click', () => capture.events.includes('Followed')) // by beacon: no weir.js on the next page
    await tab.waitForURL('**/elsewhere')
  }))

test('a crash loses nothing', () =>
  world(browser, async ({ capture, context, open }) => {
    capture.behave = () => ({ status: 503 })
    const tab = await open()
    await track(tab, 'Last words')
    await until('a request', () => capture.requests.some((r) => r.items.length === 2))
    const session = await context.newCDPSession(tab)
    const crashed = tab.waitForEvent('crash')
    session.send('Page.crash').catch(() => {})
    await crashed
    await tab.close()
    capture.behave = () => ({ status: 200 })
    // An hour later: the dead tab's lease has run out.
    await context.addInitScript(() => {
      const now = Date.now
      Date.now = () => now() + 3600e3
    })
    await open()
    await until('the event', () => capture.events.includes('Last words'))
  }))

test('walking through pages sends each item once', () =>
  world(browser, async ({ capture, open }) => {
    const tab = await open()
    for (const path of ['/next', '/', '/next']) {
      await tab.waitForFunction(() => performance.now() > 800) // a second, when rounded
      await tab.evaluate((to) => {
        location.href = to
      }, path)
      await tab.waitForFunction((to) => location.pathname === to && window.weir?.track, path)
    }
    await until('four page views', () => capture.stored.filter((i) => !i.pageview.updated_at).length === 4)
    await until('three durations', () => capture.stored.filter((i) => i.pageview.updated_at).length === 3)
    assert.equal(capture.stored.length, 7)
    assert.equal(new Set(capture.stored.map((item) => item.session.external_id)).size, 1)
    assert.deepEqual(capture.stored.at(-1).session.pageviews_count, 4)
  }))
