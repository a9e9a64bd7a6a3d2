import type { Interval, Measure, Operator, Scope } from '../api/types';
import { eventLabel } from '../kit/kinds';
import { daysText, dayText } from '../text/time';
import { ANY_EVENT, type Filter, type Insight, type Preset, type Range } from './insight';

export const MEASURE_WORDS: Record<Measure, { label: string; unit: string; meaning: string }> = {
  total: { label: 'Total', unit: 'events', meaning: 'How often it happened' },
  users: { label: 'Unique people', unit: 'people', meaning: 'How many different people did it' },
  sessions: { label: 'Unique sessions', unit: 'sessions', meaning: 'In how many sessions it happened' },
};

export const INTERVAL_WORDS: Record<Interval, string> = {
  minute: 'Minute',
  hour: 'Hour',
  day: 'Day',
  week: 'Week',
  month: 'Month',
  quarter: 'Quarter',
  year: 'Year',
};

export const PRESET_WORDS: Record<Preset, { short: string; long: string }> = {
  today: { short: 'Today', long: 'today' },
  '7d': { short: '7d', long: 'the last 7 days' },
  '30d': { short: '30d', long: 'the last 30 days' },
  '90d': { short: '90d', long: 'the last 90 days' },
};

/** Operators in the order in which they are offered. */
export const OPERATOR_WORDS: Partial<Record<Operator, string>> = {
  in: 'is',
  not_in: 'is not',
  contains: 'contains',
  not_contains: 'does not contain',
  is_set: 'is set',
  is_not_set: 'is not set',
  gt: 'is greater than',
  gte: 'is at least',
  lt: 'is less than',
  lte: 'is at most',
  between: 'is between',
  before: 'is before',
  after: 'is after',
  regex: 'matches',
  not_regex: 'does not match',
};

export const SCOPE_WORDS: Record<Scope, string> = { event: 'Event', user: 'Person', session: 'Session' };

/** An event's name as it is shown. */
export function eventText(event: string): string {
  return event === ANY_EVENT ? 'Any event' : eventLabel(event);
}

export function rangeText(range: Range): string {
  return typeof range === 'string' ? PRESET_WORDS[range].long : daysText(range.from, range.to);
}

/** A filter as a phrase: "country is FR or DE". */
export function filterText({ property, op, values }: Filter): string {
  const words = OPERATOR_WORDS[op] ?? op.replaceAll('_', ' ');
  if (values.length === 0) return `${property} ${words}`;
  if (op === 'between') return `${property} ${words} ${values[0]} and ${values[1]}`;
  if (op === 'before' || op === 'after') return `${property} ${words} ${dayText(values[0] ?? '')}`;
  return `${property} ${words} ${values.join(' or ')}`;
}

/** What an insight asks, in a line: "Purchase, unique people, where country is FR, by plan". */
export function questionText({ series, filters, match, breakdown }: Insight): string {
  const asked = series.map(({ event, measure }) =>
    measure === 'total'
      ? eventText(event)
      : `${eventText(event)} (${MEASURE_WORDS[measure].label.toLowerCase()})`,
  );
  const parts = [asked.join(' and ')];
  if (filters.length > 0)
    parts.push(`where ${filters.map(filterText).join(match === 'any' ? ' or ' : ' and ')}`);
  if (breakdown) parts.push(`by ${breakdown.property}`);
  return parts.join(', ');
}
