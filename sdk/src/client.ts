import { stamp } from './clock.js'
import { type Context, type Fields, openProfile } from './profile.js'
import { openQueue } from './queue.js'
import { openSender } from './sender.js'
import { openStore } from './store.js'
import { uuid } from './uuid.js'
import { openView, type View } from './view.js'
import { warn } from './warn.js'

/** One data point as it is sent: `kind`, an object of that name, and user, session and device. */
export type Item = { kind: string } & Fields

export interface Options {
  /** Address of the Weir server, for example `https://weir.example.com`. */
  host?: string
  /** Sends a page view when the page has loaded and when it comes back from the back/forward cache. Default true. */
  pageviews?: boolean
  /** Sends a page view when `history.pushState` or the back button changes the address. Default: as `pageviews`. */
  history?: boolean
  /** Milliseconds between two requests. Default 500. The first event after a pause goes out after 100 ms. */
  interval?: number
  /** Items in one request, at most; this many waiting items are sent without waiting. Default 50. */
  batch?: number
  /** Stores and sends nothing before `optIn()` was called, now or on an earlier page. Default false. */
  requireConsent?: boolean
  /** Takes Global Privacy Control and Do Not Track for a "no" to what `optIn()` did not answer. Default false. */
  respectPrivacySignals?: boolean
  /** Sees each item before it is queued; returns it, changed or not, or null to drop it. */
  beforeSend?: (item: Item) => Item | null
}

export interface TrackOptions {
  /** The event's own id, if it has one: an event is counted once per id. */
  id?: string
  /** The visitor did nothing: the event does not count as an interaction of the session. */
  nonInteractive?: boolean
}

export interface Client {
  track(name: string, properties?: Fields, options?: TrackOptions): void
  page(properties?: Fields): void
  identify(userId: string | number | null, traits?: Fields): void
  reset(): void
  register(properties: Fields): void
  flush(): Promise<void>
  optOut(): void
  optIn(): void
  ids(): { user: unknown; session: unknown; device: unknown } | undefined
}

/** The server that the script came from, if a script tag did it. */
export const home = { host: '' }

/** Wraps what the browser calls, for an error of ours must never become one of the page. */
export const guarded =
  <A extends unknown[], R>(act: (...given: A) => R) =>
  (...given: A): R | undefined => {
    try {
      return act(...given)
    } catch (error) {
      warn(String(error))
      return undefined
    }
  }

// A fragment is a page of its own only where an application routes by it: #/path or #!path.
const address = (): string => location.href.replace(/#(?![/!]).*$/, '')

const plain = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value)

// Half a character, as cutting a text in the middle of an emoji leaves, is no valid text for the server.
const text = (value: unknown): string => JSON.stringify(value, plain).replace(/\\ud[89a-f]../g, '\\ufffd')

