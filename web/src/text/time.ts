import type { Interval } from '../api/types';

/** A calendar date, "2026-11-21". */
export type Day = string;

const DAY_MS = 86_400_000;

const formats = new Map<string, Intl.DateTimeFormat>();

/** Intl formats are dear to make: one of each is kept. An unknown zone falls back to UTC. */
function format(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = zone + JSON.stringify(options);
  let found = formats.get(key);
  if (!found) {
    try {
      found = new Intl.DateTimeFormat('en-GB', { ...options, timeZone: zone });
    } catch {
      found = new Intl.DateTimeFormat('en-GB', { ...options, timeZone: 'UTC' });
    }
    formats.set(key, found);
  }
  return found;
}

/** The browser's own zone. */
export function localZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}

/** The zones that the browser knows, UTC first. */
export function knownZones(): string[] {
  return ['UTC', ...Intl.supportedValuesOf('timeZone').filter((zone) => zone !== 'UTC')];
}

/** The date at an instant in a zone. */
export function dayIn(zone: string, at: Date): Day {
  const parts = new Map(
    format(zone, { year: 'numeric', month: '2-digit', day: '2-digit' })
      .formatToParts(at)
      .map((part) => [part.type, part.value]),
  );
  return `${parts.get('year')}-${parts.get('month')}-${parts.get('day')}`;
}

/** The date so many days after another; calendar arithmetic, so no zone is needed. */
export function addDays(day: Day, days: number): Day {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);
}

/** How many days lie between two dates, both counted. */
export function daysBetween(from: Day, to: Day): number {
  return Math.round((Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / DAY_MS) + 1;
}

/** Whether text is a date that exists. */
export function isDay(text: unknown): text is Day {
  if (typeof text !== 'string' || !/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

/** "14:03:07". */
export function clock(at: string, zone: string): string {
  const time = Date.parse(at);
  if (Number.isNaN(time)) return '–';
  return format(zone, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false }).format(time);
}

/** "21 Nov 2026, 14:03:07". */
export function moment(at: string, zone: string): string {
  const time = Date.parse(at);
  if (Number.isNaN(time)) return '–';
  const day = format(zone, { day: 'numeric', month: 'short', year: 'numeric' }).format(time);
  return `${day}, ${clock(at, zone)}`;
}

/** "14:03:07" today, else "20 Nov, 14:03:07": for columns of times. */
export function logTime(at: string, zone: string, now: Date): string {
  const time = Date.parse(at);
  if (Number.isNaN(time)) return '–';
  if (dayIn(zone, new Date(time)) === dayIn(zone, now)) return clock(at, zone);
  return `${format(zone, { day: 'numeric', month: 'short' }).format(time)}, ${clock(at, zone)}`;
}

/** Seconds as people say them: 45 → "45 s", 183 → "3 min 3 s", 7500 → "2 h 5 min". */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return two(Math.floor(whole / 60), 'min', whole % 60, 's');
  return two(Math.floor(whole / 3600), 'h', Math.floor((whole % 3600) / 60), 'min');
}

const two = (large: number, unit: string, small: number, smaller: string) =>
  small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smaller}`;

/** "21 Nov 2026" of a date. */
export function dayText(day: Day): string {
  return format('UTC', { day: 'numeric', month: 'short', year: 'numeric' }).format(
    Date.parse(`${day}T00:00:00Z`),
  );
}

/** "1 – 30 Nov 2026", leaving out what both ends share. */
export function daysText(from: Day, to: Day): string {
  if (from === to) return dayText(from);
  const [fromYear, fromMonth] = from.split('-');
  const [toYear, toMonth] = to.split('-');
  const options: Intl.DateTimeFormatOptions = { day: 'numeric' };
  if (fromYear !== toYear || fromMonth !== toMonth) options.month = 'short';
  if (fromYear !== toYear) options.year = 'numeric';
  return `${format('UTC', options).format(Date.parse(`${from}T00:00:00Z`))} – ${dayText(to)}`;
}

/**
 * A bucket's label taken apart. Labels of minutes and hours carry their zone's
 * offset, so the wall clock is read off the text and never converted.
 */
function bucketParts(label: string): { at: number; clock: string } {
  return { at: Date.parse(`${label.slice(0, 10)}T00:00:00Z`), clock: label.slice(11, 16) };
}

/** A bucket on an axis, short: "14:00", "21 Nov", "Nov 2026", "Q4 2026". */
export function bucketTick(label: string, interval: Interval): string {
  const { at, clock: wall } = bucketParts(label);
  switch (interval) {
    case 'minute':
      return wall;
    case 'hour':
      return wall === '00:00' ? format('UTC', { day: 'numeric', month: 'short' }).format(at) : wall;
    case 'month':
      return format('UTC', { month: 'short', year: 'numeric' }).format(at);
    case 'quarter':
      return `Q${Math.floor(new Date(at).getUTCMonth() / 3) + 1} ${label.slice(0, 4)}`;
    case 'year':
      return label.slice(0, 4);
    default:
      return format('UTC', { day: 'numeric', month: 'short' }).format(at);
  }
}

/** A bucket in full, for tooltips and tables: "Sat 21 Nov 2026", "Week of 16 Nov 2026". */
export function bucketTitle(label: string, interval: Interval): string {
  const { at, clock: wall } = bucketParts(label);
  const day = format('UTC', { day: 'numeric', month: 'short', year: 'numeric' }).format(at);
  switch (interval) {
    case 'minute':
    case 'hour':
      return `${day}, ${wall}`;
    case 'day':
      return `${format('UTC', { weekday: 'short' }).format(at)} ${day}`;
    case 'week':
      return `Week of ${day}`;
    case 'month':
      return format('UTC', { month: 'long', year: 'numeric' }).format(at);
    default:
      return bucketTick(label, interval);
  }
}
