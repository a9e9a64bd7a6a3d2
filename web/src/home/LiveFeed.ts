import type { LiveRow } from '../api/types';

/** How many rows are kept: what a person can look through, and a browser draw. */
export const FEED_LIMIT = 500;

/** New rows are shown this often, in ms, however fast they come: as fast as eyes follow. */
const FLUSH_EVERY = 120;

/** A row, and whether it came while somebody was watching. */
export interface FeedEntry {
  row: LiveRow;
  fresh: boolean;
}

export interface FeedView {
  /** Newest first. */
  entries: readonly FeedEntry[];
  paused: boolean;
  /** How many rows wait for the feed to be resumed; at most FEED_LIMIT are kept. */
  waiting: number;
  /** How many came too fast for this page, and were left out. */
  skipped: number;
}

/** Puts new rows, oldest first, before those that are there; a row that is there already is not repeated. */
export function prepend(
  entries: readonly FeedEntry[],
  arrived: readonly FeedEntry[],
  limit = FEED_LIMIT,
): readonly FeedEntry[] {
  const known = new Set(entries.map((entry) => entry.row.position));
  const added: FeedEntry[] = [];
  for (const entry of arrived) {
    if (known.has(entry.row.position)) continue;
    known.add(entry.row.position);
    added.push(entry);
  }
  if (added.length === 0) return entries;
  return [...added.reverse(), ...entries].slice(0, limit);
}

/** The rows of the live view: bounded, drawn in gulps, and still while it is paused. */
export class LiveFeed {
  private view: FeedView = { entries: [], paused: false, waiting: 0, skipped: 0 };
  private pending: FeedEntry[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly listeners = new Set<() => void>();

  readonly subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  };

  readonly current = (): FeedView => this.view;

  /** Takes a row that just arrived. */
  receive(row: LiveRow) {
    this.pending.push({ row, fresh: true });
    if (this.pending.length > FEED_LIMIT) this.pending.shift();
    this.timer ??= setTimeout(() => this.flush(), FLUSH_EVERY);
  }

  /** Says that so many rows were left out, because they came too fast. */
  skip(count: number) {
    this.show({ ...this.view, skipped: this.view.skipped + count });
  }

  /** Adds what the log has, in the place that its time gives it: from before the feed was opened, or from while it was cut off. */
  seed(rows: readonly LiveRow[]) {
    const added = rows.map((row) => ({ row, fresh: false }));
    const merged = prepend(this.view.entries, added, Number.POSITIVE_INFINITY);
    if (merged === this.view.entries) return;
    const at = new Map(merged.map((entry) => [entry, Date.parse(entry.row.received_at)]));
    const entries = [...merged].sort((a, b) => (at.get(b) ?? 0) - (at.get(a) ?? 0)).slice(0, FEED_LIMIT);
    this.show({ ...this.view, entries });
  }

  pause() {
    if (!this.view.paused) this.show({ ...this.view, paused: true });
  }

  resume() {
    const entries = prepend(this.view.entries, this.pending);
    this.pending = [];
    this.show({ ...this.view, entries, paused: false, waiting: 0 });
  }

  private flush() {
    this.timer = undefined;
    if (this.view.paused) {
      this.show({ ...this.view, waiting: this.pending.length });
      return;
    }
    const entries = prepend(this.view.entries, this.pending);
    this.pending = [];
    this.show({ ...this.view, entries });
  }

  private show(view: FeedView) {
    this.view = view;
    for (const listener of this.listeners) listener();
  }
}
