import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { LiveRow } from '../api/types';
import { matching } from './feed-filter';
import { FEED_LIMIT, LiveFeed } from './LiveFeed';

const row = (n: number, more: Partial<LiveRow> = {}): LiveRow => ({
  position: `0.${n}`,
  receipt: 'rcp_1',
  received_at: '2026-11-21T12:00:00Z',
  status: 'stored',
  ...more,
});
const shown = (feed: LiveFeed) => feed.current().entries.map((entry) => entry.row.position);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the feed', () => {
  test('shows the newest first, each row once', () => {
    const feed = new LiveFeed();
    for (const n of [1, 2, 2, 3]) feed.receive(row(n));
    vi.runAllTimers();
    feed.receive(row(3));
    vi.runAllTimers();
    expect(shown(feed)).toEqual(['0.3', '0.2', '0.1']);
  });

  test('draws many rows at once', () => {
    const feed = new LiveFeed();
    const listener = vi.fn();
    feed.subscribe(listener);
    for (let n = 0; n < 100; n++) feed.receive(row(n));
    vi.runAllTimers();
    expect(listener).toHaveBeenCalledTimes(1);
  });

  test('keeps so many rows and no more, paused or not', () => {
    const feed = new LiveFeed();
    for (let n = 0; n < FEED_LIMIT + 50; n++) feed.receive(row(n));
    vi.runAllTimers();
    expect(shown(feed)).toHaveLength(FEED_LIMIT);
    feed.pause();
    for (let n = 1000; n < 1000 + FEED_LIMIT + 50; n++) feed.receive(row(n));
    vi.runAllTimers();
    expect(feed.current().waiting).toBe(FEED_LIMIT);
  });

  test('holds still while it is paused, and then catches up', () => {
    const feed = new LiveFeed();
    feed.receive(row(1));
    vi.runAllTimers();
    feed.pause();
    feed.receive(row(2));
    vi.runAllTimers();
    expect(shown(feed)).toEqual(['0.1']);
    expect(feed.current().waiting).toBe(1);
    feed.resume();
    expect(shown(feed)).toEqual(['0.2', '0.1']);
    expect(feed.current()).toMatchObject({ paused: false, waiting: 0 });
  });

  test('puts what the log has in its place, each row once', () => {
    const at = (n: number) => row(n, { received_at: `2026-11-21T12:00:0${n}.5Z` });
    const feed = new LiveFeed();
    feed.receive(at(2));
    feed.receive(at(5));
    vi.runAllTimers();
    feed.seed([at(5), at(4), at(2), at(1)]);
    expect(shown(feed)).toEqual(['0.5', '0.4', '0.2', '0.1']);
    expect(feed.current().entries.map((entry) => entry.fresh)).toEqual([true, false, true, false]);
  });

  test('adds up what was skipped', () => {
    const feed = new LiveFeed();
    feed.skip(3);
    feed.skip(4);
    expect(feed.current().skipped).toBe(7);
  });
});

test('the filter looks for every word, anywhere, in any case', () => {
  const entries = [
    { row: row(1, { kind: 'order', user_id: 'Ada', item: { order: { currency: 'EUR' } } }), fresh: true },
    { row: row(2, { kind: 'pageview', name: 'pageview', user_id: 'Bob' }), fresh: true },
  ];
  const found = (text: string, kind = '') =>
    matching(entries, { text, kind }).map((entry) => entry.row.position);
  expect(found('')).toEqual(['0.1', '0.2']);
  expect(found('ada eur')).toEqual(['0.1']);
  expect(found('ada usd')).toEqual([]);
  expect(found('', 'pageview')).toEqual(['0.2']);
  expect(found('ada', 'pageview')).toEqual([]);
});
