import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Browser, labels, stored } from './harness.js'

let browser: Browser
beforeEach(() => {
  browser = new Browser()
  vi.spyOn(Math, 'random').mockReturnValue(1) // no jitter
})
afterEach(() => browser.close())

const quiet = { pageviews: false, interval: 1000 }

describe('pace', () => {
  it('sends the first event after a pause at once, what follows in intervals', async () => {
    const weir = browser.load(quiet)
    weir.track('a')
    await browser.pass(100)
    expect(labels(browser.requests)).toEqual(['a'])
    for (const name of ['b', 'c']) {
      weir.track(name)
      await browser.pass(300)
    }
    expect(browser.requests).toHaveLength(1)
    await browser.pass(400)
    expect(labels(browser.requests)).toEqual(['a', 'b c'])
    await browser.pass(5000)
    weir.track('d')
    await browser.pass(100)
    expect(labels(browser.requests)).toEqual(['a', 'b c', 'd'])
    expect(stored()).toEqual([])
  })

  it('does not wait with a full batch, and sends no more than one at a time', async () => {
    const weir = browser.load({ ...quiet, batch: 3, interval: 10e3 })
    weir.track('a')
    await browser.pass(100)
    for (const name of ['b', 'c', 'd', 'e']) weir.track(name)
    await browser.pass(0)
    expect(labels(browser.requests)).toEqual(['a', 'b c d'])
    await browser.pass(10e3)
    expect(labels(browser.requests)).toEqual(['a', 'b c d', 'e'])
  })

  it('flushes all that waits, in portions that may outlive the page', async () => {
    const weir = browser.load(quiet)
    for (let i = 0; i < 10; i++) weir.track(`e${i}`, { text: 'é'.repeat(9000) })
    weir.track('large', { text: 'x'.repeat(70e3) })
    await weir.flush()
    expect(browser.requests.map((r) => [r.items.length, r.init.keepalive])).toEqual([
      [3, true],
      [3, true],
      [3, true],
      [1, true],
      [1, false],
    ])
  })

  it('has one request under way', async () => {
    let answer = () => {}
    browser.hold = new Promise((resolve) => {
      answer = resolve
    })
    const weir = browser.load(quiet)
    weir.track('a')
    await browser.pass(100)
    weir.track('b')
    weir.flush()
    await browser.pass(3000)
    expect(labels(browser.requests)).toEqual(['a'])
    answer()
    await browser.pass(1000)
    expect(labels(browser.requests)).toEqual(['a', 'b'])
  })
})

describe('a failure', () => {
  for (const answer of [503, 500, 429, 408, 404, 301, new TypeError('Failed to fetch')]) {
    it(`of ${answer} is tried again, later and later, with the same ids`, async () => {
      browser.answers = [answer, answer, answer]
      const weir = browser.load(quiet)
      weir.track('a')
      await browser.pass(100)
      await browser.pass(999)
      expect(browser.requests).toHaveLength(1)
      await browser.pass(1)
      expect(browser.requests).toHaveLength(2)
      await browser.pass(1999)
      expect(browser.requests).toHaveLength(2)
      await browser.pass(1 + 4000)
      expect(browser.requests).toHaveLength(4)
      expect(new Set(browser.requests.map((r) => JSON.stringify(r.items))).size).toBe(1)
      expect(new Set(browser.requests.map((r) => r.sentAt)).size).toBe(4)
      await browser.pass(100e3)
      expect(browser.requests).toHaveLength(4)
    })
  }

  it('is tried again after a minute at the latest', async () => {
    browser.answers = Array(20).fill(503)
    browser.load(quiet).track('a')
    await browser.pass(100 + (1 + 2 + 4 + 8 + 16 + 32) * 1000)
    expect(browser.requests).toHaveLength(7)
    await browser.pass(120e3)
    expect(browser.requests).toHaveLength(9)
  })

  it('is spread over half of the time, so that pages do not come back together', async () => {
    vi.mocked(Math.random).mockReturnValue(0)
    browser.answers = [503]
    browser.load(quiet).track('a')
    await browser.pass(600)
    expect(browser.requests).toHaveLength(2)
  })

  for (const after of ['7', new Date('2026-03-01T12:00:07.100Z').toUTCString()]) {
    it(`waits for as long as the server asks: ${after}`, async () => {
      browser.answers = [{ status: 503, after }]
      const weir = browser.load(quiet)
      weir.track('a')
      await browser.pass(100)
      weir.track('b')
      weir.flush()
      await browser.pass(6800)
      browser.visible(false)
      browser.visible(true)
      expect(browser.requests).toHaveLength(1)
      await browser.pass(300)
      expect(labels(browser.requests)).toEqual(['a', 'a b'])
    })
  }

  for (const after of ['soon', '-5', '', 'Thu, 01 Jan 1970 00:00:00 GMT']) {
    it(`is not confused by Retry-After ${JSON.stringify(after)}`, async () => {
      browser.answers = [{ status: 503, after }]
      browser.load(quiet).track('a')
      await browser.pass(1100)
      expect(browser.requests).toHaveLength(2)
    })
  }

  it('waits an hour at most', async () => {
    browser.answers = [{ status: 503, after: '999999999' }]
    browser.load(quiet).track('a')
    await browser.pass(100 + 3600e3)
    expect(browser.requests).toHaveLength(2)
  })

  it('is over when the connection is back', async () => {
    browser.answers = Array(6).fill(new TypeError('offline'))
    browser.load(quiet).track('a')
    await browser.pass(100 + 31e3)
    expect(browser.requests).toHaveLength(6)
    window.dispatchEvent(new Event('online'))
    await browser.pass(0)
    expect(browser.requests).toHaveLength(7)
    expect(stored()).toEqual([])
  })

  it('is assumed when no answer comes', async () => {
    vi.stubGlobal(
      'fetch',
      (_: string, { signal }: RequestInit) =>
        new Promise((_resolve, reject) => signal?.addEventListener('abort', reject)),
    )
    browser.load(quiet).track('a')
    await browser.pass(100 + 30e3)
    const sent = vi.fn(async () => new Response())
    vi.stubGlobal('fetch', sent)
    await browser.pass(1000)
    expect(sent).toHaveBeenCalledOnce()
  })
})

