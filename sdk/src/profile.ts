import { campaignOf, originOf } from './campaign.js'
import { rfc3339, stamp } from './clock.js'
import type { Store } from './store.js'
import { uuid } from './uuid.js'

/** Any JSON object. */
export type Fields = Record<string, unknown>

/** Who did it, in which visit, on what: what every item carries, so that it can be understood alone. */
export interface Context {
  user: Fields
  session: Fields
  device: Fields
}

/** What is remembered between pages. The objects are as they are sent. */
interface Saved {
  consent?: boolean | undefined
  device?: Fields
  user?: Fields
  session?: Fields
  /** Unix ms of the last event, in any tab. */
  last?: number
  /** Milliseconds between the session's first and last event. */
  spent?: number
  properties?: Fields
}

/** The visitor as this browser knows them. All tabs of a site share it: it is read anew for each event. */
export interface Profile {
  /** What the visitor said: undefined as long as they were not asked. */
  consent(): boolean | undefined
  setConsent(given: boolean): void
  /** The visitor came to a page. The next event may begin a session because of it. */
  arrive(url: string, referrer: string): void
  /** Counts an event and returns its context. */
  count(at: string, views: number, interactions: number): Context
  /** The session, prolonged until now, if it is still the one of the id. */
  prolong(session: unknown): Fields | undefined
  /**
   * Makes the visitor known. Returns the id that they had until now if nobody knew whose it was, '' if
   * it was another person's, and undefined if nothing changed.
   */
  know(id: string, at: string): string | undefined
  /** Makes the visitor somebody new. */
  forget(): void
  properties(): Fields
  register(properties: Fields): void
}

const inactivity = 30 * 60e3
const longestSession = 10800 // seconds, as the server caps it

export function openProfile(store: Store, name: string): Profile {
  let arrived: { url: string; referrer: string } | undefined

  const load = (): Saved => {
    try {
      return Object(JSON.parse(store.get(name) || '{}'))
    } catch {
      return {}
    }
  }
  const save = (saved: Saved) => store.set(name, JSON.stringify(saved))
  const update = (change: (saved: Saved) => void) => {
    const saved = load()
    change(saved)
    save(saved)
  }

  const visitor = (at: string): Fields => ({ external_id: uuid(), is_authenticated: false, created_at: at })

  // Times are of a clock that may be set at any moment: going back never ends or shortens a session.
  const spend = (saved: Saved, now: number) => {
    const session = saved.session as Fields
    saved.spent = (saved.spent || 0) + Math.max(0, now - (saved.last || now))
    session.duration = Math.min(Math.round(saved.spent / 1e3), longestSession)
    saved.last = now
  }

  const begin = (saved: Saved, at: string, now: number) => {
    const device = saved.device as Fields
    // A visit that is resumed on a page that has been open all the time comes from nowhere else.
    const from = arrived || { url: location.origin, referrer: '' }
    saved.session = {
      external_id: uuid(),
      created_at: at,
      device_external_id: device.external_id,
      landing_page: arrived ? arrived.url : location.href,
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      ...originOf(from.url, from.referrer),
      pageviews_count: 0,
      interactions_count: 0,
    }
    saved.spent = 0
    saved.last = now
  }

  const arrivedByAnother = (session: Fields): boolean => {
    const campaign = arrived && campaignOf(arrived.url)
    return !!campaign && Object.keys(campaign).some((field) => campaign[field] !== session[field])
  }

  return {
    consent: () => load().consent,
    setConsent(given) {
      update((saved) => {
        if (!given) for (const field of Object.keys(saved)) delete saved[field as keyof Saved]
        saved.consent = given
      })
    },
    arrive(url, referrer) {
      arrived = { url, referrer }
    },
    count(at, views, interactions) {
      const saved = load()
      const now = Date.now()
      saved.device = saved.device || { external_id: uuid(), created_at: at }
      saved.user = saved.user || visitor(at)
      if (!saved.session || now - (saved.last || 0) > inactivity || arrivedByAnother(saved.session)) {
        begin(saved, at, now)
      }
      arrived = undefined
      spend(saved, now)
      const session = saved.session as Fields
      session.pageviews_count = (session.pageviews_count as number) + views
      session.interactions_count = (session.interactions_count as number) + interactions
      session.updated_at = at
      save(saved)
      return {
        user: {
          ...saved.user,
          last_interaction_at: at,
          ...(saved.consent ? { consent_all: true } : {}),
        },
        session,
        device: {
          ...saved.device,
          user_agent: navigator.userAgent,
          language: navigator.language,
          resolution: `${screen.width}x${screen.height}`,
        },
      }
    },
    prolong(id) {
      const saved = load()
      const now = Date.now()
      const session = saved.session
      if (!session || session.external_id !== id || now - (saved.last || 0) > inactivity) return undefined
      spend(saved, now)
      session.updated_at = rfc3339(now)
      save(saved)
      return session
    },
    know(id, at) {
      let before: string | undefined
      update((saved) => {
        const user = saved.user || visitor(at)
        if (user.is_authenticated && user.external_id === id) return
        before = user.is_authenticated ? '' : String(user.external_id)
        if (!before) delete saved.session // a visit belongs to one person
        saved.user = { external_id: id, is_authenticated: true, created_at: at }
      })
      return before
    },
    forget() {
      update((saved) => {
        delete saved.session
        delete saved.properties
        saved.user = visitor(stamp())
      })
    },
    properties: () => load().properties || {},
    register(properties) {
      update((saved) => {
        saved.properties = { ...saved.properties, ...properties }
      })
    },
  }
}
