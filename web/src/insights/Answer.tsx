import { Alert, Button } from '@mantine/core';
import { IconChartLine } from '@tabler/icons-react';
import { lazy, Suspense, useMemo, useState } from 'react';
import { Link } from 'wouter';
import { useEventNames } from '../api/queries';
import type { TrendsAnswer } from '../api/types';
import { Empty } from '../kit/Empty';
import { useWorkspace } from '../shell/workspace';
import { compact } from '../text/number';
import classes from './Answer.module.css';
import { AnswerTable } from './chart/AnswerTable';
import { Legend } from './chart/Legend';
import { BREAKDOWN_LIMIT, type Insight } from './insight';
import { LINES_SHOWN, type Line, linesOf, presentBucket, withoutFuture } from './lines';
import { INTERVAL_WORDS, MEASURE_WORDS, rangeText } from './words';

// The charting library is the largest part of the app; the table needs none of it.
const Chart = lazy(async () => ({ default: (await import('./chart/Chart')).Chart }));

interface AnswerProps {
  insight: Insight;
  answer: TrendsAnswer;
  zone: string;
  /** The range has the present in it. */
  live: boolean;
}

/** What came out, as lines, bars or a table. */
export function Answer({ insight, answer, zone, live }: AnswerProps) {
  const present = live ? presentBucket(answer.buckets, zone, new Date()) : null;
  const lines = useMemo(() => withoutFuture(linesOf(answer, insight), present), [answer, insight, present]);
  const [toggled, setToggled] = useState<ReadonlySet<string>>(new Set());
  const hidden = useMemo(() => hiddenOf(lines, toggled), [lines, toggled]);
  const shown = lines.filter((line) => !hidden.has(line.key));
  const summary = summaryOf(insight, lines);

  if (lines.every((line) => line.total === 0)) return <NothingCounted insight={insight} />;

  const toggle = (key: string) => {
    const next = new Set(toggled);
    if (!next.delete(key)) next.add(key);
    setToggled(next);
  };

  return (
    <>
      {insight.view === 'table' ? (
        <AnswerTable buckets={answer.buckets} lines={lines} interval={insight.interval} summary={summary} />
      ) : (
        <>
          <div className={classes.chart}>
            <Suspense fallback={<div className={classes.placeholder} />}>
              <Chart
                buckets={answer.buckets}
                lines={shown}
                interval={insight.interval}
                view={insight.view}
                present={present}
                stacked={isAdditive(insight)}
                summary={summary}
              />
            </Suspense>
          </div>
          <div className={classes.legend}>
            <Legend
              lines={lines}
              hidden={hidden}
              onToggle={toggle}
              unit={unitOf(insight)}
              additive={isAdditive(insight)}
            />
          </div>
        </>
      )}
      {answer.truncated && (
        <Alert variant="light" color="yellow" className={classes.note ?? ''}>
          Only the {BREAKDOWN_LIMIT} groups with the highest totals are shown by themselves.
        </Alert>
      )}
    </>
  );
}

/** With many groups only the first are drawn; a line that was toggled is the other way round. */
function hiddenOf(lines: Line[], toggled: ReadonlySet<string>): ReadonlySet<string> {
  return new Set(
    lines.filter((line) => line.rank >= LINES_SHOWN !== toggled.has(line.key)).map((line) => line.key),
  );
}

/** Groups of one total are parts of a whole; unique people may be in several groups. */
function isAdditive(insight: Insight): boolean {
  return insight.breakdown !== null && insight.series.length === 1 && insight.series[0]?.measure === 'total';
}

function unitOf(insight: Insight): string {
  const units = new Set(insight.series.map((series) => MEASURE_WORDS[series.measure].unit));
  return [...units].join(' and ');
}

function summaryOf(insight: Insight, lines: Line[]): string {
  const totals = lines.slice(0, LINES_SHOWN).map((line) => `${line.label}: ${compact(line.total)}`);
  return `${unitOf(insight)} by ${INTERVAL_WORDS[insight.interval].toLowerCase()}, ${rangeText(insight.range)}. Totals: ${totals.join('; ')}`;
}

function NothingCounted({ insight }: { insight: Insight }) {
  const workspace = useWorkspace();
  const names = useEventNames(workspace.id);
  const icon = <IconChartLine size={22} />;
  if (names.data?.length === 0) {
    return (
      <Empty
        icon={icon}
        title="There are no events yet"
        actions={
          <Button component={Link} href="/" variant="default">
            Send the first one
          </Button>
        }
      >
        As soon as the first one arrives, it can be counted, filtered and split here.
      </Empty>
    );
  }
  const filtered = insight.filters.length > 0 || insight.series.some((series) => series.filters.length > 0);
  return (
    <Empty icon={icon} title={`Nothing to count in ${rangeText(insight.range)}`}>
      {filtered
        ? 'No event passes the filters. Remove one, or choose a longer range.'
        : 'Choose another event, or a longer range.'}
    </Empty>
  );
}
