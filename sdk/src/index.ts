import { type Client, guarded, type Options, openClient } from './client.js'
import type { Fields } from './profile.js'

export type { Client, Item, Options, TrackOptions } from './client.js'
export type { Fields } from './profile.js'

/** What a page sees. None of it throws; calls before `init` are kept for it. */
export interface Weir extends Client {
  /** Starts to send with a write key. Later calls change nothing. */
  init(key: string, options?: Options): void
  init(options: Options & { key: string }): void
  /** Makes a call that is given as a list, for example `['track', 'Signup']`. */
  push(...calls: Call[]): void
}

/** A call as a list: the method's name and its arguments. */
export type Call = [method: string, ...given: unknown[]]

const methods = ['track', 'page', 'identify', 'reset', 'register', 'flush', 'optOut', 'optIn', 'ids'] as const

// Calls that wait for an init which may never come.
const mostWaiting = 100

function make(): Weir {
  let client: Client | undefined
  const waiting: Call[] = []
  const api: Record<string, (...given: never[]) => unknown> = {}

  const call = guarded(([method, ...given]: Call): unknown => {
    if (method === 'init') return init(given[0] as string, given[1] as Options)
    if (client)
      return (client as unknown as Record<string, (...given: unknown[]) => unknown>)[method]?.(...given)
    if (waiting.length < mostWaiting) waiting.push([method, ...given])
    return undefined
  })

  const init = (first: string | (Options & { key: string }), second?: Options) => {
    if (client || typeof window === 'undefined') return
    const options: Options & { key: string } = typeof first === 'string' ? { ...second, key: first } : first
    client = openClient(options.key, options)
    waiting.splice(0).forEach(call)
  }

  for (const method of ['init', ...methods]) {
    api[method] = (...given: unknown[]) => {
      const result = call([method, ...given])
      return method === 'flush' ? Promise.resolve(result) : result
    }
  }
  api.push = (...calls: Call[]) => calls.forEach(call)
  return api as unknown as Weir
}

const weir: Weir = make()

export default weir

export const init: Weir['init'] = weir.init
export const { track, page, identify, reset, register, flush, optOut, optIn, ids }: Client = weir

/** @internal */
export type { Fields as Properties }
