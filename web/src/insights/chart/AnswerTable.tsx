import { useComputedColorScheme } from '@mantine/core';
import type { Interval } from '../../api/types';
import { count } from '../../text/number';
import { bucketTick, bucketTitle } from '../../text/time';
import type { Line } from '../lines';
import classes from './AnswerTable.module.css';
import { lineColour } from './palette';

interface AnswerTableProps {
  buckets: string[];
  lines: Line[];
  interval: Interval;
  /** What the numbers are, for the table's caption. */
  summary: string;
}

/** Every number of the answer. */
export function AnswerTable({ buckets, lines, interval, summary }: AnswerTableProps) {
  const scheme = useComputedColorScheme('light');
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section className={classes.scroll} tabIndex={0} aria-label={summary}>
      <table className={`${classes.table} numbers`}>
        <caption className="visually-hidden">{summary}</caption>
        <thead>
          <tr>
            <th scope="col">Series</th>
            <th scope="col">Total</th>
            {buckets.map((bucket) => (
              <th key={bucket} scope="col" title={bucketTitle(bucket, interval)}>
                {bucketTick(bucket, interval)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => (
            <tr key={line.key}>
              <th scope="row">
                <span className={classes.name}>
                  <span className={classes.dot} style={{ background: lineColour(line.rank, scheme) }} />
                  <span className={classes.label}>{line.label}</span>
                </span>
              </th>
              <td className={classes.total}>{count(line.total)}</td>
              {buckets.map((bucket, i) => (
                <td key={bucket} data-zero={line.values[i] === 0 || undefined}>
                  {line.values[i] === null || line.values[i] === undefined ? '–' : count(line.values[i])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
