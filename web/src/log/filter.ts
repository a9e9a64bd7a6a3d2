import type { LogFilter } from '../api/queries';
import type { Status } from '../api/types';
import { STATUSES } from '../kit/Status';

// What the log shows stands in the page's address, like an insight.

const NAMES = ['status', 'kind', 'user', 'item', 'source', 'receipt'] as const;

/** The filter and the opened item that an address describes. */
export function readLogAddress(search: string): { filter: LogFilter; open: string } {
  const parameters = new URLSearchParams(search);
  const filter: LogFilter = {};
  for (const name of NAMES) {
    const value = parameters.get(name);
    if (value) filter[name] = value;
  }
  if (filter.status && !(filter.status in STATUSES)) delete filter.status;
  return { filter, open: parameters.get('open') ?? '' };
}

/** The log's part of an address, without the question mark. */
export function writeLogAddress(filter: LogFilter, open: string): string {
  const parameters = new URLSearchParams();
  for (const name of NAMES) {
    const value = filter[name];
    if (value) parameters.set(name, value);
  }
  if (open) parameters.set('open', open);
  return parameters.toString();
}

/** A filter with one member changed; an empty value takes it away. */
export function changed(filter: LogFilter, name: keyof LogFilter, value: string): LogFilter {
  const { [name]: _, ...rest } = filter;
  return value ? { ...rest, [name]: value } : rest;
}

export const STATUS_OPTIONS = (Object.keys(STATUSES) as Status[]).map((value) => ({
  value,
  label: STATUSES[value].label,
}));
