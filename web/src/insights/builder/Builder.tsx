import { Button, CloseButton, SegmentedControl } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { IconAdjustmentsHorizontal, IconChevronDown, IconPlus } from '@tabler/icons-react';
import { type ReactNode, useId, useState } from 'react';
import { Problem } from '../../api/client';
import { concerns, type Insight, letter, MAX_SERIES, type Series } from '../insight';
import { questionText } from '../words';
import classes from './Builder.module.css';
import { Filters } from './Filters';
import { PropertyPicker } from './PropertyPicker';
import { SeriesCard } from './SeriesCard';

interface BuilderProps {
  insight: Insight;
  onChange: (insight: Insight) => void;
  /** Why the question was refused; shown where it is to blame. */
  error: unknown;
}

/** What is asked. On a phone, where the chart comes first, it folds into a sentence. */
export function Builder(props: BuilderProps) {
  const phone = useMediaQuery('(max-width: 48em)', false, { getInitialValueInEffect: false });
  return <div className={classes.builder}>{phone ? <Folded {...props} /> : <Parts {...props} />}</div>;
}

function Folded(props: BuilderProps) {
  const [unfolded, setUnfolded] = useState(false);
  const parts = useId();
  const refused = props.error instanceof Problem && props.error.field !== undefined;
  const open = unfolded || refused;
  return (
    <>
      <button
        type="button"
        className={classes.fold}
        aria-expanded={open}
        aria-controls={parts}
        onClick={() => setUnfolded(!open)}
      >
        <IconAdjustmentsHorizontal size={18} aria-hidden />
        <span className={classes.sentence}>{questionText(props.insight)}</span>
        <IconChevronDown size={16} className={classes.chevron} aria-hidden />
      </button>
      <div id={parts} hidden={!open}>
        <Parts {...props} />
      </div>
    </>
  );
}

/** Series, filters, breakdown. */
function Parts({ insight, onChange, error }: BuilderProps) {
  const { series, filters, match, breakdown } = insight;
  const problemIn = (part: string) =>
    error instanceof Problem && concerns(error.field, part) ? error.message : undefined;
  const setSeries = (changed: Series[]) => onChange({ ...insight, series: changed });

  return (
    <>
      <Part title="Series">
        {series.map((one, i) => (
          <SeriesCard
            key={letter(i)}
            index={i}
            series={one}
            problem={problemIn(`series[${i}]`)}
            onChange={(changed) => setSeries(series.map((other, at) => (at === i ? changed : other)))}
            onRemove={series.length > 1 ? () => setSeries(series.filter((_, at) => at !== i)) : undefined}
          />
        ))}
        {series.length < MAX_SERIES && (
          <Button
            variant="subtle"
            size="compact-sm"
            className={classes.add}
            leftSection={<IconPlus size={15} aria-hidden />}
            onClick={() => setSeries([...series, { event: '*', measure: 'total', filters: [] }])}
          >
            Add series
          </Button>
        )}
      </Part>
      <Part
        title="Filters"
        problem={problemIn('filters')}
        action={
          filters.length > 1 && (
            <SegmentedControl
              size="xs"
              aria-label="Which filters must hold"
              data={[
                { value: 'all', label: 'All' },
                { value: 'any', label: 'Any' },
              ]}
              value={match}
              onChange={(value) => onChange({ ...insight, match: value as 'all' | 'any' })}
            />
          )
        }
      >
        <Filters
          filters={filters}
          joint={match === 'any' ? 'or' : 'and'}
          onChange={(changed) => onChange({ ...insight, filters: changed })}
        />
      </Part>
      <Part title="Breakdown" problem={problemIn('breakdowns')}>
        <div className={classes.breakdown}>
          <div className={classes.grow}>
            <PropertyPicker
              label="Break down by"
              placeholder="Split by a property"
              value={breakdown}
              onPick={(by) => onChange({ ...insight, breakdown: by })}
            />
          </div>
          {breakdown && (
            <CloseButton
              aria-label="Remove breakdown"
              onClick={() => onChange({ ...insight, breakdown: null })}
            />
          )}
        </div>
      </Part>
    </>
  );
}

interface PartProps {
  title: string;
  action?: ReactNode;
  problem?: string | undefined;
  children: ReactNode;
}

function Part({ title, action, problem, children }: PartProps) {
  return (
    <section className={classes.part} aria-label={title}>
      <header className={classes.head}>
        <h2>{title}</h2>
        {action}
      </header>
      {children}
      {problem && (
        <p role="alert" className={classes.problem}>
          {problem}
        </p>
      )}
    </section>
  );
}
