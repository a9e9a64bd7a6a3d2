import { Group, NumberInput, TagsInput, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useState } from 'react';
import { useValues } from '../../api/queries';
import { useWorkspace } from '../../shell/workspace';
import { arity, type Filter, isNumeric } from '../insight';

interface ValueInputProps {
  filter: Filter;
  types: string[];
  onChange: (values: string[]) => void;
}

/** What a property is compared with, in the form that the operator needs. */
export function ValueInput({ filter, types, onChange }: ValueInputProps) {
  const { op, values } = filter;
  if (arity(op) === 0) return null;
  if (arity(op) === 'many') return <ValueList filter={filter} onChange={onChange} />;
  if (op === 'between') {
    return (
      <Group gap="xs" grow wrap="nowrap">
        <Numeric label="From" value={values[0]} onChange={(low) => onChange([low, values[1] ?? ''])} />
        <Numeric label="To" value={values[1]} onChange={(high) => onChange([values[0] ?? '', high])} />
      </Group>
    );
  }
  if (isNumeric(op))
    return <Numeric label="Number" value={values[0]} onChange={(value) => onChange([value])} />;
  if (op === 'before' || op === 'after') {
    return (
      <TextInput
        type="date"
        aria-label="Date"
        value={values[0] ?? ''}
        onChange={(event) => onChange([event.currentTarget.value])}
      />
    );
  }
  return (
    <TextInput
      aria-label="Value"
      placeholder={
        op.endsWith('regex')
          ? 'Regular expression (RE2)'
          : types.includes('number')
            ? 'Digits or text'
            : 'Text'
      }
      value={values[0] ?? ''}
      onChange={(event) => onChange([event.currentTarget.value])}
    />
  );
}

interface NumericProps {
  label: string;
  value: string | undefined;
  onChange: (value: string) => void;
}

function Numeric({ label, value, onChange }: NumericProps) {
  return (
    <NumberInput
      aria-label={label}
      placeholder={label}
      hideControls
      value={value ?? ''}
      onChange={(number) => onChange(String(number))}
    />
  );
}

/** Values to compare with, suggested from those that were seen. */
function ValueList({ filter, onChange }: Omit<ValueInputProps, 'types'>) {
  const workspace = useWorkspace();
  const [search, setSearch] = useState('');
  const [contains] = useDebouncedValue(search, 180);
  const values = useValues(workspace.id, filter.on, filter.property, contains, true);
  return (
    <TagsInput
      aria-label="Values"
      placeholder={filter.values.length === 0 ? 'Choose or type a value' : ''}
      data={filter.property ? (values.data ?? []) : []}
      value={filter.values}
      onChange={onChange}
      searchValue={search}
      onSearchChange={setSearch}
      acceptValueOnBlur
      disabled={!filter.property}
      comboboxProps={{ withinPortal: false }}
      maxDropdownHeight={220}
    />
  );
}
