import { Tooltip } from '@mantine/core';
import type { TrendsAnswer } from '../api/types';
import { elapsed } from '../text/number';
import { clock, moment } from '../text/time';
import classes from './Freshness.module.css';

interface FreshnessProps {
  answer: TrendsAnswer | undefined;
  zone: string;
  live: boolean;
  stale: boolean;
}

/** How current the answer is, and what it cost: there for those who look for it. */
export function Freshness({ answer, zone, live, stale }: FreshnessProps) {
  if (!answer) return <p className={classes.freshness}>{zone}</p>;
  return (
    <p className={classes.freshness} data-stale={stale || undefined}>
      {answer.as_of.time && (
        <Tooltip label={`Includes every item processed by ${moment(answer.as_of.time, zone)}`}>
          <span className="numbers">As of {clock(answer.as_of.time, zone)}</span>
        </Tooltip>
      )}
      <span className="numbers">answered in {elapsed(answer.elapsed_ms)}</span>
      <span>days in {zone}</span>
      {live && <span>follows new events</span>}
    </p>
  );
}
