import { monotonic, stamp } from './clock.js'
import type { Queue } from './queue.js'
import { uuid } from './uuid.js'
import { warn } from './warn.js'

/** Delivers what is in the queue. */
export interface Sender {
  /** Something was queued: sends it soon, together with what follows. */
  schedule(): void
  /** Sends now all that waits, unless the server has asked for a pause. Never rejects. */
  flush(): Promise<void>
  /** The connection is back: a failure seconds ago says nothing any more. */
  retry(): void
  /** Sends in a way that outlives the page, and reports whether the server is known to take it. */
  farewell(): boolean
  /** The page comes back from the back/forward cache; what was on its way may never be answered. */
  resume(): void
}

export interface Pace {
  /** Milliseconds between two requests. */
  interval: number
  /** Items in one request, at most. */
  batch: number
}

// The first event after a pause waits this long for company: it is what a click and the page view that
// it leads to are apart, and is not noticed in a live view.
const gather = 100

const timeout = 30e3
const firstRetry = 1e3
const lastRetry = 60e3
const longestPause = 3600e3

// Browsers let 64 KB at once be under way that outlives its page; the envelope needs some of it.
const outlivingBytes = 60e3

const bytes = (text: string) => new Blob([text]).size

/** The longest beginning of a list that goes into one request. */
function portion(items: readonly string[], most: number): string[] {
  let size = 0
  let n = 0
  while (n < items.length && n < most) {
    size += bytes(items[n] as string)
    if (n && size > outlivingBytes) break
    n++
  }
  return items.slice(0, n)
}

const envelope = (items: readonly string[]): string => {
  const now = stamp()
  return `{"id":"${uuid()}","items":[${items}],"context":{"data_sent_at":"${now}"},"created_at":"${now}"}`
}

/** Retry-After in milliseconds: it is given in seconds or as a date. */
const pause = (header: string | null): number => {
  const ms = Number(header) * 1e3 || Date.parse(header || '') - Date.now()
  return Math.min(Math.max(ms || 0, 0), longestPause)
}

export function openSender(url: string, queue: Queue, pace: Pace): Sender {
  let timer: ReturnType<typeof setTimeout> | undefined
  let running: Promise<void> | undefined
  let flight: string[] = [] // the items under way
  let outlives = false // whether they arrive although the page goes away
  let failures = 0 // in a row
  let due = 0 // monotonic time before which nothing is sent
  let asked = 0 // the same, as far as the server asked for it
  let limit = pace.batch
  let stopped = false

  const schedule = () => {
    if (running || stopped || !queue.items.length) return
    if (queue.items.length >= limit && !failures) flush()
    else if (!timer) timer = setTimeout(flush, Math.max(due - monotonic(), gather))
  }

  const flush = (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    if (running || stopped) return running || Promise.resolve()
    if (failures && monotonic() < due) {
      schedule()
      return Promise.resolve()
    }
    const mine = drain()
      .catch(() => postpone(lastRetry))
      .then(() => {
        if (running !== mine) return
        running = undefined
        schedule()
      })
    running = mine
    return mine
  }

  // Sends what waits now. What comes meanwhile waits for the next interval.
  const drain = async () => {
    let left = queue.items.length
    while (left > 0 && !stopped) {
      const sent = await send(portion(queue.items, limit))
      if (sent < 0) return
      left -= sent
    }
  }

  // Makes one request, and returns how many items are dealt with, or -1 if it is to be tried later.
  const send = async (batch: string[]): Promise<number> => {
    const body = envelope(batch)
    const control = new AbortController()
    const timedOut = setTimeout(() => control.abort(), timeout)
    let status = 0
    let after: string | null = null
    flight = batch
    // A browser refuses to keep a request alive if others have used up what it allows: then without.
    outlives = !failures && 'keepalive' in Request.prototype && bytes(body) < 64e3
    try {
      // A string goes out as text/plain, which needs no preflight. A redirect would turn the POST into
      // a GET, whose 200 means nothing.
      const answer = await fetch(url, {
        method: 'POST',
        body,
        keepalive: outlives,
        credentials: 'omit',
        redirect: 'error',
        signal: control.signal,
      })
      status = answer.status
      after = answer.headers.get('Retry-After')
    } catch {
      // No network, blocked, or too slow: as good as a server that is down.
    }
    clearTimeout(timedOut)
    flight = []
    return settle(batch, status, after)
  }

  const settle = (batch: string[], status: number, after: string | null): number => {
    if (status === 413 && batch.length > 1) {
      limit = Math.ceil(batch.length / 2)
      return 0
    }
    if (status === 401 || status === 403) {
      stopped = true
      warn(`the server refuses the key (${status}): nothing more is sent from this page`)
      return -1
    }
    const delivered = status >= 200 && status < 300
    if (delivered || status === 400 || status === 413 || status === 422) {
      if (!delivered) warn(`the server cannot read ${batch.length} items (${status}): they are dropped`)
      else limit = Math.min(limit * 2, pace.batch)
      queue.remove(batch)
      failures = 0
      due = monotonic() + pace.interval
      return batch.length
    }
    const backoff = Math.min(firstRetry * 2 ** failures, lastRetry)
    asked = monotonic() + pause(after)
    postpone(Math.max(pause(after), backoff * (0.5 + Math.random() / 2)))
    return -1
  }

  const postpone = (ms: number) => {
    failures++
    due = monotonic() + ms
  }

  return {
    schedule,
    flush,
    retry() {
      if (!failures) return
      due = 0
      flush()
    },
    farewell() {
      if (stopped || asked > monotonic()) return false
      let rest = outlives ? queue.items.filter((item) => !flight.includes(item)) : queue.items
      while (rest.length) {
        const part = portion(rest, pace.batch)
        if (!navigator.sendBeacon(url, envelope(part))) return false
        rest = rest.slice(part.length)
      }
      return !failures
    },
    resume() {
      running = undefined
      flight = []
      schedule()
    },
  }
}
