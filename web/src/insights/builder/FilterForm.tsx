import { Button, Group, Select, Stack } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useProperties } from '../../api/queries';
import type { Operator } from '../../api/types';
import { useWorkspace } from '../../shell/workspace';
import { type Filter, isComplete } from '../insight';
import { OPERATOR_WORDS } from '../words';
import { PropertyPicker } from './PropertyPicker';
import { ValueInput } from './ValueInput';

interface FilterFormProps {
  /** Absent: a new filter. */
  filter?: Filter | undefined;
  onApply: (filter: Filter) => void;
  onRemove?: (() => void) | undefined;
}

const OPERATORS = Object.entries(OPERATOR_WORDS).map(([value, label]) => ({ value, label }));

/** Edits one filter: whose property, how compared, with what. */
export function FilterForm({ filter, onApply, onRemove }: FilterFormProps) {
  const workspace = useWorkspace();
  const properties = useProperties(workspace.id);
  const [draft, setDraft] = useState<Filter>(filter ?? { property: '', on: 'event', op: 'in', values: [] });
  const types =
    properties.data?.find((one) => one.name === draft.property && one.on === draft.on)?.types ?? [];

  const submit = (event: FormEvent) => {
    event.preventDefault();
    // The form stands in the page's tree beneath other forms' popovers.
    event.stopPropagation();
    if (isComplete(draft)) onApply(draft);
  };

  return (
    <form onSubmit={submit}>
      <Stack gap="xs" w={288}>
        <PropertyPicker
          inside
          label="Property"
          placeholder="Choose a property"
          value={draft.property ? draft : null}
          onPick={(ref) => setDraft({ ...draft, ...ref, values: [] })}
        />
        <Select
          aria-label="Comparison"
          data={OPERATORS}
          value={draft.op}
          allowDeselect={false}
          comboboxProps={{ withinPortal: false }}
          maxDropdownHeight={300}
          onChange={(op) => setDraft({ ...draft, op: op as Operator, values: kept(draft, op as Operator) })}
        />
        <ValueInput filter={draft} types={types} onChange={(values) => setDraft({ ...draft, values })} />
        <Group justify="space-between" mt={4}>
          {onRemove ? (
            <Button variant="subtle" color="red" size="xs" onClick={onRemove}>
              Remove
            </Button>
          ) : (
            <span />
          )}
          <Button type="submit" size="xs" disabled={!isComplete(draft)}>
            {filter ? 'Apply' : 'Add filter'}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** Values survive a change between the two halves of a pair, such as "is" and "is not". */
function kept(draft: Filter, op: Operator): string[] {
  const lists: Operator[] = ['in', 'not_in'];
  return lists.includes(draft.op) === lists.includes(op) && op !== 'between' && draft.op !== 'between'
    ? draft.values
    : [];
}
