import { Button, CopyButton, SegmentedControl, Select, Skeleton } from '@mantine/core';
import { IconChartBar, IconChartLine, IconCheck, IconLink, IconTable } from '@tabler/icons-react';
import { useCallback, useMemo } from 'react';
import { useLocation, useSearch } from 'wouter';
import { useTrends } from '../api/queries';
import type { Interval } from '../api/types';
import { Page } from '../kit/Page';
import { ProblemNote } from '../kit/ProblemNote';
import { useWorkspace } from '../shell/workspace';
import { Answer } from './Answer';
import { readAddress, writeAddress } from './address';
import { Builder } from './builder/Builder';
import { Freshness } from './Freshness';
import classes from './InsightsPage.module.css';
import {
  fitInterval,
  type Insight,
  includesNow,
  intervalsFor,
  questionOf,
  type Range,
  type View,
} from './insight';
import { RangePicker } from './RangePicker';
import { INTERVAL_WORDS } from './words';

/** The insight in the page's address, and how to change it. */
function useInsight(): [Insight, (insight: Insight) => void] {
  const search = useSearch();
  const [, navigate] = useLocation();
  const insight = useMemo(() => readAddress(search), [search]);
  // Edits replace each other in the browser's history: "back" leaves the page.
  const change = useCallback(
    (changed: Insight) => navigate(`/insights?${writeAddress(changed)}`, { replace: true }),
    [navigate],
  );
  return [insight, change];
}

/** The chart builder. */
export function InsightsPage() {
  const { id, timezone } = useWorkspace();
  const [insight, setInsight] = useInsight();
  const question = useMemo(() => questionOf(insight, timezone), [insight, timezone]);
  const live = includesNow(insight.range, timezone, new Date());
  const answer = useTrends(id, question, live);
  // While a changed question is being asked, the chart of the one before stays, dimmed.
  const stale = answer.isPlaceholderData || (answer.isError && answer.data !== undefined);

  return (
    <Page
      title="Insights"
      lead="How often something happens, and to how many people."
      actions={<ShareButton />}
    >
      <div className={classes.columns}>
        <Builder insight={insight} onChange={setInsight} error={answer.error} />
        <section className={classes.panel} aria-label="Chart" aria-busy={answer.isFetching}>
          <Toolbar insight={insight} zone={timezone} onChange={setInsight} />
          {answer.isError && (
            <div className={classes.problem}>
              <ProblemNote error={answer.error} onRetry={() => void answer.refetch()} />
            </div>
          )}
          {answer.data && (
            <div className={classes.answer} data-stale={stale || undefined}>
              <Answer insight={insight} answer={answer.data} zone={timezone} live={live} />
            </div>
          )}
          {answer.isPending && (
            <Skeleton className={classes.skeleton ?? ''} height="clamp(260px, 46vh, 440px)" />
          )}
          <Freshness answer={answer.data} zone={timezone} live={live} stale={stale} />
        </section>
      </div>
    </Page>
  );
}

interface ToolbarProps {
  insight: Insight;
  zone: string;
  onChange: (insight: Insight) => void;
}

const VIEWS = [
  { value: 'line', name: 'Lines', Icon: IconChartLine },
  { value: 'bar', name: 'Bars', Icon: IconChartBar },
  { value: 'table', name: 'Table', Icon: IconTable },
] as const;

/** When, in what steps, and shown how. */
function Toolbar({ insight, zone, onChange }: ToolbarProps) {
  const setRange = (range: Range) =>
    onChange({ ...insight, range, interval: fitInterval(insight.interval, range) });
  const intervals = intervalsFor(insight.range).map((value) => ({ value, label: INTERVAL_WORDS[value] }));
  return (
    <div className={classes.toolbar}>
      <RangePicker range={insight.range} zone={zone} onChange={setRange} />
      <Select
        size="xs"
        w={104}
        aria-label="Interval"
        data={intervals}
        value={insight.interval}
        allowDeselect={false}
        onChange={(value) => onChange({ ...insight, interval: value as Interval })}
      />
      <SegmentedControl
        className={classes.view ?? ''}
        size="xs"
        aria-label="Shown as"
        data={VIEWS.map(({ value, name, Icon }) => ({
          value,
          label: (
            <span className={classes.viewLabel} title={name}>
              <Icon size={16} aria-hidden />
              <span className="visually-hidden">{name}</span>
            </span>
          ),
        }))}
        value={insight.view}
        onChange={(value) => onChange({ ...insight, view: value as View })}
      />
    </div>
  );
}

function ShareButton() {
  useSearch(); // the address to copy is the present one
  return (
    <CopyButton value={window.location.href} timeout={1600}>
      {({ copied, copy }) => (
        <Button
          variant="default"
          size="sm"
          leftSection={copied ? <IconCheck size={16} aria-hidden /> : <IconLink size={16} aria-hidden />}
          onClick={copy}
        >
          {copied ? 'Link copied' : 'Copy link'}
        </Button>
      )}
    </CopyButton>
  );
}
