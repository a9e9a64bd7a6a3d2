import { Button, Select, TextInput } from '@mantine/core';
import { useDebouncedCallback, useHotkeys } from '@mantine/hooks';
import { IconFingerprint, IconUser, IconX } from '@tabler/icons-react';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import type { LogFilter } from '../api/queries';
import { KINDS, kindLabel } from '../kit/kinds';
import { changed, STATUS_OPTIONS } from './filter';
import classes from './LogFilters.module.css';

interface LogFiltersProps {
  filter: LogFilter;
  onChange: (filter: LogFilter) => void;
}

const KIND_OPTIONS = KINDS.map((kind) => ({ value: kind, label: kindLabel(kind) }));

/** Narrows the log down. */
export function LogFilters({ filter, onChange }: LogFiltersProps) {
  const user = useRef<HTMLInputElement>(null);
  useHotkeys([['/', () => user.current?.focus()]]);
  const filtered = Object.keys(filter).length > 0;
  return (
    <search className={classes.filters} aria-label="Filter the log">
      <Select
        className={classes.choice}
        aria-label="Status"
        placeholder="Any status"
        data={STATUS_OPTIONS}
        value={filter.status ?? null}
        clearable
        onChange={(value) => onChange(changed(filter, 'status', value ?? ''))}
      />
      <Select
        className={classes.choice}
        aria-label="Kind"
        placeholder="Any kind"
        data={KIND_OPTIONS}
        value={filter.kind ?? null}
        clearable
        onChange={(value) => onChange(changed(filter, 'kind', value ?? ''))}
      />
      <IdInput
        inputRef={user}
        label="User id"
        icon={<IconUser size={16} aria-hidden />}
        value={filter.user ?? ''}
        onCommit={(value) => onChange(changed(filter, 'user', value))}
      />
      <IdInput
        label="Item id"
        icon={<IconFingerprint size={16} aria-hidden />}
        value={filter.item ?? ''}
        onCommit={(value) => onChange(changed(filter, 'item', value))}
      />
      {filter.receipt && (
        <Button
          variant="light"
          rightSection={<IconX size={14} aria-hidden />}
          onClick={() => onChange(changed(filter, 'receipt', ''))}
        >
          Receipt {filter.receipt}
        </Button>
      )}
      {filtered && (
        <Button variant="subtle" color="gray" onClick={() => onChange({})}>
          Clear
        </Button>
      )}
    </search>
  );
}

interface IdInputProps {
  label: string;
  icon: ReactNode;
  value: string;
  onCommit: (value: string) => void;
  inputRef?: { current: HTMLInputElement | null };
}

/** An exact id. Asks the server when typing stops, or at once on Enter. */
function IdInput({ label, icon, value, onCommit, inputRef }: IdInputProps) {
  const [text, setText] = useState(value);
  const commit = useDebouncedCallback((typed: string) => onCommit(typed.trim()), 350);
  useEffect(() => setText(value), [value]);
  return (
    <TextInput
      ref={inputRef ?? null}
      className={classes.id}
      aria-label={label}
      placeholder={label}
      leftSection={icon}
      value={text}
      onChange={(event) => {
        setText(event.currentTarget.value);
        commit(event.currentTarget.value);
      }}
      onKeyDown={(event) => {
        if (event.key === 'Enter') onCommit(text.trim());
      }}
    />
  );
}
