import { useProperties } from '../../api/queries';
import type { Scope } from '../../api/types';
import { useWorkspace } from '../../shell/workspace';
import { Picker } from './Picker';

export interface PropertyRef {
  property: string;
  on: Scope;
}

interface PropertyPickerProps {
  label: string;
  value: PropertyRef | null;
  onPick: (ref: PropertyRef) => void;
  placeholder: string;
  inside?: boolean;
}

const write = ({ property, on }: PropertyRef) => `${on}.${property}`;

function read(text: string): PropertyRef {
  const dot = text.indexOf('.');
  return { on: text.slice(0, dot) as Scope, property: text.slice(dot + 1) };
}

/** Chooses a property of events or of people. */
export function PropertyPicker({ label, value, onPick, placeholder, inside }: PropertyPickerProps) {
  const workspace = useWorkspace();
  const properties = useProperties(workspace.id);
  const on = (scope: Scope) =>
    (properties.data ?? [])
      .filter((property) => property.on === scope)
      .map(({ name, types }) => ({
        value: write({ property: name, on: scope }),
        label: name,
        hint: types?.join(', ') ?? '',
      }));
  return (
    <Picker
      label={label}
      value={value ? write(value) : null}
      onPick={(text) => onPick(read(text))}
      placeholder={placeholder}
      loading={properties.isPending}
      inside={inside ?? false}
      custom={(text) => {
        const known = /^(event|user|session)\./.test(text);
        return { value: known ? text : `event.${text}`, label: known ? read(text).property : text };
      }}
      groups={[
        { label: 'Of the event', options: on('event') },
        { label: 'Of the person', options: on('user') },
      ]}
    />
  );
}
