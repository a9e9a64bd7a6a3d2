import type {
  Interval,
  Measure,
  Operator,
  QuestionFilter,
  QuestionFilters,
  Scope,
  TrendsQuestion,
} from '../api/types';
import { type Day, dayIn, daysBetween } from '../text/time';

/** The event that stands for all of them. */
export const ANY_EVENT = '*';

/** A condition as it is edited: its values are text until the question is built. */
export interface Filter {
  property: string;
  on: Scope;
  op: Operator;
  values: string[];
}

export interface Series {
  event: string;
  measure: Measure;
  filters: Filter[];
}

export const PRESETS = ['today', '7d', '30d', '90d'] as const;
export type Preset = (typeof PRESETS)[number];

/** A preset that moves with time, or dates that stay. */
export type Range = Preset | { from: Day; to: Day };

export type View = 'line' | 'bar' | 'table';

export interface Breakdown {
  property: string;
  on: Scope;
}

/** A chart as a person builds it: the question, and how to show the answer. */
export interface Insight {
  series: Series[];
  filters: Filter[];
  /** Whether all the global filters must hold, or any. */
  match: 'all' | 'any';
  breakdown: Breakdown | null;
  interval: Interval;
  range: Range;
  view: View;
}

export const MAX_SERIES = 8;
export const BREAKDOWN_LIMIT = 25;

export function newInsight(): Insight {
  return {
    series: [{ event: ANY_EVENT, measure: 'total', filters: [] }],
    filters: [],
    match: 'all',
    breakdown: null,
    interval: 'day',
    range: '30d',
    view: 'line',
  };
}

/** What a series is called in the question: A, B, C, … */
export function letter(index: number): string {
  return String.fromCharCode(65 + index);
}

const PRESET_DAYS: Record<Preset, number> = { today: 1, '7d': 7, '30d': 30, '90d': 90 };

/** How many calendar days a range has. */
export function rangeDays(range: Range): number {
  return typeof range === 'string' ? PRESET_DAYS[range] : daysBetween(range.from, range.to);
}

/** Whether a range has the present in it, so that its answer changes by itself. */
export function includesNow(range: Range, zone: string, now: Date): boolean {
  return typeof range === 'string' || range.to >= dayIn(zone, now);
}

/** The lengths of range, in days, between which an interval gives a chart that can be read. */
const SENSIBLE: Record<Interval, [number, number]> = {
  minute: [1, 1],
  hour: [1, 31],
  day: [1, 1100],
  week: [7, 3660],
  month: [28, 36600],
  quarter: [90, 36600],
  year: [365, 36600],
};

/** The intervals to choose from for a range. */
export function intervalsFor(range: Range): Interval[] {
  const days = rangeDays(range);
  return (Object.keys(SENSIBLE) as Interval[]).filter((interval) => {
    const [least, most] = SENSIBLE[interval];
    return days >= least && days <= most;
  });
}

/** The interval to use with a range: the wanted one, if it makes sense there. */
export function fitInterval(wanted: Interval, range: Range): Interval {
  const possible = intervalsFor(range);
  if (rangeDays(range) === 1 && wanted === 'day') return 'hour';
  if (possible.includes(wanted)) return wanted;
  return possible.includes('day') ? 'day' : 'month';
}

/** How many values an operator takes; many: at least one. */
export function arity(op: Operator): 0 | 1 | 2 | 'many' {
  switch (op) {
    case 'is_set':
    case 'is_not_set':
      return 0;
    case 'between':
      return 2;
    case 'in':
    case 'not_in':
      return 'many';
    default:
      return 1;
  }
}

const NUMERIC = new Set<Operator>(['gt', 'gte', 'lt', 'lte', 'between']);

/** Whether an operator compares numbers. */
export function isNumeric(op: Operator): boolean {
  return NUMERIC.has(op);
}

/** Whether a filter says all that its operator needs. */
export function isComplete(filter: Filter): boolean {
  if (!filter.property) return false;
  const needed = arity(filter.op);
  const given = filter.values.filter((value) => value !== '');
  if (isNumeric(filter.op) && given.some((value) => Number.isNaN(Number(value)))) return false;
  if (needed === 'many') return given.length > 0;
  return given.length === needed;
}

function questionFilter({ property, on, op, values }: Filter): QuestionFilter {
  const [first = '', second = ''] = values;
  switch (arity(op)) {
    case 0:
      return { property, on, op };
    case 2:
      return { property, on, op, value: [Number(first), Number(second)] };
    case 'many':
      // One value is asked for as people would write it.
      if (values.length === 1) return { property, on, op: op === 'in' ? 'eq' : 'neq', value: first };
      return { property, on, op, value: values };
    default:
      return { property, on, op, value: isNumeric(op) ? Number(first) : first };
  }
}

function questionFilters(filters: Filter[], match: 'all' | 'any'): QuestionFilters {
  const list = filters.filter(isComplete).map(questionFilter);
  return match === 'any' && list.length > 1 ? [{ any: list }] : list;
}

/** The range as the API takes it. Presets stay relative: an open page moves on at midnight. */
function questionRange(range: Range): { from: string; to: string } {
  if (typeof range !== 'string') return { from: range.from, to: range.to };
  const days = PRESET_DAYS[range];
  return { from: days === 1 ? 'today' : `-${days - 1}d`, to: 'today' };
}

/** The question that an insight asks, in a zone. */
export function questionOf(insight: Insight, timezone: string): TrendsQuestion {
  const question: TrendsQuestion = {
    kind: 'trends',
    ...questionRange(insight.range),
    timezone,
    interval: insight.interval,
    series: insight.series.map(({ event, measure, filters }, i) => {
      const list = filters.filter(isComplete).map(questionFilter);
      return { name: letter(i), event, measure, ...(list.length > 0 ? { filters: list } : {}) };
    }),
  };
  const filters = questionFilters(insight.filters, insight.match);
  if (filters.length > 0) question.filters = filters;
  if (insight.breakdown) question.breakdowns = [{ ...insight.breakdown, limit: BREAKDOWN_LIMIT }];
  return question;
}

/** Whether a problem's field ("series[1].filters[0].value") is a part, or in a part, of the question. */
export function concerns(field: string | undefined, part: string): boolean {
  if (field === undefined || !field.startsWith(part)) return false;
  const next = field.charAt(part.length);
  return next === '' || next === '.' || next === '[';
}
