import type { TrendsAnswer } from '../api/types';
import { type Day, dayIn } from '../text/time';
import { type Insight, letter } from './insight';
import { eventText, MEASURE_WORDS } from './words';

/** One line of a chart: a series, or one group of it. */
export interface Line {
  /** Names the line as long as the question is the same. */
  key: string;
  label: string;
  /** Which series it is, from 0. */
  series: number;
  /** Its place among all, highest total first: decides its colour. */
  rank: number;
  values: (number | null)[];
  total: number;
}

/** What an answer calls the group of all values beyond a breakdown's limit. */
const OTHERS = '$other';

/** A breakdown's value as it is shown. */
export function groupText(value: string | null | undefined): string {
  if (value === null || value === undefined) return '(not set)';
  if (value === OTHERS) return '(all others)';
  return value === '' ? '(empty)' : value;
}

/** What each series is called, no longer than is needed to tell them apart. */
export function seriesLabels(insight: Insight): string[] {
  const events = insight.series.map((series) => series.event);
  return insight.series.map(({ event, measure, filters }, i) => {
    const parts = [eventText(event)];
    const twice = events.filter((other) => other === event).length > 1;
    if (measure !== 'total' || twice) parts.push(MEASURE_WORDS[measure].label.toLowerCase());
    if (twice && filters.length > 0) parts.push(`(${letter(i)})`);
    return parts.join(', ');
  });
}

/** The lines of an answer. Series keep their order; groups come with the highest total first. */
export function linesOf(answer: TrendsAnswer, insight: Insight): Line[] {
  const labels = seriesLabels(insight);
  const names = insight.series.map((_, i) => letter(i));
  const lines = (answer.series ?? []).flatMap((found) => {
    const series = names.indexOf(found.name);
    // While a changed question is being asked, the answer shown is still of the one before.
    if (series < 0) return [];
    const label = labels[series] ?? found.name;
    const group = found.breakdown?.[0];
    const grouped = found.breakdown !== undefined && found.breakdown.length > 0;
    return [
      {
        key: `${found.name} ${JSON.stringify(found.breakdown ?? null)}`,
        label: !grouped ? label : names.length > 1 ? `${label}: ${groupText(group)}` : groupText(group),
        series,
        rank: 0,
        values: found.values,
        total: found.total,
      },
    ];
  });
  if (insight.breakdown) lines.sort((a, b) => b.total - a.total);
  return lines.map((line, rank) => ({ ...line, rank }));
}

/** The bucket that the present is in, of a range that includes it: it will still grow, and those after it are to come. */
export function presentBucket(buckets: string[], zone: string, now: Date): number {
  const today: Day = dayIn(zone, now);
  const begun = (bucket: string) =>
    bucket.length === 10 ? bucket <= today : Date.parse(bucket) <= now.getTime();
  const next = buckets.findIndex((bucket) => !begun(bucket));
  return (next < 0 ? buckets.length : next) - 1;
}

/** Lines without the zeros of what is yet to come. */
export function withoutFuture(lines: Line[], present: number | null): Line[] {
  if (present === null) return lines;
  return lines.map((line) => ({
    ...line,
    values: line.values.map((value, i) => (i > present ? null : value)),
  }));
}

/** How many lines a chart shows until somebody asks for more. */
export const LINES_SHOWN = 8;
