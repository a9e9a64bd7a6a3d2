import { Popover, UnstyledButton } from '@mantine/core';
import { IconFilter, IconPlus } from '@tabler/icons-react';
import { useState } from 'react';
import { type Filter, letter } from '../insight';
import { filterText, SCOPE_WORDS } from '../words';
import { FilterForm } from './FilterForm';
import classes from './Filters.module.css';

interface FiltersProps {
  filters: Filter[];
  onChange: (filters: Filter[]) => void;
  /** Stands between filters: "and", "or". */
  joint: string;
}

/** A list of filters, each a phrase that opens its form. */
export function Filters({ filters, onChange, joint }: FiltersProps) {
  return (
    <div className={classes.filters}>
      {filters.map((filter, i) => (
        <FilterPill
          key={`${letter(i)} ${filterText(filter)}`}
          filter={filter}
          joint={i > 0 ? joint : undefined}
          onApply={(changed) => onChange(filters.map((one, at) => (at === i ? changed : one)))}
          onRemove={() => onChange(filters.filter((_, at) => at !== i))}
        />
      ))}
      <AddFilter onApply={(filter) => onChange([...filters, filter])} />
    </div>
  );
}

interface FilterPillProps {
  filter: Filter;
  joint: string | undefined;
  onApply: (filter: Filter) => void;
  onRemove: () => void;
}

function FilterPill({ filter, joint, onApply, onRemove }: FilterPillProps) {
  const [opened, setOpened] = useState(false);
  return (
    <Popover opened={opened} onChange={setOpened} position="bottom-start" trapFocus withinPortal>
      <div className={classes.line}>
        {joint && <span className={classes.joint}>{joint}</span>}
        <Popover.Target>
          <UnstyledButton className={classes.pill} onClick={() => setOpened((open) => !open)}>
            <IconFilter size={14} aria-hidden />
            <span className={classes.text}>
              {filter.on !== 'event' && <span className={classes.scope}>{SCOPE_WORDS[filter.on]} </span>}
              {filterText(filter)}
            </span>
          </UnstyledButton>
        </Popover.Target>
      </div>
      <Popover.Dropdown>
        <FilterForm
          filter={filter}
          onApply={(changed) => {
            setOpened(false);
            onApply(changed);
          }}
          onRemove={onRemove}
        />
      </Popover.Dropdown>
    </Popover>
  );
}

function AddFilter({ onApply }: { onApply: (filter: Filter) => void }) {
  const [opened, setOpened] = useState(false);
  return (
    <Popover opened={opened} onChange={setOpened} position="bottom-start" trapFocus withinPortal>
      <Popover.Target>
        <UnstyledButton className={classes.add} onClick={() => setOpened((open) => !open)}>
          <IconPlus size={14} aria-hidden />
          Filter
        </UnstyledButton>
      </Popover.Target>
      <Popover.Dropdown>
        <FilterForm
          onApply={(filter) => {
            setOpened(false);
            onApply(filter);
          }}
        />
      </Popover.Dropdown>
    </Popover>
  );
}
