import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openQueue } from '../../src/queue.js'
import { openStore } from '../../src/store.js'
import { Browser, labels, stored } from './harness.js'

let browser: Browser
beforeEach(() => {
  browser = new Browser()
})
afterEach(() => browser.close())

const open = () => openQueue(openStore(), 'weir.wk_1.')
const numbered = (n: number, length = 0) =>
  Array.from({ length: n }, (_, i) => `{"n":${i}${' '.repeat(length)}}`)

describe('a queue', () => {
  it('keeps the newest 500 items, and of large ones 256 KB, and says so once', () => {
    const told = vi.spyOn(console, 'warn').mockReturnValue()
    const many = open()
    numbered(600).forEach(many.add)
    expect([many.items.length, many.items[0]]).toEqual([500, '{"n":100}'])
    expect(told).toHaveBeenCalledOnce()
    const large = open()
    numbered(10, 60e3).forEach(large.add)
    expect(large.items).toHaveLength(4)
    large.add(`{"x":"${'x'.repeat(300e3)}"}`)
    expect(large.items).toHaveLength(1) // it is for the server to refuse
  })

  it('writes a burst once', async () => {
    const write = vi.spyOn(Storage.prototype, 'setItem')
    const queue = open()
    numbered(100).forEach(queue.add)
    expect(write).not.toHaveBeenCalled()
    await Promise.resolve()
    expect(write).toHaveBeenCalledOnce()
    queue.remove(queue.items)
    await Promise.resolve()
    expect(stored()).toEqual([])
  })

  it('goes on in memory when storage is full', async () => {
    vi.spyOn(Storage.prototype, 'setItem').mockImplementation(() => {
      throw new DOMException('full', 'QuotaExceededError')
    })
    const weir = browser.load()
    weir.track('a')
    weir.track('b')
    await browser.pass(200)
    expect(browser.items).toHaveLength(3)
    expect(
      new Set(browser.items.map((item) => (item.session as { external_id: string }).external_id)).size,
    ).toBe(1)
  })

  it('goes on in memory when storage is refused', async () => {
    vi.spyOn(window, 'localStorage', 'get').mockImplementation(() => {
      throw new DOMException('denied', 'SecurityError')
    })
    const weir = browser.load()
    weir.identify('u1')
    weir.track('a')
    await browser.pass(200)
    expect(browser.items.map((item) => item.kind)).toEqual(['pageview', 'user_alias', 'user', 'custom_event'])
    weir.track('b')
    await browser.leave()
    expect(labels(browser.beacons)).toEqual(['b'])
  })
})

describe('tabs', () => {
  it('leave each other alone while they live', async () => {
    browser.answers = Array(50).fill(503)
    browser.load({ pageviews: false }).track('a')
    browser.load({ pageviews: false }).track('b')
    await browser.pass(200e3)
    expect(stored()).toHaveLength(2)
    expect(new Set(labels(browser.requests))).toEqual(new Set(['a', 'b']))
  })

  it('adopt what one left that said goodbye, at once', async () => {
    const dead = open()
    numbered(3).forEach(dead.add)
    dead.close()
    const heir = open()
    heir.add('{"own":1}')
    heir.adopt()
    expect(heir.items).toEqual([...numbered(3), '{"own":1}'])
    expect(stored()).toHaveLength(1)
  })

  it('adopt what one left that crashed, when its lease has run out', async () => {
    open().add('{"n":0}')
    await Promise.resolve()
    const heir = open()
    await browser.pass(39e3)
    heir.adopt()
    expect(heir.items).toEqual([])
    await browser.pass(2e3)
    heir.adopt()
    expect(heir.items).toEqual(['{"n":0}'])
  })

  it('grant a hidden tab, whose timers are slow, a longer lease', async () => {
    browser.visible(false)
    open().add('{"n":0}')
    await Promise.resolve()
    const heir = open()
    await browser.pass(149e3)
    heir.adopt()
    expect(heir.items).toEqual([])
  })

  it('are not fooled by a clock that was set back', async () => {
    open().add('{"n":0}')
    await Promise.resolve()
    vi.setSystemTime(new Date('2020-01-01T00:00:00Z'))
    const heir = open()
    heir.adopt()
    expect(heir.items).toEqual(['{"n":0}'])
  })

  it('leave behind what they have no room for', async () => {
    const dead = open()
    numbered(400).forEach(dead.add)
    dead.close()
    const heir = open()
    numbered(200, 1).forEach(heir.add)
    heir.adopt()
    expect(heir.items).toHaveLength(200)
    heir.remove(heir.items)
    heir.adopt()
    expect(heir.items).toHaveLength(400)
  })

  it('lose nothing when there is no storage for the move', async () => {
    const dead = open()
    dead.add('{"n":0}')
    dead.close()
    const heir = open()
    vi.spyOn(Storage.prototype, 'setItem').mockImplementation(() => {
      throw new DOMException('full', 'QuotaExceededError')
    })
    heir.adopt()
    expect(heir.items).toEqual([])
    expect(stored()).toHaveLength(1)
  })

  it('take what they can read of an entry that was damaged', () => {
    localStorage.setItem('weir.wk_1.x', 'nonsense\nmore\n{"n":0}')
    const heir = open()
    heir.adopt()
    expect(heir.items).toEqual(['{"n":0}'])
    expect(stored()).toHaveLength(1)
  })
})
