import { monotonic, rfc3339 } from './clock.js'
import type { Context, Fields } from './profile.js'

/** A page view that goes on: how long the page was in sight is told when it goes out of it. */
export interface View {
  readonly address: string
  readonly context: Context
  /** The page came into sight or went out of it. */
  sight(visible: boolean): void
  /** The newer version of the page view, or undefined if there is nothing new to say. */
  version(): Fields | undefined
}

export function openView(address: string, fields: Fields, context: Context): View {
  const began = Date.now()
  const beganMonotonic = monotonic()
  let shown: number | undefined = document.hidden ? undefined : beganMonotonic
  let seen = 0
  let told = 0
  return {
    address,
    context,
    sight(visible) {
      if (shown !== undefined) seen += monotonic() - shown
      shown = visible ? monotonic() : undefined
    },
    version() {
      const duration = Math.round((seen + (shown === undefined ? 0 : monotonic() - shown)) / 1e3)
      if (duration === told) return undefined
      told = duration
      // Newer than the view in any case, although the clock may have been set back.
      const updated_at = rfc3339(Math.max(Date.now(), began + Math.ceil(monotonic() - beganMonotonic)))
      return { ...fields, duration, updated_at }
    },
  }
}
