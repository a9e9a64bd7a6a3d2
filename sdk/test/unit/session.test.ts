import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { campaignOf, originOf } from '../../src/campaign.js'
import { Browser, part } from './harness.js'

describe('where a visit comes from', () => {
  for (const [what, url, referrer, want] of [
    ['typed', 'https://a.example/', '', { utm_source: 'direct', utm_medium: 'none' }],
    ['own page', 'https://a.example/x', 'https://a.example/', { utm_source: 'direct', utm_medium: 'none' }],
    ['no address', 'https://a.example/x', 'nonsense', { utm_source: 'direct', utm_medium: 'none' }],
    [
      'link',
      'https://a.example/',
      'https://b.example/x',
      { utm_source: 'b.example', utm_medium: 'referral', referrer: 'https://b.example/x' },
    ],
    [
      'campaign',
      'https://a.example/?utm_source=n&utm_medium=email&utm_campaign=c&utm_content=x&utm_term=t&utm_id=9',
      '',
      {
        utm_source: 'n',
        utm_medium: 'email',
        utm_campaign: 'c',
        utm_content: 'x',
        utm_term: 't',
        utm_id: '9',
      },
    ],
    [
      'click id',
      'https://a.example/?gclid=G1&fbclid=F',
      '',
      { utm_source: 'direct', utm_medium: 'none', utm_id: 'G1', utm_id_from: 'gclid' },
    ],
    [
      'click id of a link',
      'https://a.example/?fbclid=F',
      'https://l.fb.example/',
      {
        utm_source: 'l.fb.example',
        utm_medium: 'referral',
        utm_id: 'F',
        utm_id_from: 'fbclid',
        referrer: 'https://l.fb.example/',
      },
    ],
    [
      'empty values',
      'https://a.example/?utm_source=&gclid=',
      '',
      { utm_source: 'direct', utm_medium: 'none' },
    ],
  ] as const) {
    it(what, () => expect(originOf(url, referrer)).toEqual(want))
  }

  for (const id of [
    'gclid',
    'gbraid',
    'wbraid',
    'dclid',
    'fbclid',
    'msclkid',
    'ttclid',
    'li_fat_id',
    'twclid',
    'rdt_cid',
    'epik',
    'ScCid',
  ]) {
    it(`knows ${id}`, () =>
      expect(campaignOf(`https://a.example/?${id}=1`)).toEqual({ utm_id: '1', utm_id_from: id }))
  }
})

describe('a session', () => {
  let browser: Browser
  beforeEach(() => {
    browser = new Browser()
  })
  afterEach(() => browser.close())

  const sessions = () => browser.items.map((item) => part(item, 'session'))
  const ids = () => sessions().map((session) => session.external_id)

  it('lasts over pages and pauses of up to half an hour', async () => {
    const weir = browser.load()
    await browser.pass(30 * 60e3)
    weir.track('Back')
    await browser.pass(1000)
    browser.kill()
    browser.load()
    await browser.pass(1000)
    expect(new Set(ids()).size).toBe(1)
    expect(sessions().at(-1)).toMatchObject({ pageviews_count: 2, interactions_count: 3, duration: 1801 })
  })

  it('ends with a longer pause; the next one comes from nowhere', async () => {
    history.replaceState(null, '', '/?utm_source=news')
    const weir = browser.load()
    await browser.pass(30 * 60e3 + 1)
    weir.track('Back')
    await browser.pass(1000)
    expect(new Set(ids()).size).toBe(2)
    expect(sessions().map((session) => session.utm_source)).toEqual(['news', 'direct'])
    expect(sessions()[1]).toMatchObject({ pageviews_count: 0, interactions_count: 1, duration: 0 })
  })

  it('ends with another campaign, and not with the same', async () => {
    for (const search of [
      '?utm_source=news',
      '?utm_source=news',
      '',
      '?utm_source=news&gclid=1',
      '?gclid=2',
    ]) {
      history.replaceState(null, '', `/${search}`)
      browser.load()
      await browser.pass(1500)
      browser.kill()
    }
    const distinct = [...new Set(ids())]
    expect(ids().map((id) => distinct.indexOf(id))).toEqual([0, 0, 0, 1, 2])
  })

  it('is shared by tabs, whose campaigns do not fight over it', async () => {
    history.replaceState(null, '', '/?utm_source=a')
    const one = browser.load()
    history.replaceState(null, '', '/?utm_source=b')
    const two = browser.load()
    one.track('One')
    two.track('Two')
    one.track('Three')
    await browser.pass(1500)
    const events = browser.items
      .filter((item) => item.kind === 'custom_event')
      .map((item) => part(item, 'session'))
    expect(new Set(events.map((session) => session.external_id)).size).toBe(1)
    expect(Math.max(...events.map((session) => Number(session.interactions_count)))).toBe(4)
  })

  it('does not end when the clock is set back, and gets no shorter', async () => {
    const weir = browser.load()
    await browser.pass(10e3)
    weir.track('One')
    vi.setSystemTime(new Date('2026-01-01T00:00:00Z'))
    weir.track('Two')
    await browser.pass(5e3)
    weir.track('Three')
    await browser.pass(1500)
    expect(new Set(ids()).size).toBe(1)
    expect(sessions().map((session) => session.duration)).toEqual([0, 10, 10, 15])
  })

  it('stays that of the page view which is told to have lasted, although it is over', async () => {
    browser.load()
    await browser.pass(40 * 60e3)
    browser.visible(false)
    await browser.pass(200)
    expect(new Set(ids()).size).toBe(1)
    expect(browser.sent('pageview').map((view) => view.duration)).toEqual([undefined, 2400])
    expect(sessions()[1]).toMatchObject({ duration: 0 })
  })

  it('begins anew on what was stored by something else', async () => {
    localStorage.setItem('weir.wk_1', 'not json')
    browser.load()
    await browser.pass(200)
    expect(browser.sent('pageview')).toHaveLength(1)
  })
})
