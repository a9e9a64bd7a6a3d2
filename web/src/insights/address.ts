import type { Interval, Measure, Operator, Scope } from '../api/types';
import { isDay } from '../text/time';
import {
  type Breakdown,
  type Filter,
  fitInterval,
  type Insight,
  isComplete,
  MAX_SERIES,
  newInsight,
  PRESETS,
  type Preset,
  type Range,
  type Series,
  type View,
} from './insight';

// An insight lives in the page's address, so that reload, back and a shared link
// keep it. Reading is lenient: what does not make sense becomes the default,
// since addresses are cut, edited by hand, and older than the app.

const MEASURES: readonly Measure[] = ['total', 'users', 'sessions'];
const INTERVALS: readonly Interval[] = ['minute', 'hour', 'day', 'week', 'month', 'quarter', 'year'];
const VIEWS: readonly View[] = ['line', 'bar', 'table'];
const SCOPES: readonly Scope[] = ['event', 'user', 'session'];
const OPERATORS: readonly Operator[] = [
  'eq',
  'neq',
  'in',
  'not_in',
  'contains',
  'not_contains',
  'regex',
  'not_regex',
  'gt',
  'gte',
  'lt',
  'lte',
  'between',
  'before',
  'after',
  'is_set',
  'is_not_set',
];

function oneOf<T extends string>(allowed: readonly T[], value: unknown, fallback: T): T {
  return allowed.includes(value as T) ? (value as T) : fallback;
}

/** The insight's part of an address, without the question mark. Defaults are left out. */
export function writeAddress(insight: Insight): string {
  const standard = newInsight();
  const parameters = new URLSearchParams();
  for (const { event, measure, filters } of insight.series) {
    const series: Record<string, unknown> = { event };
    if (measure !== 'total') series.measure = measure;
    if (filters.length > 0) series.filters = filters;
    parameters.append('series', JSON.stringify(series));
  }
  for (const filter of insight.filters) parameters.append('filter', JSON.stringify(filter));
  if (insight.match !== standard.match) parameters.set('match', insight.match);
  if (insight.breakdown) parameters.set('by', `${insight.breakdown.on}.${insight.breakdown.property}`);
  parameters.set('range', writeRange(insight.range));
  parameters.set('interval', insight.interval);
  if (insight.view !== standard.view) parameters.set('view', insight.view);
  return parameters.toString();
}

/** The insight that an address describes. */
export function readAddress(search: string): Insight {
  const parameters = new URLSearchParams(search);
  const standard = newInsight();
  const series = parameters
    .getAll('series')
    .map(readSeries)
    .filter((one) => one !== undefined)
    .slice(0, MAX_SERIES);
  const range = readRange(parameters.get('range')) ?? standard.range;
  return {
    series: series.length > 0 ? series : standard.series,
    filters: parameters
      .getAll('filter')
      .map((text) => readFilter(parsed(text)))
      .filter((one) => one !== undefined),
    match: oneOf(['all', 'any'], parameters.get('match'), standard.match),
    breakdown: readBreakdown(parameters.get('by')),
    interval: fitInterval(oneOf(INTERVALS, parameters.get('interval'), standard.interval), range),
    range,
    view: oneOf(VIEWS, parameters.get('view'), standard.view),
  };
}

function writeRange(range: Range): string {
  return typeof range === 'string' ? range : `${range.from}..${range.to}`;
}

function readRange(text: string | null): Range | undefined {
  if (PRESETS.includes(text as Preset)) return text as Preset;
  const [from, to, ...rest] = (text ?? '').split('..');
  if (rest.length > 0 || !isDay(from) || !isDay(to) || from > to) return undefined;
  return { from, to };
}

function readBreakdown(text: string | null): Breakdown | null {
  const dot = (text ?? '').indexOf('.');
  if (!text || dot < 0 || dot === text.length - 1) return null;
  const on = text.slice(0, dot);
  if (!SCOPES.includes(on as Scope)) return null;
  return { on: on as Scope, property: text.slice(dot + 1) };
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function readSeries(text: string): Series | undefined {
  const { event, measure, filters } = parsed(text);
  if (typeof event !== 'string' || event === '') return undefined;
  return {
    event,
    measure: oneOf(MEASURES, measure, 'total'),
    filters: (Array.isArray(filters) ? filters : []).map(readFilter).filter((one) => one !== undefined),
  };
}

function readFilter(value: unknown): Filter | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { property, on, op, values } = value as Record<string, unknown>;
  if (typeof property !== 'string' || !OPERATORS.includes(op as Operator)) return undefined;
  const filter: Filter = {
    property,
    on: oneOf(SCOPES, on, 'event'),
    op: op as Operator,
    values: (Array.isArray(values) ? values : []).filter((one) => typeof one === 'string'),
  };
  return isComplete(filter) ? filter : undefined;
}
