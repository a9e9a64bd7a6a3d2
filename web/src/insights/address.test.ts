import { describe, expect, test } from 'vitest';
import { readAddress, writeAddress } from './address';
import { type Insight, newInsight } from './insight';

const rich: Insight = {
  series: [
    {
      event: 'Purchase & more',
      measure: 'users',
      filters: [{ property: 'amount', on: 'event', op: 'gte', values: ['10'] }],
    },
    { event: '*', measure: 'total', filters: [] },
  ],
  filters: [
    { property: 'country', on: 'user', op: 'in', values: ['FR', 'DE'] },
    { property: '$page', on: 'event', op: 'is_set', values: [] },
  ],
  match: 'any',
  breakdown: { property: 'utm.source', on: 'session' },
  interval: 'week',
  range: { from: '2026-09-01', to: '2026-10-31' },
  view: 'bar',
};

describe('an address', () => {
  test.each([
    ['a new insight', newInsight()],
    ['a rich one', rich],
    [
      'today by the hour',
      { ...newInsight(), range: 'today', interval: 'hour', view: 'table' } satisfies Insight,
    ],
  ])('keeps %s', (_, insight) => {
    expect(readAddress(writeAddress(insight))).toEqual(insight);
  });

  test('that is empty is a new insight', () => {
    expect(readAddress('')).toEqual(newInsight());
  });

  test.each([
    ['series=not-json&range=soon&interval=lustrum&view=pie&match=none&by=country'],
    ['series={}&series=[]&series=null&filter={"property":"x","op":"like"}&by=planet.name'],
    ['range=2026-02-30..2026-03-01'],
    ['range=2026-03-02..2026-03-01&filter=7&filter=%5B%5D'],
  ])('with nonsense is read as far as it makes sense: %s', (search) => {
    expect(readAddress(search)).toEqual(newInsight());
  });

  test('drops filters that were cut short, and keeps the series', () => {
    const { series } = readAddress('series={"event":"Purchase","filters":[{"property":"plan","op":"in"}]}');
    expect(series).toEqual([{ event: 'Purchase', measure: 'total', filters: [] }]);
  });

  test('never asks for an interval that the range cannot have', () => {
    expect(readAddress('range=90d&interval=minute').interval).toBe('day');
  });
});
