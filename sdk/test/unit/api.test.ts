import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Call, Weir } from '../../src/index.js'
import { Browser, labels } from './harness.js'

let browser: Browser
beforeEach(() => {
  browser = new Browser()
  vi.resetModules()
})
afterEach(() => {
  browser.close()
  page.weir = undefined
})

const module = async (): Promise<Weir> => (await import('../../src/index.js')).default
const page = window as { weir?: Weir | Call[] | undefined }

/** Runs the script as a page does. */
const run = async (attributes?: Record<string, string>) => {
  const tag = document.createElement('script')
  Object.assign(tag.dataset, attributes)
  Object.defineProperty(tag, 'src', { value: 'https://weir.example/weir.js' })
  vi.spyOn(document, 'currentScript', 'get').mockReturnValue(tag)
  await import('../../src/browser.js')
  return page.weir as Weir
}

describe('the module', () => {
  it('keeps calls that come before init', async () => {
    const weir = await module()
    weir.track('a')
    weir.init({ key: 'wk_1', host: 'https://weir.example/', pageviews: false })
    weir.track('b')
    await browser.pass(200)
    expect(labels(browser.requests)).toEqual(['a b'])
    expect(browser.requests[0]?.url).toBe('https://weir.example/v1/items?key=wk_1')
  })

  it('is started once', async () => {
    const weir = await module()
    weir.init('wk_1', { host: 'https://weir.example' })
    weir.init('wk_2', { host: 'https://other.example' })
    await browser.pass(200)
    expect(browser.requests.map((request) => request.url)).toEqual(['https://weir.example/v1/items?key=wk_1'])
  })

  it('can be loaded where there is no browser', async () => {
    vi.stubGlobal('window', undefined)
    const weir = await module()
    for (let i = 0; i < 1000; i++) weir.track('a')
    weir.init('wk_1')
    await weir.flush()
    vi.unstubAllGlobals()
    expect(browser.requests).toEqual([])
  })

  it('never throws', async () => {
    const told = vi.spyOn(console, 'warn').mockReturnValue()
    const weir = await module()
    const broken = {
      get host(): string {
        throw new Error('broken')
      },
      key: 'wk_1',
    }
    weir.init(broken)
    weir.init('wk_1', {
      pageviews: false,
      beforeSend() {
        throw new Error('broken')
      },
    })
    weir.track('a')
    weir.identify('u1')
    weir.page()
    weir.push(['nothing'] as unknown as Call)
    weir.push(null as unknown as Call)
    await weir.flush()
    await browser.leave()
    expect(told).toHaveBeenCalled()
  })
})

describe('the script', () => {
  it('starts by itself, with the options of its tag and the host that it came from', async () => {
    await run({ key: 'wk_1', options: '{"pageviews":false}' })
    ;(page.weir as Weir).track('a')
    await browser.pass(200)
    expect(browser.requests.map((request) => request.url)).toEqual(['https://weir.example/v1/items?key=wk_1'])
    expect(labels(browser.requests)).toEqual(['a'])
  })

  it('makes the calls that the page made before', async () => {
    page.weir = [
      ['track', 'a'],
      ['identify', 'u1'],
      ['init', 'wk_1', { host: 'https://other.example', pageviews: false }],
      ['track', 'b'],
    ]
    const weir = await run()
    weir.push(['track', 'c'])
    await browser.pass(200)
    expect(browser.requests[0]?.url).toContain('https://other.example/')
    expect(browser.items.map((item) => item.kind)).toEqual([
      'custom_event',
      'user_alias',
      'user',
      'custom_event',
      'custom_event',
    ])
  })

  it('sends to where it came from, or to where its tag says, if the page starts it', async () => {
    for (const [attributes, host] of [
      [{}, 'https://weir.example'],
      [{ host: 'https://other.example' }, 'https://other.example'],
    ] as const) {
      const weir = await run(attributes)
      weir.init('wk_1', { pageviews: false })
      weir.track('a')
      await browser.pass(200)
      expect(browser.requests.at(-1)?.url).toBe(`${host}/v1/items?key=wk_1`)
      page.weir = undefined
      vi.resetModules()
    }
  })

  it('does nothing the second time', async () => {
    const first = await run({ key: 'wk_1' })
    vi.resetModules()
    expect(await run({ key: 'wk_1' })).toBe(first)
    await browser.pass(200)
    expect(browser.items).toHaveLength(1)
  })
})
