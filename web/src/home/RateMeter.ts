/** Counts what happens per second, over the last minute. */
export class RateMeter {
  static readonly SECONDS = 60;
  private readonly counts = new Map<number, number>();
  private readonly begun: number;

  /** Begins to count at an instant (ms). */
  constructor(at: number) {
    this.begun = Math.floor(at / 1000);
  }

  /** Counts some at an instant (ms). */
  mark(at: number, count = 1) {
    const second = Math.floor(at / 1000);
    this.counts.set(second, (this.counts.get(second) ?? 0) + count);
    if (this.counts.size > RateMeter.SECONDS * 2) this.forget(second - RateMeter.SECONDS);
  }

  /** The counts of the last full seconds before an instant (ms), oldest first; none from before it began. */
  window(at: number): number[] {
    const end = Math.floor(at / 1000);
    const length = Math.max(0, Math.min(RateMeter.SECONDS, end - this.begun));
    return Array.from({ length }, (_, i) => this.counts.get(end - length + i) ?? 0);
  }

  private forget(before: number) {
    for (const second of this.counts.keys()) if (second < before) this.counts.delete(second);
  }
}

/** The mean of the last few seconds: steadier to read than a single one. */
export function recentRate(window: readonly number[], seconds = 5): number {
  const recent = window.slice(-seconds);
  if (recent.length === 0) return 0;
  return recent.reduce((sum, n) => sum + n, 0) / recent.length;
}
