import type { Interval } from '../../api/types';
import { count } from '../../text/number';
import { bucketTitle } from '../../text/time';
import classes from './tooltip.module.css';

export interface TooltipPoint {
  label: string;
  colour: string;
  value: number | null;
}

const SHOWN = 12;

function element(tag: string, className: string | undefined, text?: string): HTMLElement {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/**
 * What a bucket's values are. Built as elements, never as markup: labels are what
 * strangers sent.
 */
export function tooltipElement(
  bucket: string,
  interval: Interval,
  points: TooltipPoint[],
  unfinished: boolean,
): HTMLElement {
  const root = element('div', classes.tooltip);
  root.append(element('div', classes.title, bucketTitle(bucket, interval) + (unfinished ? ', so far' : '')));
  for (const { label, colour, value } of points.slice(0, SHOWN)) {
    const row = element('div', classes.row);
    const dot = element('span', classes.dot);
    dot.style.background = colour;
    row.append(
      dot,
      element('span', classes.label, label),
      element('span', classes.value, value === null ? '–' : count(value)),
    );
    root.append(row);
  }
  if (points.length > SHOWN) root.append(element('div', classes.more, `and ${points.length - SHOWN} more`));
  return root;
}
