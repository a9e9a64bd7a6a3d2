import { Skeleton } from '@mantine/core';
import { useInterval } from '@mantine/hooks';
import { type ReactNode, useMemo, useState } from 'react';
import { useTrends, useUsage } from '../api/queries';
import type { TrendsQuestion } from '../api/types';
import { useWorkspace } from '../shell/workspace';
import { compact, count } from '../text/number';
import classes from './Figures.module.css';
import { RateMeter, recentRate } from './RateMeter';
import { Sparkline } from './Sparkline';

/** What happened today, of every event. */
function todayQuestion(timezone: string): TrendsQuestion {
  return {
    kind: 'trends',
    from: 'today',
    to: 'today',
    timezone,
    interval: 'day',
    series: [
      { name: 'events', event: '*', measure: 'total' },
      { name: 'people', event: '*', measure: 'users' },
      { name: 'sessions', event: '*', measure: 'sessions' },
    ],
  };
}

/** The figures above the live view: the present second, and today. */
export function Figures({ meter }: { meter: RateMeter }) {
  const workspace = useWorkspace();
  const question = useMemo(() => todayQuestion(workspace.timezone), [workspace.timezone]);
  const today = useTrends(workspace.id, question, true);
  const usage = useUsage(workspace.id);
  const total = (name: string) => today.data?.series?.find((series) => series.name === name)?.total;
  const waiting = usage.data?.queue_lag ?? 0;

  return (
    <dl className={classes.figures}>
      <Pulse meter={meter} />
      <Figure label="Items today" value={usage.data?.items_today} failed={usage.isError}>
        {waiting > 0 ? `${compact(waiting)} waiting to be processed` : 'all processed'}
      </Figure>
      <Figure label="Events today" value={total('events')} failed={today.isError}>
        in {workspace.timezone}
      </Figure>
      <Figure label="People today" value={total('people')} failed={today.isError}>
        {sessionsText(total('sessions'))}
      </Figure>
    </dl>
  );
}

function sessionsText(sessions: number | undefined): string {
  if (sessions === undefined) return '';
  return sessions === 1 ? 'in 1 session' : `in ${compact(sessions)} sessions`;
}

/** How much arrives now. Ticks by itself, so that the rest of the page need not. */
function Pulse({ meter }: { meter: RateMeter }) {
  const [now, setNow] = useState(() => Date.now());
  useInterval(() => setNow(Date.now()), 1_000, { autoInvoke: true });
  const seconds = meter.window(now);
  const rate = recentRate(seconds);
  const text = rate === 0 || rate >= 10 ? count(Math.round(rate)) : rate.toFixed(1);
  return (
    <div className={`${classes.figure} ${classes.pulse}`}>
      <dt>Arriving now</dt>
      <dd>
        <span className={`${classes.value} numbers`}>
          {text}
          <span className={classes.unit}> items/s</span>
        </span>
        <Sparkline
          values={seconds}
          width={RateMeter.SECONDS}
          label={`${text} items per second; the line shows the last minute`}
        />
      </dd>
    </div>
  );
}

interface FigureProps {
  label: string;
  value: number | undefined;
  failed: boolean;
  children?: ReactNode;
}

function Figure({ label, value, failed, children }: FigureProps) {
  return (
    <div className={classes.figure}>
      <dt>{label}</dt>
      <dd>
        {value === undefined && !failed ? (
          <Skeleton height={32} width={88} />
        ) : (
          <span className={`${classes.value} numbers`} title={value === undefined ? undefined : count(value)}>
            {value === undefined ? '–' : compact(value)}
          </span>
        )}
        <span className={classes.note}>{children}</span>
      </dd>
    </div>
  );
}
