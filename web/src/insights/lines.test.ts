import { describe, expect, test } from 'vitest';
import type { TrendsAnswer } from '../api/types';
import { type Insight, newInsight } from './insight';
import { linesOf, presentBucket, seriesLabels, withoutFuture } from './lines';

const answer = (series: TrendsAnswer['series']): TrendsAnswer => ({
  buckets: ['2026-11-20', '2026-11-21'],
  series,
  as_of: { time: '2026-11-21T12:00:00Z' },
  elapsed_ms: 1,
});

const byCountry: Insight = { ...newInsight(), breakdown: { property: 'country', on: 'user' } };

describe('lines', () => {
  test('of a breakdown come with the highest total first, and name what is absent and what is left', () => {
    const lines = linesOf(
      answer([
        { name: 'A', breakdown: ['FR'], period: 'current', values: [1, 1], total: 2 },
        { name: 'A', breakdown: [null], period: 'current', values: [3, 3], total: 6 },
        { name: 'A', breakdown: [''], period: 'current', values: [0, 1], total: 1 },
        { name: 'A', breakdown: ['$other'], period: 'current', values: [0, 0.5], total: 0.5 },
      ]),
      byCountry,
    );
    expect(lines.map((line) => [line.label, line.rank])).toEqual([
      ['(not set)', 0],
      ['FR', 1],
      ['(empty)', 2],
      ['(all others)', 3],
    ]);
    expect(new Set(lines.map((line) => line.key)).size).toBe(4);
  });

  test('of an answer to an earlier question are left out', () => {
    const lines = linesOf(answer([{ name: 'B', period: 'current', values: [1], total: 1 }]), newInsight());
    expect(lines).toEqual([]);
  });

  test('of an answer without series are none', () => {
    expect(linesOf(answer(null), newInsight())).toEqual([]);
  });
});

test('series are called no more than what tells them apart', () => {
  const series = (event: string, measure: 'total' | 'users') => ({ event, measure, filters: [] });
  expect(
    seriesLabels({ ...newInsight(), series: [series('Purchase', 'total'), series('order', 'users')] }),
  ).toEqual(['Purchase', 'Order, unique people']);
  expect(seriesLabels({ ...newInsight(), series: [series('*', 'total'), series('*', 'users')] })).toEqual([
    'Any event, total',
    'Any event, unique people',
  ]);
});

describe('the present', () => {
  const now = new Date('2026-11-21T13:20:00Z');

  test('is in the last bucket that has begun', () => {
    expect(presentBucket(['2026-11-20', '2026-11-21'], 'UTC', now)).toBe(1);
    const hours = ['2026-11-21T13:00:00+01:00', '2026-11-21T14:00:00+01:00', '2026-11-21T15:00:00+01:00'];
    expect(presentBucket(hours, 'Europe/Paris', now)).toBe(1);
  });

  test('has nothing after it', () => {
    const [line] = linesOf(
      answer([{ name: 'A', period: 'current', values: [1, 2], total: 3 }]),
      newInsight(),
    );
    expect(line && withoutFuture([line], 0)[0]?.values).toEqual([1, null]);
    expect(line && withoutFuture([line], null)[0]?.values).toEqual([1, 2]);
  });
});
