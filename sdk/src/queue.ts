import type { Store } from './store.js'
import { uuid } from './uuid.js'
import { warn } from './warn.js'

/** What waits to be delivered: items as JSON texts, oldest first. */
export interface Queue {
  readonly items: readonly string[]
  add(item: string): void
  /** Takes items out: they were delivered, or never will be. */
  remove(items: readonly string[]): void
  /** Takes over what tabs that have died left behind. */
  adopt(): void
  /** Says that this tab lives, lest others adopt what is its own. */
  renew(): void
  /** The tab goes away: its items are free to be adopted from now on. */
  close(): void
  /** The tab comes back from the back/forward cache. */
  reopen(): void
  /** Forgets all items, those of other tabs too. */
  clear(): void
}

const maxItems = 500
const maxLength = 256 * 1024

// How long a tab is believed to live after it last said so. Browsers slow the timers of a hidden tab
// down to one tick a minute.
const lease = { visible: 40e3, hidden: 150e3 }

/**
 * Every tab writes a storage entry of its own, so that no tab can overwrite another's items; localStorage
 * has nothing better against that. The entry's first line is a lease: the time until which its tab is
 * believed to live, 0 if it said goodbye. Whoever finds an entry whose lease has run out makes its items
 * its own. Should the tab live all the same, or two find it at once, items are sent twice, which the
 * server recognises by their ids; none is lost. The other lines are the items.
 */
export function openQueue(store: Store, prefix: string): Queue {
  const own = prefix + uuid()
  let items: string[] = []
  let open = true
  let saving = false
  let full = false // and it was said

  const length = (list: readonly string[]) => list.reduce((sum, item) => sum + item.length, 0)
  const until = () => (open ? Date.now() + (document.hidden ? lease.hidden : lease.visible) : 0)

  const save = (): boolean => {
    saving = false
    if (items.length) return store.set(own, [until(), ...items].join('\n'))
    store.remove(own)
    return true
  }
  // A burst of events is written once, before the browser does anything else.
  const changed = () => {
    if (saving) return
    saving = true
    Promise.resolve().then(() => saving && save())
  }
  const read = (name: string): [number, string[]] => {
    const [leased, ...lines] = (store.get(name) || '').split('\n')
    return [Number(leased), lines.filter((line) => line[0] === '{')]
  }

  const adoptFrom = (name: string) => {
    const [leased, found] = read(name)
    const left = leased - Date.now()
    // A lease that is longer than any is from before the clock was set back.
    if (left > 0 && left <= lease.hidden) return
    const before = items
    const both = found.filter((item) => !items.includes(item)).concat(items)
    if (items.length && (both.length > maxItems || length(both) > maxLength)) return // later, when there is room
    items = both
    // First written here and then removed there: a crash between the two doubles and does not lose.
    if (save()) store.remove(name)
    else items = before
  }

  return {
    get items() {
      return items
    },
    add(item) {
      items.push(item)
      while (items.length > 1 && (items.length > maxItems || length(items) > maxLength)) {
        items.shift()
        if (!full) warn('too much waits to be sent: the oldest items are dropped')
        full = true
      }
      changed()
    },
    remove(gone) {
      items = items.filter((item) => !gone.includes(item))
      changed()
    },
    adopt() {
      for (const name of store.names(prefix)) if (name !== own) adoptFrom(name)
    },
    renew() {
      if (items.length) save()
    },
    close() {
      open = false
      save()
    },
    reopen() {
      open = true
      // What is no longer stored was adopted meanwhile.
      const stored = read(own)[1]
      items = items.filter((item) => stored.includes(item))
      changed()
    },
    clear() {
      items = []
      for (const name of store.names(prefix)) store.remove(name)
    },
  }
}
