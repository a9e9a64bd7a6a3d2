import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Item } from '../../src/client.js'
import { Browser, part } from './harness.js'

let browser: Browser
beforeEach(() => {
  browser = new Browser()
})
afterEach(() => browser.close())

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe('a page view', () => {
  it('is the self-contained item of the contract', async () => {
    history.replaceState(null, '', '/landing?utm_source=news&utm_medium=email#top')
    browser.load()
    await browser.pass(200)
    const { url, init, items, sentAt } = browser.requests[0] ?? expect.fail('nothing was sent')
    expect(url).toBe('https://weir.example/v1/items?key=wk_1')
    expect(init).toMatchObject({ method: 'POST', credentials: 'omit', keepalive: true })
    expect(init.headers).toBeUndefined() // so that there is no preflight
    expect(sentAt).toBe('2026-03-01T12:00:00.100000Z')
    const at = '2026-03-01T12:00:00.000000Z'
    const id = expect.stringMatching(uuid)
    expect(items).toEqual([
      {
        kind: 'pageview',
        pageview: {
          external_id: id,
          created_at: at,
          title: 'Shop',
          page_id: 'https://shop.example/landing?utm_source=news&utm_medium=email',
        },
        user: { external_id: id, is_authenticated: false, created_at: at, last_interaction_at: at },
        session: {
          external_id: id,
          created_at: at,
          device_external_id: part(items[0], 'device').external_id,
          landing_page: 'https://shop.example/landing?utm_source=news&utm_medium=email#top',
          timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
          utm_source: 'news',
          utm_medium: 'email',
          duration: 0,
          pageviews_count: 1,
          interactions_count: 1,
          updated_at: at,
        },
        device: {
          external_id: id,
          created_at: at,
          user_agent: navigator.userAgent,
          language: 'en-US',
          resolution: '0x0',
        },
      },
    ])
  })

  it('is told again with its duration, as a newer version, each time the page goes out of sight', async () => {
    browser.load()
    await browser.pass(5200)
    browser.visible(false)
    await browser.pass(60e3) // not in sight: does not count
    browser.visible(true)
    await browser.pass(2000)
    browser.visible(false)
    await browser.pass(100)
    const views = browser.sent('pageview')
    expect(new Set(views.map((v) => v.external_id)).size).toBe(1)
    expect(views.map((v) => v.duration)).toEqual([undefined, 5, 7])
    const versions = views.map((v) => String(v.updated_at ?? v.created_at))
    expect(versions).toEqual([...versions].sort())
    expect(part(browser.items.at(-1), 'session')).toMatchObject({ duration: 67, pageviews_count: 1 })
  })

  it('is newer than before although the clock was set back', async () => {
    browser.load()
    await browser.pass(3000)
    vi.setSystemTime(new Date('2026-02-28T00:00:00Z'))
    browser.visible(false)
    await browser.pass(100)
    const [first, second] = browser.sent('pageview')
    expect(second).toMatchObject({ duration: 3 })
    expect(String(second?.updated_at) > String(first?.created_at)).toBe(true)
  })

  it('follows the history, but not within the same page', async () => {
    browser.load()
    await browser.pass(1200)
    history.pushState(null, '', '/cart')
    document.title = 'Cart'
    history.pushState(null, '', '/cart#total')
    history.replaceState(null, '', '/cart?sorted')
    await browser.pass(1200)
    expect(browser.sent('pageview').map((v) => [v.page_id, v.referrer, v.duration])).toEqual([
      ['https://shop.example/', undefined, undefined],
      ['https://shop.example/', undefined, 1],
      ['https://shop.example/cart', 'https://shop.example/', undefined],
    ])
  })

  it('takes routes in the fragment for pages, and the title that is set late', async () => {
    browser.load()
    history.pushState(null, '', '#/a')
    document.title = 'A'
    await browser.pass(1200)
    browser.visible(false)
    await browser.pass(1200)
    const [, first, last] = browser.sent('pageview')
    expect(first).toMatchObject({ page_id: 'https://shop.example/#/a', title: 'Shop' })
    expect(last).toMatchObject({
      page_id: 'https://shop.example/#/a',
      title: 'A',
      external_id: first?.external_id,
    })
  })

  it('is left to the page if asked, with what the page says of it', async () => {
    const weir = browser.load({ pageviews: false })
    history.pushState(null, '', '/p/1')
    weir.page({ title: 'Boots', product_sku: 'b1' })
    await browser.pass(1300)
    browser.visible(false)
    await browser.pass(200)
    expect(browser.sent('pageview').map((v) => [v.title, v.product_sku, v.duration])).toEqual([
      ['Boots', 'b1', undefined],
      ['Boots', 'b1', 1],
    ])
  })

  it('waits for a page that is rendered ahead of time to be looked at', async () => {
    Object.defineProperty(document, 'prerendering', { value: true, configurable: true })
    browser.load()
    await browser.pass(2000)
    expect(browser.items).toEqual([])
    Object.defineProperty(document, 'prerendering', { value: false, configurable: true })
    document.dispatchEvent(new Event('prerenderingchange'))
    await browser.pass(200)
    expect(browser.sent('pageview')).toHaveLength(1)
  })
})

