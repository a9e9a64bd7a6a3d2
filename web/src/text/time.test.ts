import { describe, expect, test } from 'vitest';
import {
  addDays,
  bucketTick,
  bucketTitle,
  dayIn,
  daysBetween,
  daysText,
  duration,
  isDay,
  logTime,
  moment,
} from './time';

test('the date depends on the zone', () => {
  const at = new Date('2026-11-21T23:30:00Z');
  expect(dayIn('UTC', at)).toBe('2026-11-21');
  expect(dayIn('Europe/Paris', at)).toBe('2026-11-22');
  expect(dayIn('America/Los_Angeles', at)).toBe('2026-11-21');
});

test('an unknown zone is read as UTC', () => {
  expect(dayIn('Mars/Olympus', new Date('2026-11-21T23:30:00Z'))).toBe('2026-11-21');
});

test('days are calendar days, over changes of the clock and leap days', () => {
  expect(addDays('2026-03-28', 2)).toBe('2026-03-30');
  expect(addDays('2028-02-28', 1)).toBe('2028-02-29');
  expect(addDays('2026-01-01', -1)).toBe('2025-12-31');
  expect(daysBetween('2026-10-24', '2026-10-26')).toBe(3);
  expect(daysBetween('2026-11-21', '2026-11-21')).toBe(1);
});

test('only dates that exist are dates', () => {
  expect(isDay('2026-02-28')).toBe(true);
  expect(isDay('2026-02-30')).toBe(false);
  expect(isDay('2026-2-3')).toBe(false);
  expect(isDay('soon')).toBe(false);
  expect(isDay(undefined)).toBe(false);
});

test('a range of dates is written without repeating what both ends share', () => {
  expect(daysText('2026-11-01', '2026-11-30')).toBe('1 – 30 Nov 2026');
  expect(daysText('2026-10-30', '2026-11-02')).toBe('30 Oct – 2 Nov 2026');
  expect(daysText('2025-12-30', '2026-01-02')).toBe('30 Dec 2025 – 2 Jan 2026');
  expect(daysText('2026-11-21', '2026-11-21')).toBe('21 Nov 2026');
});

test('times are those of the zone, and what is no time is a dash', () => {
  expect(moment('2026-11-21T19:21:35.4Z', 'Europe/Paris')).toBe('21 Nov 2026, 20:21:35');
  expect(moment('2026-11-21T00:00:00Z', 'UTC')).toBe('21 Nov 2026, 00:00:00');
  expect(moment('', 'UTC')).toBe('–');
  const now = new Date('2026-11-21T12:00:00Z');
  expect(logTime('2026-11-21T09:00:00Z', 'UTC', now)).toBe('09:00:00');
  expect(logTime('2026-11-20T09:00:00Z', 'UTC', now)).toBe('20 Nov, 09:00:00');
});

describe('buckets', () => {
  test('keep the wall clock of their own offset', () => {
    expect(bucketTick('2026-11-21T14:00:00+01:00', 'hour')).toBe('14:00');
    expect(bucketTick('2026-11-21T00:00:00+01:00', 'hour')).toBe('21 Nov');
    expect(bucketTitle('2026-10-25T02:00:00+02:00', 'hour')).toBe('25 Oct 2026, 02:00');
  });

  test.each([
    ['day', '21 Nov', 'Sat 21 Nov 2026'],
    ['week', '21 Nov', 'Week of 21 Nov 2026'],
    ['month', 'Nov 2026', 'November 2026'],
    ['quarter', 'Q4 2026', 'Q4 2026'],
    ['year', '2026', '2026'],
  ] as const)('of a %s', (interval, tick, title) => {
    expect(bucketTick('2026-11-21', interval)).toBe(tick);
    expect(bucketTitle('2026-11-21', interval)).toBe(title);
  });
});

test('durations', () => {
  expect(duration(0)).toBe('0 s');
  expect(duration(59.6)).toBe('1 min');
  expect(duration(183)).toBe('3 min 3 s');
  expect(duration(3600)).toBe('1 h');
  expect(duration(7500)).toBe('2 h 5 min');
});
