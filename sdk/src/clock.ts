/** Milliseconds that only grow: durations are measured with it, so that setting the clock does not change them. */
export const monotonic = (): number => performance.now()

let previous = 0
let repeats = 0

/**
 * The time now as RFC 3339. Browsers tell milliseconds; calls within the same one are told apart by
 * counting microseconds, so that events keep the order in which they were tracked and no two versions
 * of a user have the same time.
 */
export function stamp(): string {
  const now = Date.now()
  repeats = now === previous ? (repeats + 1) % 1000 : 0
  previous = now
  return `${rfc3339(now).slice(0, -1)}${String(1000 + repeats).slice(1)}Z`
}

/** An instant in Unix milliseconds as RFC 3339. */
export const rfc3339 = (ms: number): string => new Date(ms).toISOString()