export function openClient(key: string, options: Options): Client {
  const name = `weir.${key}`
  const store = openStore()
  const profile = openProfile(store, name)
  const queue = openQueue(store, `${name}.`)
  const sender = openSender(
    `${(options.host || home.host || location.origin).replace(/\/+$/, '')}/v1/items?key=${encodeURIComponent(key)}`,
    queue,
    { interval: options.interval || 500, batch: options.batch || 50 },
  )
  let view: View | undefined
  let ownTitle = false // the page chose the view's title itself
  let closed = false

  const allowed = (): boolean => {
    const said = profile.consent()
    if (said !== undefined) return said
    const { globalPrivacyControl, doNotTrack } = navigator as { globalPrivacyControl?: boolean } & Navigator
    return !(
      options.requireConsent ||
      (options.respectPrivacySignals && (globalPrivacyControl || doNotTrack === '1'))
    )
  }

  /** Queues an item and returns its text. */
  const enqueue = (kind: string, payload: Fields, context: Partial<Context>): string | undefined => {
    const item: Item | null = { kind, [kind]: payload, ...context }
    const sent = options.beforeSend ? options.beforeSend(item) : item
    if (!sent) return undefined
    const json = text(sent)
    queue.add(json)
    sender.schedule()
    return json
  }

  const track = (label: string, properties?: Fields, { id, nonInteractive }: TrackOptions = {}) => {
    const at = stamp()
    const event: Fields = {
      external_id: id || uuid(),
      created_at: at,
      label,
      properties: { ...profile.properties(), ...properties },
    }
    if (nonInteractive) event.non_interactive = true
    const context = profile.count(at, 0, nonInteractive ? 0 : 1)
    try {
      enqueue('custom_event', event, context)
    } catch (error) {
      // Most likely properties that refer to themselves. The event is worth more than they are.
      warn(`the properties of ${label} are not sent: ${error}`)
      enqueue('custom_event', { ...event, properties: {} }, context)
    }
  }

  const page = (properties?: Fields) => {
    leave()
    const at = stamp()
    const here = address()
    const referrer = view && view.address !== here ? view.address : document.referrer
    const fields: Fields = { page_id: here, title: document.title }
    if (referrer) fields.referrer = referrer
    Object.assign(fields, profile.properties(), properties, { external_id: uuid(), created_at: at })
    profile.arrive(location.href, referrer)
    const context = profile.count(at, 1, 1)
    ownTitle = !!properties && 'title' in properties
    view = openView(here, fields, context)
    enqueue('pageview', fields, context)
  }

  /** Tells how long the page was in sight until now. */
  const leave = (): string | undefined => {
    const fields = view?.version()
    if (!view || !fields) return undefined
    const { user, session, device } = view.context
    // Frameworks set the title after they have changed the address: it is right by now.
    if (!ownTitle && view.address === address()) fields.title = document.title
    return enqueue('pageview', fields, {
      user,
      device,
      session: profile.prolong(session.external_id) || session,
    })
  }

  const identify = (userId: string | number | null, traits?: Fields) => {
    const at = stamp()
    const id = userId === null || userId === undefined ? '' : String(userId)
    const before = id ? profile.know(id, at) : undefined
    const { user, session, device } = profile.count(at, 0, 0)
    if (before) {
      const alias = {
        external_id: uuid(),
        created_at: at,
        from_user_external_id: before,
        to_user_external_id: id,
        to_user_is_authenticated: true,
        to_user_created_at: user.created_at,
      }
      enqueue('user_alias', alias, { device })
    }
    if (before || traits)
      enqueue('user', { ...user, updated_at: at, traits: traits || {} }, { session, device })
  }

  const hide = () => {
    if (view) view.sight(false)
    if (closed || !allowed()) return
    leave()
    sender.flush()
  }

  const show = () => {
    if (view) view.sight(true)
    queue.renew()
    sender.schedule()
  }

  const pagehide = () => {
    closed = true
    try {
      if (!allowed()) return
      const last = leave()
      // All that was handed over stays stored until an answer says that it arrived, which this page will
      // not live to see: the next page sends it again, and the server knows it by its id. The length of
      // a visit to a page alone is not worth that, unless there is reason to doubt that it arrives.
      const alone = queue.items.length === 1
      if (sender.farewell() && last && alone) queue.remove([last])
    } finally {
      queue.close()
    }
  }

  const pageshow = (event: PageTransitionEvent) => {
    if (!event.persisted) return
    closed = false
    queue.reopen()
    sender.resume()
    if (view) view.sight(!document.hidden)
    if (allowed() && options.pageviews !== false) page()
  }

  const moved = () => {
    if (allowed() && view && view.address !== address()) page()
  }

  const followHistory = () => {
    const pushState = history.pushState
    history.pushState = function (...state) {
      pushState.apply(this, state)
      guarded(moved)()
    }
    addEventListener('popstate', guarded(moved))
  }

  const tend = () => {
    if (!allowed()) return queue.clear() // said in another tab
    queue.renew()
    queue.adopt()
    sender.schedule()
  }

  // Tabs that find the same dead tab's items at the same time would all send them. Web Locks exist on
  // https pages only; elsewhere the server sorts it out.
  const tendAlone = guarded(() => {
    if (navigator.locks) navigator.locks.request(name, guarded(tend)).catch(() => {})
    else tend()
  })

  const start = () => {
    if (options.pageviews !== false && allowed()) guarded(page)()
    else profile.arrive(location.href, document.referrer)
    if ((options.history === undefined ? options.pageviews : options.history) !== false) followHistory()
    document.addEventListener(
      'visibilitychange',
      guarded(() => (document.hidden ? hide() : show())),
    )
    addEventListener('pagehide', guarded(pagehide))
    addEventListener('pageshow', guarded(pageshow))
    addEventListener('online', guarded(sender.retry))
    setInterval(tendAlone, 15e3)
    tendAlone()
  }

  // A page that is rendered ahead of time is not seen yet.
  if ((document as { prerendering?: boolean } & Document).prerendering) {
    document.addEventListener('prerenderingchange', guarded(start), { once: true })
  } else start()

  /** Does nothing as long as the visitor does not agree. */
  const ifAllowed =
    <A extends unknown[]>(act: (...given: A) => void) =>
    (...given: A) => {
      if (allowed()) act(...given)
    }

  return {
    track: ifAllowed(track),
    page: ifAllowed(page),
    identify: ifAllowed(identify),
    reset: ifAllowed(() => profile.forget()),
    register: ifAllowed(profile.register),
    flush: () => sender.flush(),
    optOut() {
      profile.setConsent(false)
      queue.clear()
      view = undefined
    },
    optIn() {
      const before = allowed()
      profile.setConsent(true)
      if (!before && options.pageviews !== false) page()
    },
    ids() {
      if (!allowed()) return undefined
      const { user, session, device } = profile.count(stamp(), 0, 0)
      return { user: user.external_id, session: session.external_id, device: device.external_id }
    },
  }
}
