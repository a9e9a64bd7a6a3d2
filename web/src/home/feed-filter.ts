import type { FeedEntry } from './LiveFeed';

export interface FeedFilter {
  /** Words that must all occur, in whatever case. */
  text: string;
  /** Empty: every kind. */
  kind: string;
}

const haystacks = new WeakMap<FeedEntry, string>();

/** All the text of an entry, made once: filtering runs at every key stroke. */
function haystack(entry: FeedEntry): string {
  let text = haystacks.get(entry);
  if (text === undefined) {
    const { row } = entry;
    text = JSON.stringify([
      row.name,
      row.kind,
      row.user_id,
      row.item_id,
      row.status,
      row.source_name,
      row.item,
    ]).toLowerCase();
    haystacks.set(entry, text);
  }
  return text;
}

/** The entries that a filter lets through, in their order. */
export function matching(entries: readonly FeedEntry[], filter: FeedFilter): readonly FeedEntry[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0 && !filter.kind) return entries;
  return entries.filter(
    (entry) =>
      (!filter.kind || entry.row.kind === filter.kind) &&
      words.every((word) => haystack(entry).includes(word)),
  );
}
