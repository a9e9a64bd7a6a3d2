import { useEventNames } from '../../api/queries';
import { useWorkspace } from '../../shell/workspace';
import { compact } from '../../text/number';
import { ANY_EVENT } from '../insight';
import { eventText } from '../words';
import { Picker } from './Picker';

interface EventPickerProps {
  label: string;
  event: string;
  onPick: (event: string) => void;
}

/** Chooses an event: one that was seen, or one that is yet to come. */
export function EventPicker({ label, event, onPick }: EventPickerProps) {
  const workspace = useWorkspace();
  const names = useEventNames(workspace.id);
  const seen = (names.data ?? []).map(({ name, count }) => ({
    value: name,
    label: eventText(name),
    hint: compact(count),
  }));
  return (
    <Picker
      label={label}
      value={event}
      onPick={onPick}
      placeholder="Choose an event"
      loading={names.isPending}
      custom={(text) => ({ value: text, label: eventText(text) })}
      groups={[
        { label: 'All', options: [{ value: ANY_EVENT, label: eventText(ANY_EVENT) }] },
        { label: 'Events', options: seen },
      ]}
    />
  );
}
