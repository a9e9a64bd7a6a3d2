import { Button, Popover, SegmentedControl } from '@mantine/core';
import { DatePicker } from '@mantine/dates';
import { useMediaQuery } from '@mantine/hooks';
import { IconCalendar } from '@tabler/icons-react';
import { useState } from 'react';
import '@mantine/dates/styles.css';
import { addDays, dayIn, daysText } from '../text/time';
import { PRESETS, type Preset, type Range, rangeDays } from './insight';
import classes from './RangePicker.module.css';
import { PRESET_WORDS } from './words';

interface RangePickerProps {
  range: Range;
  zone: string;
  onChange: (range: Range) => void;
}

const PRESET_OPTIONS = PRESETS.map((preset) => ({ value: preset, label: PRESET_WORDS[preset].short }));

/** The range of time: a preset, or two dates in the workspace's zone. */
export function RangePicker({ range, zone, onChange }: RangePickerProps) {
  const custom = typeof range !== 'string';
  return (
    <div className={classes.range}>
      <SegmentedControl
        size="xs"
        aria-label="Range of time"
        data={PRESET_OPTIONS}
        value={custom ? '' : range}
        onChange={(value) => onChange(value as Preset)}
      />
      <CustomRange range={range} zone={zone} onChange={onChange} />
    </div>
  );
}

function CustomRange({ range, zone, onChange }: RangePickerProps) {
  const [opened, setOpened] = useState(false);
  const [draft, setDraft] = useState<[string | null, string | null]>([null, null]);
  const wide = useMediaQuery('(min-width: 48em)', true);
  const today = dayIn(zone, new Date());
  const custom = typeof range !== 'string';

  const open = () => {
    setDraft(custom ? [range.from, range.to] : [addDays(today, 1 - rangeDays(range)), today]);
    setOpened((isOpen) => !isOpen);
  };
  const choose = (dates: [string | null, string | null]) => {
    setDraft(dates);
    const [from, to] = dates;
    if (!from || !to) return;
    onChange({ from: from.slice(0, 10), to: to.slice(0, 10) });
    setOpened(false);
  };

  return (
    <Popover opened={opened} onChange={setOpened} position="bottom-start" trapFocus>
      <Popover.Target>
        <Button
          size="xs"
          variant={custom ? 'light' : 'default'}
          leftSection={<IconCalendar size={15} aria-hidden />}
          onClick={open}
        >
          {custom ? daysText(range.from, range.to) : 'Custom'}
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <DatePicker
          type="range"
          allowSingleDateInRange
          numberOfColumns={wide ? 2 : 1}
          columnsToScroll={1}
          value={draft}
          onChange={choose}
          defaultDate={addDays(draft[1] ?? today, wide ? -28 : 0)}
          maxDate={today}
          hideOutsideDates
          weekendDays={[]}
          ariaLabels={{
            previousMonth: 'Previous month',
            nextMonth: 'Next month',
          }}
        />
        <p className={classes.zone}>Days in {zone}, both included</p>
      </Popover.Dropdown>
    </Popover>
  );
}
