import { Checkbox, useComputedColorScheme } from '@mantine/core';
import { compact, count, share } from '../../text/number';
import type { Line } from '../lines';
import classes from './Legend.module.css';
import { lineColour } from './palette';

interface LegendProps {
  lines: Line[];
  hidden: ReadonlySet<string>;
  onToggle: (key: string) => void;
  /** What the totals count: "events". */
  unit: string;
  /** Whether totals may be compared with their sum. */
  additive: boolean;
}

/** The lines with their totals; each can be hidden. */
export function Legend({ lines, hidden, onToggle, unit, additive }: LegendProps) {
  const scheme = useComputedColorScheme('light');
  const sum = lines.reduce((all, line) => all + line.total, 0);
  return (
    <ul className={classes.legend} aria-label={`Totals in ${unit}`}>
      {lines.map((line) => (
        <li key={line.key} className={classes.line} data-hidden={hidden.has(line.key) || undefined}>
          <Checkbox
            size="xs"
            iconColor="white"
            color={lineColour(line.rank, scheme)}
            checked={!hidden.has(line.key)}
            onChange={() => onToggle(line.key)}
            label={line.label}
            classNames={{
              root: classes.check ?? '',
              body: classes.body ?? '',
              labelWrapper: classes.wrapper ?? '',
              label: classes.label ?? '',
            }}
          />
          <span className={`${classes.total} numbers`} title={`${count(line.total)} ${unit}`}>
            {compact(line.total)}
          </span>
          {additive && lines.length > 1 && (
            <span className={`${classes.share} numbers`}>{share(line.total, sum)}</span>
          )}
        </li>
      ))}
    </ul>
  );
}