describe('an event', () => {
  it('carries its properties over those that are registered, and counts in the session', async () => {
    const weir = browser.load()
    weir.register({ plan: 'free', theme: 'dark' })
    weir.track('Signup', { plan: 'pro', big: BigInt(12), when: new Date(0) })
    weir.track('Timer', {}, { nonInteractive: true, id: 'once' })
    await browser.pass(200)
    const [signup, timer] = browser.sent('custom_event')
    expect(signup).toMatchObject({
      label: 'Signup',
      properties: { plan: 'pro', theme: 'dark', big: '12', when: '1970-01-01T00:00:00.000Z' },
    })
    expect(timer).toMatchObject({ external_id: 'once', non_interactive: true })
    expect(part(browser.items.at(-1), 'session')).toMatchObject({ pageviews_count: 1, interactions_count: 2 })
  })

  it('keeps its place within a millisecond', async () => {
    const weir = browser.load({ pageviews: false })
    for (const name of ['a', 'b', 'c']) weir.track(name)
    await browser.pass(200)
    const times = browser.sent('custom_event').map((event) => String(event.created_at))
    expect(times.map((time) => time.slice(-8))).toEqual(['.000000Z', '.000001Z', '.000002Z'])
  })

  it('is sent although its properties cannot be', async () => {
    const told = vi.spyOn(console, 'warn').mockReturnValue()
    const weir = browser.load({ pageviews: false })
    const loop: Record<string, unknown> = {}
    loop.self = loop
    weir.track('Loop', loop)
    await browser.pass(200)
    expect(browser.sent('custom_event')).toMatchObject([{ label: 'Loop', properties: {} }])
    expect(told).toHaveBeenCalledOnce()
  })

  it('is valid text although a character was cut in half', async () => {
    const weir = browser.load({ pageviews: false })
    weir.track('Cut', { text: '🙂'.slice(0, 1), whole: '🙂', literal: '\\ud' })
    await browser.pass(200)
    expect(browser.sent('custom_event')).toMatchObject([
      { properties: { text: '\ufffd', whole: '🙂', literal: '\\ud' } },
    ])
  })

  it('passes the page first, which may change or drop it', async () => {
    const beforeSend = (item: Item) => {
      const event = item.custom_event as { label: string; properties: object }
      return event.label === 'Secret' ? null : { ...item, custom_event: { ...event, properties: {} } }
    }
    const weir = browser.load({ pageviews: false, beforeSend })
    weir.track('Secret')
    weir.track('Open', { email: 'a@b.c' })
    await browser.pass(200)
    expect(browser.sent('custom_event')).toMatchObject([{ label: 'Open', properties: {} }])
  })
})

