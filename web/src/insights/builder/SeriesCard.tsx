import { ActionIcon, Select, Tooltip } from '@mantine/core';
import { IconTrash } from '@tabler/icons-react';
import type { Measure } from '../../api/types';
import { letter, type Series } from '../insight';
import { MEASURE_WORDS } from '../words';
import { EventPicker } from './EventPicker';
import { Filters } from './Filters';
import classes from './SeriesCard.module.css';

interface SeriesCardProps {
  index: number;
  series: Series;
  problem: string | undefined;
  onChange: (series: Series) => void;
  /** Absent: the only series stays. */
  onRemove: (() => void) | undefined;
}

const MEASURES = Object.entries(MEASURE_WORDS).map(([value, { label }]) => ({ value, label }));

/** One series of the chart: which event, measured how, under which conditions. */
export function SeriesCard({ index, series, problem, onChange, onRemove }: SeriesCardProps) {
  const name = letter(index);
  return (
    <fieldset className={classes.card} data-problem={problem ? true : undefined}>
      <legend className="visually-hidden">Series {name}</legend>
      <div className={classes.top}>
        <span className={classes.letter} aria-hidden>
          {name}
        </span>
        <div className={classes.event}>
          <EventPicker
            label={`Event of series ${name}`}
            event={series.event}
            onPick={(event) => onChange({ ...series, event })}
          />
        </div>
        {onRemove && (
          <Tooltip label="Remove series">
            <ActionIcon variant="subtle" color="gray" aria-label={`Remove series ${name}`} onClick={onRemove}>
              <IconTrash size={16} aria-hidden />
            </ActionIcon>
          </Tooltip>
        )}
      </div>
      <div className={classes.below}>
        <Select
          aria-label={`Measure of series ${name}`}
          data={MEASURES}
          value={series.measure}
          allowDeselect={false}
          size="xs"
          renderOption={({ option }) => (
            <span>
              {option.label}
              <span className={classes.meaning}>{MEASURE_WORDS[option.value as Measure].meaning}</span>
            </span>
          )}
          comboboxProps={{ width: 240, position: 'bottom-start' }}
          onChange={(measure) => onChange({ ...series, measure: measure as Measure })}
        />
        <Filters
          filters={series.filters}
          joint="and"
          onChange={(filters) => onChange({ ...series, filters })}
        />
        {problem && (
          <p role="alert" className={classes.problem}>
            {problem}
          </p>
        )}
      </div>
    </fieldset>
  );
}
