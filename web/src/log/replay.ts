import type { LogFilter } from '../api/queries';
import type { LogRow, ReplayedPage, Status } from '../api/types';
import { count, plural } from '../text/number';

// What can be delivered again, one by one and by a filter.

const REPLAYABLE: readonly Status[] = ['rejected', 'dead', 'superseded', 'conflict'];

/** Whether it may make a difference to deliver an item again. */
export function replayable(row: Pick<LogRow, 'status'>): boolean {
  return REPLAYABLE.includes(row.status);
}

const BY_FILTER: readonly Status[] = ['rejected', 'dead'];

/**
 * The statuses whose items are delivered again for a filter. None for a filter of
 * another status, and without a filter: that would be the whole log.
 */
export function replayedStatuses(filter: LogFilter): readonly Status[] {
  if (Object.keys(filter).length === 0) return [];
  return filter.status ? BY_FILTER.filter((status) => status === filter.status) : BY_FILTER;
}

/** How much the page shows of a filter whose items are to be delivered again. */
export function shownText(filter: LogFilter, rows: Pick<LogRow, 'status'>[], more: boolean): string {
  const older = more ? ', and there are older ones' : '';
  if (filter.status) return `The filter shows ${plural(rows.length, `${filter.status} item`)}${older}.`;
  const statuses = replayedStatuses(filter);
  const meant = count(rows.filter((row) => statuses.includes(row.status)).length);
  const of = `${meant} of them ${statuses.join(' or ')}`;
  return `The filter shows ${plural(rows.length, 'item')}, ${of}${older}.`;
}

/** How far a replay of a filter has come. */
export interface Replayed {
  replayed: number;
  skipped: number;
  /** Of the calls that delivered something, by which the log shows what came of it. */
  receipts: { receipt: string; replayed: number }[];
  /** Where to go on; empty: at the beginning, or nowhere as it is done. */
  next: string;
  done: boolean;
}

export const NOTHING_REPLAYED: Replayed = { replayed: 0, skipped: 0, receipts: [], next: '', done: false };

function plusPage(so: Replayed, page: ReplayedPage): Replayed {
  const { receipt, replayed } = page;
  return {
    replayed: so.replayed + replayed,
    skipped: so.skipped + page.skipped,
    receipts: replayed > 0 ? [...so.receipts, { receipt, replayed }] : so.receipts,
    next: page.next ?? '',
    // Without a cursor there is no way on, whatever is said of more.
    done: !page.more || !page.next,
  };
}

/**
 * Goes on from where a replay stands, call by call, until all is done or it is told to
 * stop. A call that fails throws; onward has been told of all before it.
 */
export async function replayAll(
  from: Replayed,
  ask: (cursor: string) => Promise<ReplayedPage>,
  onward: (replayed: Replayed) => boolean,
): Promise<void> {
  for (let so = from; !so.done; ) {
    so = plusPage(so, await ask(so.next));
    if (!onward(so)) return;
  }
}
