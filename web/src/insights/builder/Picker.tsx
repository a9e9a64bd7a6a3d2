import { Combobox, InputBase, ScrollArea, Text, useCombobox } from '@mantine/core';
import { IconSelector } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import classes from './Picker.module.css';

export interface Option {
  value: string;
  label: string;
  /** Said beside the label: a count, a type. */
  hint?: string;
}

export interface OptionGroup {
  label: string;
  options: Option[];
}

interface PickerProps {
  /** What is being chosen, for those who do not see where the control stands. */
  label: string;
  value: string | null;
  groups: OptionGroup[];
  onPick: (value: string) => void;
  placeholder: string;
  /** Lets text be chosen that no option has; receives it, returns what the choice is called. */
  custom?: (text: string) => Option;
  loading?: boolean;
  /** Inside a popover the options must belong to it, or choosing one would close it. */
  inside?: boolean;
  icon?: ReactNode;
}

/** How many options are drawn; more are found by typing. */
const DRAWN = 100;

/** One of many, found by typing. */
export function Picker(props: PickerProps) {
  const { label, value, groups, onPick, placeholder, custom, loading, inside, icon } = props;
  const [search, setSearch] = useState('');
  const combobox = useCombobox({
    onDropdownClose: () => {
      combobox.resetSelectedOption();
      setSearch('');
    },
    onDropdownOpen: () => combobox.focusSearchInput(),
  });
  const chosen = groups.flatMap((group) => group.options).find((option) => option.value === value);
  const shown = value === null ? null : (chosen?.label ?? custom?.(value).label ?? value);
  const found = narrowed(groups, search);
  const typed = search.trim();
  const exact = found.some((group) => group.options.some((option) => option.label === typed));

  return (
    <Combobox
      store={combobox}
      withinPortal={!inside}
      shadow="md"
      position="bottom-start"
      width="target"
      classNames={{ dropdown: classes.dropdown ?? '' }}
      onOptionSubmit={(picked) => {
        onPick(picked);
        combobox.closeDropdown();
      }}
    >
      <Combobox.Target targetType="button" withAriaAttributes>
        <InputBase
          component="button"
          type="button"
          pointer
          aria-label={`${label}: ${shown ?? placeholder}`}
          leftSection={icon}
          rightSection={<IconSelector size={15} aria-hidden />}
          rightSectionPointerEvents="none"
          onClick={() => combobox.toggleDropdown()}
        >
          {shown === null ? (
            <span className={classes.placeholder}>{placeholder}</span>
          ) : (
            <span className={classes.value}>{shown}</span>
          )}
        </InputBase>
      </Combobox.Target>
      <Combobox.Dropdown>
        <Combobox.Search
          value={search}
          aria-label={`Search: ${label}`}
          placeholder="Search"
          onChange={(event) => {
            setSearch(event.currentTarget.value);
            combobox.updateSelectedOptionIndex();
          }}
        />
        <Combobox.Options aria-label={label}>
          <ScrollArea.Autosize mah={280} type="auto" scrollbarSize={6}>
            {found.map((group) => (
              <Combobox.Group key={group.label} label={group.label}>
                {group.options.map((option) => (
                  <Combobox.Option key={option.value} value={option.value} active={option.value === value}>
                    <span className={classes.option}>
                      <span className={classes.value}>{option.label}</span>
                      {option.hint && <span className={`${classes.hint} numbers`}>{option.hint}</span>}
                    </span>
                  </Combobox.Option>
                ))}
              </Combobox.Group>
            ))}
            {custom && typed && !exact && (
              <Combobox.Option value={custom(typed).value}>Use “{typed}”</Combobox.Option>
            )}
            {found.length === 0 && !(custom && typed) && (
              <Combobox.Empty>
                {loading ? 'Loading…' : typed ? 'Nothing found' : 'Nothing here yet'}
              </Combobox.Empty>
            )}
          </ScrollArea.Autosize>
        </Combobox.Options>
        {total(found) > DRAWN && (
          <Text size="xs" c="dimmed" p="xs">
            Type to find more.
          </Text>
        )}
      </Combobox.Dropdown>
    </Combobox>
  );
}

function total(groups: OptionGroup[]): number {
  return groups.reduce((sum, group) => sum + group.options.length, 0);
}

/** The groups with the options that match, without those that have none. */
function narrowed(groups: OptionGroup[], search: string): OptionGroup[] {
  const text = search.trim().toLowerCase();
  return groups
    .map((group) => ({
      ...group,
      options: group.options.filter((option) => option.label.toLowerCase().includes(text)).slice(0, DRAWN),
    }))
    .filter((group) => group.options.length > 0);
}
