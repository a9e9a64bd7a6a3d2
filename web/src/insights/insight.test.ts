import { describe, expect, test } from 'vitest';
import {
  concerns,
  type Filter,
  fitInterval,
  includesNow,
  intervalsFor,
  isComplete,
  newInsight,
  questionOf,
} from './insight';

const filter = (more: Partial<Filter>): Filter => ({
  property: 'plan',
  on: 'user',
  op: 'in',
  values: ['pro'],
  ...more,
});

describe('the question', () => {
  test('of a new insight is every event of the last 30 days', () => {
    expect(questionOf(newInsight(), 'Europe/Paris')).toEqual({
      kind: 'trends',
      from: '-29d',
      to: 'today',
      timezone: 'Europe/Paris',
      interval: 'day',
      series: [{ name: 'A', event: '*', measure: 'total' }],
    });
  });

  test('names series by letter and limits the breakdown', () => {
    const question = questionOf(
      {
        ...newInsight(),
        series: [
          { event: 'Purchase', measure: 'users', filters: [] },
          { event: 'Signed Up', measure: 'total', filters: [filter({})] },
        ],
        breakdown: { property: 'country', on: 'user' },
        range: { from: '2026-10-01', to: '2026-10-31' },
      },
      'UTC',
    );
    expect(question.series).toEqual([
      { name: 'A', event: 'Purchase', measure: 'users' },
      {
        name: 'B',
        event: 'Signed Up',
        measure: 'total',
        filters: [{ property: 'plan', on: 'user', op: 'eq', value: 'pro' }],
      },
    ]);
    expect(question.breakdowns).toEqual([{ property: 'country', on: 'user', limit: 25 }]);
    expect([question.from, question.to]).toEqual(['2026-10-01', '2026-10-31']);
  });

  test('today is one date', () => {
    const { from, to } = questionOf({ ...newInsight(), range: 'today' }, 'UTC');
    expect([from, to]).toEqual(['today', 'today']);
  });

  test.each([
    [filter({ values: ['a', 'b'] }), { op: 'in', value: ['a', 'b'] }],
    [filter({ op: 'not_in' }), { op: 'neq', value: 'pro' }],
    [filter({ op: 'gt', values: ['5'] }), { op: 'gt', value: 5 }],
    [filter({ op: 'between', values: ['1', '2.5'] }), { op: 'between', value: [1, 2.5] }],
    [filter({ op: 'contains', values: ['5'] }), { op: 'contains', value: '5' }],
    [filter({ op: 'is_set', values: [] }), { op: 'is_set' }],
  ])('writes %o', (given, expected) => {
    const { filters } = questionOf({ ...newInsight(), filters: [given] }, 'UTC');
    expect(filters).toEqual([{ property: 'plan', on: 'user', ...expected }]);
  });

  test('any of several filters is a group, of one it is the filter', () => {
    const two = questionOf(
      { ...newInsight(), match: 'any', filters: [filter({}), filter({ op: 'is_set', values: [] })] },
      'UTC',
    );
    expect(two.filters).toEqual([
      {
        any: [
          { property: 'plan', on: 'user', op: 'eq', value: 'pro' },
          { property: 'plan', on: 'user', op: 'is_set' },
        ],
      },
    ]);
    const one = questionOf({ ...newInsight(), match: 'any', filters: [filter({})] }, 'UTC');
    expect(one.filters).toEqual([{ property: 'plan', on: 'user', op: 'eq', value: 'pro' }]);
  });

  test('leaves out filters that are not finished', () => {
    expect(questionOf({ ...newInsight(), filters: [filter({ values: [] })] }, 'UTC').filters).toBeUndefined();
  });
});

test('a filter is complete when its operator has what it needs', () => {
  expect(isComplete(filter({}))).toBe(true);
  expect(isComplete(filter({ property: '' }))).toBe(false);
  expect(isComplete(filter({ values: [''] }))).toBe(false);
  expect(isComplete(filter({ op: 'gt', values: ['five'] }))).toBe(false);
  expect(isComplete(filter({ op: 'between', values: ['1'] }))).toBe(false);
  expect(isComplete(filter({ op: 'is_not_set', values: [] }))).toBe(true);
});

test('intervals fit the range', () => {
  expect(intervalsFor('today')).toEqual(['minute', 'hour', 'day']);
  expect(intervalsFor('7d')).toEqual(['hour', 'day', 'week']);
  expect(intervalsFor('90d')).toEqual(['day', 'week', 'month', 'quarter']);
  expect(fitInterval('minute', '30d')).toBe('day');
  expect(fitInterval('week', '30d')).toBe('week');
  expect(fitInterval('day', 'today')).toBe('hour');
  expect(fitInterval('day', { from: '2020-01-01', to: '2026-01-01' })).toBe('month');
});

test('a range has the present in it by the zone of the workspace', () => {
  const now = new Date('2026-11-21T23:30:00Z');
  expect(includesNow('7d', 'UTC', now)).toBe(true);
  expect(includesNow({ from: '2026-11-01', to: '2026-11-21' }, 'UTC', now)).toBe(true);
  expect(includesNow({ from: '2026-11-01', to: '2026-11-21' }, 'Europe/Paris', now)).toBe(false);
});

test('a problem belongs to the part that its field is in', () => {
  expect(concerns('series[1].filters[0].value', 'series[1]')).toBe(true);
  expect(concerns('series[10].event', 'series[1]')).toBe(false);
  expect(concerns('filters[0]', 'filters')).toBe(true);
  expect(concerns('filtersX', 'filters')).toBe(false);
  expect(concerns(undefined, 'filters')).toBe(false);
});