describe('a visitor', () => {
  it('becomes known: an alias, the traits, and the id on all that follows', async () => {
    const weir = browser.load({ pageviews: false })
    weir.track('Before')
    weir.identify('u1', { email: 'a@b.c' })
    weir.track('After')
    await browser.pass(200)
    const [before, alias, user, after] = browser.items
    const anonymous = part(before, 'user').external_id
    expect(alias?.user_alias).toMatchObject({
      from_user_external_id: anonymous,
      to_user_external_id: 'u1',
      to_user_is_authenticated: true,
    })
    expect(user).toMatchObject({
      kind: 'user',
      user: { external_id: 'u1', is_authenticated: true, traits: { email: 'a@b.c' } },
    })
    expect(part(user, 'user').updated_at).toBeDefined()
    expect(part(after, 'user')).toMatchObject({ external_id: 'u1', is_authenticated: true })
    expect(part(after, 'session').external_id).toBe(part(before, 'session').external_id)
    expect(part(after, 'device').external_id).toBe(part(before, 'device').external_id)
  })

  it('is made known once, however often the page says so, and after a reload', async () => {
    browser.load().identify(7)
    await browser.pass(200)
    browser.kill()
    const weir = browser.load()
    weir.identify('7')
    weir.track('Later')
    await browser.pass(200)
    expect(browser.sent('user_alias')).toHaveLength(1)
    expect(browser.sent('user')).toHaveLength(1)
    expect(part(browser.items.at(-1), 'user').external_id).toBe('7')
  })

  it('gets traits without an id, and new versions of them at the same moment', async () => {
    const weir = browser.load({ pageviews: false })
    weir.identify(null, { theme: 'dark' })
    weir.identify('u1', { a: 1 })
    weir.identify('u1', { a: 2 })
    await browser.pass(200)
    const [anonymous, first, second] = browser.sent('user')
    expect(anonymous).toMatchObject({ is_authenticated: false, traits: { theme: 'dark' } })
    expect(String(second?.updated_at) > String(first?.updated_at)).toBe(true)
  })

  it('is never linked to another known one: sessions part', async () => {
    const weir = browser.load({ pageviews: false })
    weir.identify('u1')
    weir.track('One')
    weir.identify('u2')
    weir.track('Two')
    await browser.pass(200)
    expect(browser.sent('user_alias')).toHaveLength(1)
    const [one, two] = browser.items.filter((item) => item.kind === 'custom_event')
    expect(part(two, 'user').external_id).toBe('u2')
    expect(part(two, 'session').external_id).not.toBe(part(one, 'session').external_id)
  })

  it('is forgotten, except for the device', async () => {
    const weir = browser.load({ pageviews: false })
    weir.register({ plan: 'pro' })
    weir.identify('u1')
    weir.track('Before')
    weir.reset()
    weir.track('After')
    await browser.pass(200)
    const [before, after] = browser.items.filter((item) => item.kind === 'custom_event')
    expect(part(after, 'user').is_authenticated).toBe(false)
    expect(part(after, 'session').external_id).not.toBe(part(before, 'session').external_id)
    expect(part(after, 'device').external_id).toBe(part(before, 'device').external_id)
    expect(after).toMatchObject({ custom_event: { properties: {} } })
    expect(weir.ids()?.user).toBe(part(after, 'user').external_id)
  })
})

describe('consent', () => {
  it('if required, is waited for: nothing is stored or sent', async () => {
    const weir = browser.load({ requireConsent: true })
    weir.track('Early')
    weir.identify('u1')
    await browser.pass(20e3)
    expect(browser.items).toEqual([])
    expect(localStorage.length).toBe(0)
    expect(weir.ids()).toBeUndefined()
    weir.optIn()
    await browser.pass(200)
    expect(browser.items).toMatchObject([{ kind: 'pageview', user: { consent_all: true } }])
    await browser.leave()
    browser.load({ requireConsent: true })
    await browser.pass(200)
    expect(browser.sent('pageview').length).toBeGreaterThan(1)
  })

  it('is taken back: what waits and who it was are forgotten, in all tabs', async () => {
    browser.answers = [503]
    const weir = browser.load()
    weir.identify('u1')
    await browser.pass(200)
    const before = browser.requests.length
    weir.optOut()
    weir.track('Late')
    await browser.pass(60e3)
    expect(browser.requests).toHaveLength(before)
    expect({ ...localStorage }).toEqual({ 'weir.wk_1': '{"consent":false}' })
  })

  it('follows the browser if asked to, unless the visitor says otherwise', async () => {
    Object.defineProperty(navigator, 'globalPrivacyControl', { value: true, configurable: true })
    const weir = browser.load({ respectPrivacySignals: true })
    await browser.pass(200)
    expect(browser.items).toEqual([])
    weir.optIn()
    await browser.pass(200)
    expect(browser.sent('pageview')).toHaveLength(1)
  })
})