describe('a refusal', () => {
  for (const status of [400, 422]) {
    it(`of ${status} drops the batch, for it would be refused again`, async () => {
      const told = vi.spyOn(console, 'warn').mockReturnValue()
      browser.answers = [status]
      const weir = browser.load(quiet)
      weir.track('a')
      await browser.pass(100)
      weir.track('b')
      await browser.pass(1000)
      expect(labels(browser.requests)).toEqual(['a', 'b'])
      expect(told).toHaveBeenCalledOnce()
    })
  }

  it('of 413 halves the batch until it fits, and drops what alone does not', async () => {
    const told = vi.spyOn(console, 'warn').mockReturnValue()
    browser.answers = [413, 413, 413, 200, 200]
    const weir = browser.load(quiet)
    for (const name of ['a', 'b', 'c', 'd']) weir.track(name)
    await weir.flush()
    expect(labels(browser.requests)).toEqual(['a b c d', 'a b', 'a', 'b', 'c d'])
    expect(told).toHaveBeenCalledOnce()
    expect(stored()).toEqual([])
  })

  for (const status of [401, 403]) {
    it(`of the key (${status}) ends sending, says so once and keeps the items`, async () => {
      const told = vi.spyOn(console, 'warn').mockReturnValue()
      browser.answers = [status]
      const weir = browser.load(quiet)
      weir.track('a')
      await browser.pass(100)
      weir.track('b')
      await weir.flush()
      await browser.pass(100e3)
      await browser.leave()
      expect(browser.requests).toHaveLength(1)
      expect(browser.beacons).toHaveLength(0)
      expect(told).toHaveBeenCalledOnce()
      browser.load(quiet)
      await browser.pass(1000)
      expect(labels(browser.requests)).toEqual(['a', 'a b'])
    })
  }
})

describe('the end of a page', () => {
  it('hands over what waits; the next page sends it again, for nobody saw it arrive', async () => {
    const weir = browser.load(quiet)
    weir.track('a')
    await browser.leave()
    expect(labels(browser.beacons)).toEqual(['a'])
    expect(browser.requests).toEqual([])
    browser.load(quiet)
    await browser.pass(200)
    expect(browser.requests[0]?.items).toEqual(browser.beacons[0]?.items)
    expect(stored()).toEqual([])
  })

  it('does not hand over twice what is under way already, but keeps it as well', async () => {
    browser.hold = new Promise(() => {})
    const weir = browser.load(quiet)
    weir.track('a')
    await browser.pass(100)
    weir.track('b')
    await browser.leave()
    expect(labels(browser.requests)).toEqual(['a'])
    expect(labels(browser.beacons)).toEqual(['b'])
    browser.hold = undefined
    browser.load(quiet)
    await browser.pass(200)
    expect(labels(browser.requests)).toEqual(['a', 'a b'])
  })

  it('tells how long the page was seen, and keeps this only if in doubt', async () => {
    browser.load()
    await browser.pass(3000)
    await browser.leave()
    expect(browser.beacons[0]?.items).toMatchObject([{ pageview: { duration: 3 } }])
    expect(stored()).toEqual([])

    browser.beaconsAccepted = false
    browser.load()
    await browser.pass(3000)
    await browser.leave()
    expect(stored()).toHaveLength(1)
  })

  it('splits what is more than browsers let outlive the page', async () => {
    const weir = browser.load(quiet)
    for (let i = 0; i < 3; i++) weir.track(`e${i}`, { text: 'x'.repeat(25e3) })
    await browser.leave()
    expect(browser.beacons.map((beacon) => beacon.items.length)).toEqual([2, 1])
  })

  it('sends nothing if the server asked for a pause', async () => {
    browser.answers = [{ status: 503, after: '60' }]
    browser.load(quiet).track('a')
    await browser.pass(1000)
    await browser.leave()
    expect(browser.beacons).toEqual([])
    expect(stored()).toHaveLength(1)
  })

  it('hands over as soon as the page is out of sight, for it may never be in sight again', async () => {
    browser.load(quiet).track('a')
    browser.visible(false)
    await browser.pass(0)
    expect(labels(browser.requests)).toEqual(['a'])
    expect(stored()).toEqual([])
  })

  it('is not the end if the page comes back: what another tab took over is not sent again', async () => {
    browser.answers = [503]
    const weir = browser.load()
    weir.track('a')
    await browser.pass(100)
    window.dispatchEvent(new Event('pagehide'))
    const [entry] = stored()
    expect(localStorage.getItem(entry ?? '')?.split('\n')[0]).toBe('0')
    localStorage.removeItem(entry ?? '')
    window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }))
    await browser.pass(5000)
    const again = browser.requests.slice(1).flatMap((request) => request.items)
    expect(again.map((item) => item.kind)).toEqual(['pageview'])
    expect(again[0]?.pageview).not.toEqual(browser.requests[0]?.items[0]?.pageview)
  })
})
