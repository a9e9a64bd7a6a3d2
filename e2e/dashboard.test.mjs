import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { accessible, launch, newContext, signIn } from './support/browser.mjs'
import { owner, Server, writeKey } from './support/server.mjs'
import { until } from './support/until.mjs'

let server
let browser
before(async () => {
  server = await Server.start()
  browser = await launch()
  const user = { external_id: 'grace', is_authenticated: true }
  const event = (id, label, properties = {}) => ({
    kind: 'custom_event',
    custom_event: { external_id: id, created_at: new Date().toISOString(), label, properties },
    user,
  })
  await server.send([
    event('e1', 'Signed Up', { plan: 'pro' }),
    event('e2', 'Signed Up', { plan: 'free' }),
    event('e3', 'Paid', { amount: 12.5 }),
    {
      kind: 'custom_event',
      custom_event: { external_id: 'bad', created_at: 'yesterday', label: 'Broken' },
      user,
    },
  ])
})
after(async () => {
  await browser?.close()
  await server?.stop()
})

const pages = ['Home', 'Insights', 'Log', 'Settings']

const go = async (page, name) => {
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name, exact: true }).click()
  await page.getByRole('heading', { level: 1, name }).waitFor()
  await until(
    'the page to have its data',
    async () => (await page.locator('[aria-busy=true], .mantine-Skeleton-root').count()) === 0,
  )
}

test('the sign-in form tells a wrong password and lets the right one in', async () => {
  const context = await newContext(browser)
  const page = await context.newPage()
  await page.goto(server.url)
  await page.getByRole('button', { name: 'Sign in' }).waitFor()
  await accessible(page, 'the sign-in form')
  await page.getByLabel('Email').fill(owner.email)
  await page.getByLabel('Password', { exact: true }).fill('a wrong one')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('alert').waitFor()
  await signIn(page, server.url)
  await page.getByRole('button', { name: /^Account/ }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await page.getByRole('button', { name: 'Sign in' }).waitFor()
  context.quiet([/401/]) // browsers report refused requests by themselves
  await context.close()
})

test('the first who opens the printed link owns the server, and nobody after', async () => {
  const fresh = await Server.start({})
  const context = await newContext(browser)
  try {
    const link = /http:\S+\/welcome\?token=\S+/.exec(fresh.output)?.[0]
    assert.ok(link, `no link in:\n${fresh.output}`)
    const page = await context.newPage()
    await page.goto(link)
    await page.getByRole('button', { name: 'Create account' }).waitFor()
    await accessible(page, 'the first-run page')
    await page.getByLabel('Email').fill('first@example.com')
    await page.getByLabel('Password', { exact: true }).fill('a password of some length')
    await page.getByRole('button', { name: 'Create account' }).click()
    await page.getByRole('navigation', { name: 'Main' }).waitFor()
    // Nothing is there yet: the page says how to begin, with the key in the snippet.
    await page
      .getByText(/data-key="wk_\w{24}"/)
      .first()
      .waitFor()
    await accessible(page, 'the empty dashboard')

    const late = await context.newPage()
    await late.goto(link)
    await late.getByLabel('Email').fill('second@example.com')
    await late.getByLabel('Password', { exact: true }).fill('a password of some length')
    await late.getByRole('button', { name: 'Create account' }).click()
    await late.getByRole('alert').waitFor()
    context.quiet([/401|403/])
  } finally {
    await context.close()
    await fresh.stop()
  }
})

for (const colorScheme of ['light', 'dark']) {
  for (const [device, viewport] of Object.entries({
    desktop: { width: 1280, height: 800 },
    phone: { width: 390, height: 844 },
  })) {
    test(`every page can be used by all: ${colorScheme}, ${device}`, async () => {
      const context = await newContext(browser, { colorScheme, viewport })
      const page = await context.newPage()
      await signIn(page, server.url)
      for (const name of pages) {
        await go(page, name)
        assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1)
        assert.ok(
          await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
          `${name} is wider than the screen`,
        )
        await accessible(page, `${name} (${colorScheme}, ${device})`)
      }
      const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor)
      const [red = 0] = (ground.match(/\d+/g) ?? []).map(Number)
      assert.equal(red < 128, colorScheme === 'dark', `the ground is ${ground}`)
      context.quiet()
      await context.close()
    })
  }
}

test('a theme is chosen and kept', async () => {
  const context = await newContext(browser, { colorScheme: 'light' })
  const page = await context.newPage()
  await signIn(page, server.url)
  await page.getByRole('button', { name: /^Account/ }).click()
  await page.getByRole('menu').getByText('Dark', { exact: true }).click()
  const scheme = () => page.evaluate(() => document.documentElement.dataset.mantineColorScheme)
  await until('dark', async () => (await scheme()) === 'dark')
  await page.reload()
  assert.equal(await scheme(), 'dark')
  context.quiet()
  await context.close()
})

test('the log shows each item with its receipt, and the rejected with the reason', async () => {
  const context = await newContext(browser)
  const page = await context.newPage()
  await signIn(page, server.url)
  await go(page, 'Log')
  await page.getByRole('button', { name: 'Signed Up' }).first().click()
  const receipt = page.getByRole('dialog', { name: 'Receipt' })
  await receipt.getByText('Stored', { exact: true }).waitFor()
  await receipt.getByRole('heading', { name: 'Steps' }).waitFor()
  await receipt
    .getByText('"plan"')
    .or(receipt.getByText('plan', { exact: true }))
    .first()
    .waitFor()

  const [rejected] = await server.log({ status: 'rejected' })
  assert.equal(rejected.field, 'custom_event.created_at')
  await page.goto(`${server.url}/w/shop/log?open=${rejected.position}`)
  await receipt.getByText(rejected.message).first().waitFor()
  await receipt.getByText('yesterday').first().waitFor() // as it was sent
  await accessible(page, 'a receipt')
  context.quiet()
  await context.close()
})

test('a chart is built with an event, a measure, a filter and a breakdown', async () => {
  const context = await newContext(browser)
  const page = await context.newPage()
  await signIn(page, server.url)
  const question = new URLSearchParams({
    series: JSON.stringify({
      event: 'Signed Up',
      measure: 'users',
      filters: [{ property: 'plan', on: 'event', op: 'eq', values: ['pro'] }],
    }),
    by: 'event.plan',
    range: '7d',
    interval: 'day',
  })
  await page.goto(`${server.url}/w/shop/insights?${question}`)
  const totals = page.getByRole('list', { name: /^Totals in/ }).getByRole('listitem')
  await totals.first().waitFor()
  assert.equal(await totals.count(), 1)
  assert.match(await totals.first().textContent(), /pro/)
  await accessible(page, 'a chart')
  context.quiet()
  await context.close()
})

test('the settings show the write key in the snippet to paste', async () => {
  const context = await newContext(browser)
  const page = await context.newPage()
  await signIn(page, server.url)
  await go(page, 'Settings')
  await page.getByText(writeKey).first().waitFor()
  context.quiet()
  await context.close()
})

test('an address that does not exist says so', async () => {
  const context = await newContext(browser)
  const page = await context.newPage()
  await signIn(page, server.url)
  await page.goto(`${server.url}/w/shop/nowhere`)
  await page.getByRole('heading', { level: 1, name: 'Page not found' }).waitFor()
  await accessible(page, 'a page that is not there')
  context.quiet()
  await context.close()
})
