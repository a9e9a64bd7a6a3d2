import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { until } from './capture.mjs'
import { launch, page, world } from './fixture.mjs'

let browser
before(async () => {
  browser = await launch()
})
after(() => browser.close())

test('a page that comes back from the back/forward cache goes on', (t) =>
  world(browser, async ({ capture, open }) => {
    const tab = await open()
    await tab.evaluate(() => {
      window.addEventListener('pageshow', (event) => {
        window.restored = event.persisted
      })
    })
    await until('the page view', () => capture.stored.length)
    await tab.evaluate(() => {
      location.href = '/elsewhere'
    })
    await tab.waitForFunction(() => location.pathname === '/elsewhere')
    await tab.evaluate(() => history.back())
    await tab.waitForFunction(() => location.pathname === '/' && window.weir?.track)
    t.diagnostic(`restored from the cache: ${await tab.evaluate(() => window.restored)}`)
    assert.equal(
      await tab.evaluate(() => window.restored),
      true,
      'weir.js keeps pages out of the back/forward cache',
    )
    await tab.evaluate(() => window.weir.track('Back'))
    await until('the event', () => capture.events.includes('Back'))
    const views = new Set(
      capture.stored.filter((i) => i.kind === 'pageview').map((i) => i.pageview.external_id),
    )
    assert.equal(views.size, 2)
  }))

test('a frame without storage sends all the same', () =>
  world(browser, async ({ capture, site, open }) => {
    site.pages.set('/framed', page(capture))
    site.pages.set(
      '/frame',
      '<!doctype html><iframe sandbox="allow-scripts" src="/framed"></iframe><script>window.weir = {track() {}}</script>',
    )
    const tab = await open('/frame')
    const frame = await until('the frame', () => tab.frames().find((f) => f.url().endsWith('/framed')))
    await frame.waitForFunction(() => window.weir?.track)
    assert.equal(
      await frame.evaluate(() => {
        try {
          return !!localStorage
        } catch {
          return false
        }
      }),
      false,
    )
    await frame.evaluate(() => {
      window.weir.identify('u1')
      window.weir.track('Framed')
    })
    await until('the event', () => capture.events.includes('Framed'))
    assert.equal(new Set(capture.stored.map((item) => item.device.external_id)).size, 1)
    assert.equal(capture.stored.at(-1).user.external_id, 'u1')
  }))

test('a page with a strict policy is respected', () =>
  world(browser, async ({ capture, site, open }) => {
    const policy = `default-src 'none'; script-src ${capture.origin}; connect-src ${capture.origin}; require-trusted-types-for 'script'; report-uri /csp`
    site.pages.set('/strict', {
      html: `<!doctype html><title>Strict</title><script async src="${capture.origin}/weir.js" data-key="wk_test"></script>`,
      headers: { 'Content-Security-Policy': policy },
    })
    const tab = await open('/elsewhere')
    const complaints = []
    tab.on('console', (message) => complaints.push(message.text()))
    tab.on('request', (request) => request.url().endsWith('/csp') && complaints.push(request.postData()))
    await tab.goto(`${site.origin}/strict`)
    await until('the page view', () => capture.stored.length)
    await tab.goto(`${site.origin}/elsewhere`)
    assert.deepEqual(complaints, [])
  }))

test('a policy that forbids sending does no harm to the page', () =>
  world(browser, async ({ capture, site, open }) => {
    site.pages.set('/closed', {
      html: page(capture),
      headers: { 'Content-Security-Policy': "connect-src 'none'" },
    })
    const tab = await open('/closed')
    const violation = tab.evaluate(
      () =>
        new Promise((resolve) =>
          document.addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective)),
        ),
    )
    await tab.evaluate(() => window.weir.track('Unsent'))
    assert.equal(await violation, 'connect-src')
    assert.equal(capture.requests.length, 0)
  }))

test('calls before the script is there are made when it is', () =>
  world(browser, async ({ capture, site, open }) => {
    site.pages.set(
      '/early',
      `<!doctype html><script>
      window.weir = window.weir || []
      weir.push(['identify', 'u1', {plan: 'pro'}], ['track', 'Early'])
    </script>${page(capture)}`,
    )
    const tab = await open('/early')
    await until('the event', () => capture.events.includes('Early'))
    assert.deepEqual(
      capture.stored.map((item) => item.kind),
      ['pageview', 'user_alias', 'user', 'custom_event'],
    )
    assert.equal(await tab.evaluate(() => window.weir.ids().user), 'u1')
  }))

test('a campaign, a click id and a referrer are read', () =>
  world(browser, async ({ capture, site, context }) => {
    const tab = await context.newPage()
    const elsewhere = site.origin.replace('127.0.0.1', 'localhost')
    await tab.goto(`${elsewhere}/elsewhere`)
    await tab.evaluate((to) => {
      location.href = to
    }, `${site.origin}/?utm_source=news&utm_medium=email&gclid=G1`)
    await until('the page view', () => capture.stored.length)
    const { session, pageview } = capture.stored[0]
    assert.deepEqual(
      [
        session.utm_source,
        session.utm_medium,
        session.utm_id,
        session.utm_id_from,
        session.referrer,
        pageview.referrer,
      ],
      ['news', 'email', 'G1', 'gclid', `${elsewhere}/`, `${elsewhere}/`],
    )
  }))
