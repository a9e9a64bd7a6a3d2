/** Counts what happens per second, over the last minute. */
export class RateMeter {
  static readonly SECONDS = 60;
  private readonly counts = new Map<number, number>();

  /** Counts one at an instant (ms). */
  mark(at: number) {
    const second = Math.floor(at / 1000);
    this.counts.set(second, (this.counts.get(second) ?? 0) + 1);
    if (this.counts.size > RateMeter.SECONDS * 2) this.forget(second - RateMeter.SECONDS);
  }

  /** The counts of the last full seconds before an instant (ms), oldest first. */
  window(at: number): number[] {
    const end = Math.floor(at / 1000);
    return Array.from(
      { length: RateMeter.SECONDS },
      (_, i) => this.counts.get(end - RateMeter.SECONDS + i) ?? 0,
    );
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
