import { vi } from 'vitest'
import { type Client, type Item, type Options, openClient } from '../../src/client.js'

export interface Request {
  url: string
  init: RequestInit
  id: string
  items: Item[]
  sentAt: string
}

/** A status with Retry-After, or what fetch rejects with. */
export type Answer = number | { status: number; after?: string } | Error

const read = (url: string, init: RequestInit): Request => {
  const envelope = JSON.parse(String(init.body))
  return { url, init, id: envelope.id, items: envelope.items, sentAt: envelope.context.data_sent_at }
}

/**
 * The browser around the SDK: a transport that answers what `answers` says (200 when it is used up) and a
 * clock that the test moves. `restart` is a page load: what was listened to before is forgotten.
 */
export class Browser {
  requests: Request[] = []
  beacons: Request[] = []
  answers: Answer[] = []
  beaconsAccepted = true
  /** While set, requests are answered only when it resolves. */
  hold: Promise<void> | undefined
  private undo: (() => void)[] = []
  private timers: ReturnType<typeof setTimeout>[] = []

  constructor() {
    vi.useFakeTimers({
      now: new Date('2026-03-01T12:00:00Z'),
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'Date', 'performance'],
    })
    vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
      this.requests.push(read(url, init))
      const answer = this.answers.shift() ?? 200
      if (this.hold) await this.hold
      if (answer instanceof Error) throw answer
      const { status, after } = typeof answer === 'number' ? { status: answer, after: undefined } : answer
      return new Response('{}', { status, headers: after === undefined ? {} : { 'Retry-After': after } })
    })
    navigator.sendBeacon = (url, body) => {
      if (this.beaconsAccepted) this.beacons.push(read(String(url), { body: body as string }))
      return this.beaconsAccepted
    }
    for (const name of ['setTimeout', 'setInterval'] as const) {
      const set = globalThis[name]
      vi.stubGlobal(name, (act: () => void, ms: number) => {
        const timer = set(act, ms)
        this.timers.push(timer)
        return timer
      })
    }
    this.catchListeners(window)
    this.catchListeners(document)
    const pushState = history.pushState
    this.undo.push(() => {
      history.pushState = pushState
    })
    document.title = 'Shop'
    history.replaceState(null, '', '/')
    this.visible(true)
  }

  private catchListeners(target: EventTarget) {
    const add = target.addEventListener
    target.addEventListener = (...given: Parameters<typeof add>) => {
      add.apply(target, given)
      this.undo.push(() => target.removeEventListener(...given))
    }
    this.undo.unshift(() => {
      target.addEventListener = add
    })
  }

  load(options: Options = {}, key = 'wk_1'): Client {
    return openClient(key, { host: 'https://weir.example', ...options })
  }

  /** Ends the page without a word, as a crash does. */
  kill() {
    for (const undo of this.undo.splice(0)) undo()
    this.timers.splice(0).forEach(clearTimeout)
    this.catchListeners(window)
    this.catchListeners(document)
  }

  /** Ends the page as browsers do. */
  async leave() {
    window.dispatchEvent(new Event('pagehide'))
    this.visible(false)
    await this.pass(0)
    this.kill()
    this.visible(true)
  }

  visible(yes: boolean) {
    Object.defineProperty(document, 'hidden', { value: !yes, configurable: true })
    document.dispatchEvent(new Event('visibilitychange'))
  }

  pass(ms: number) {
    return vi.advanceTimersByTimeAsync(ms)
  }

  close() {
    this.kill()
    for (const undo of this.undo.splice(0)) undo()
    vi.restoreAllMocks()
    localStorage.clear()
    Reflect.deleteProperty(navigator, 'globalPrivacyControl')
    Reflect.deleteProperty(document, 'prerendering')
    vi.unstubAllGlobals()
    vi.useRealTimers()
  }

  get items(): Item[] {
    return this.requests.flatMap((request) => request.items)
  }

  /** What was sent of a kind, the object under its name. */
  sent(kind: string): Record<string, unknown>[] {
    return this.items
      .filter((item) => item.kind === kind)
      .map((item) => item[kind] as Record<string, unknown>)
  }
}

/** Names of the events in the requests, in order. */
export const labels = (requests: Request[]) =>
  requests.map((request) =>
    request.items.map((item) => (item.custom_event as { label: string }).label).join(' '),
  )

/** A context object of an item. */
export const part = (item: Item | undefined, name: 'user' | 'session' | 'device') =>
  item?.[name] as Record<string, unknown>

export const stored = () => Object.keys(localStorage).filter((name) => name.startsWith('weir.wk_1.'))
