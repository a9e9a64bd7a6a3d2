import { expect, test } from 'vitest';
import type { ReplayedPage } from '../api/types';
import {
  NOTHING_REPLAYED,
  type Replayed,
  replayAll,
  replayable,
  replayedStatuses,
  shownText,
} from './replay';

test('what was applied is not delivered again', () => {
  const statuses = ['stored', 'duplicate', 'superseded', 'conflict', 'rejected', 'dead', 'waiting'] as const;
  expect(statuses.filter((status) => replayable({ status }))).toEqual([
    'superseded',
    'conflict',
    'rejected',
    'dead',
  ]);
});

test('never the whole log, and of a filter only what was not applied', () => {
  expect(replayedStatuses({})).toEqual([]);
  expect(replayedStatuses({ kind: 'order' })).toEqual(['rejected', 'dead']);
  expect(replayedStatuses({ kind: 'order', status: 'dead' })).toEqual(['dead']);
  expect(replayedStatuses({ status: 'stored' })).toEqual([]);
});

test('says how much the filter shows', () => {
  const rows = [{ status: 'rejected' }, { status: 'stored' }, { status: 'dead' }] as const;
  expect(shownText({ kind: 'order' }, [...rows], true)).toBe(
    'The filter shows 3 items, 2 of them rejected or dead, and there are older ones.',
  );
  expect(shownText({ user: 'u' }, [rows[0], rows[1]], false)).toBe(
    'The filter shows 2 items, 1 of them rejected or dead.',
  );
  expect(shownText({ status: 'rejected' }, [rows[0]], false)).toBe('The filter shows 1 rejected item.');
});

const PAGES: Record<string, ReplayedPage> = {
  '': { receipt: 'rcp_1', replayed: 3, skipped: 1, more: true, next: 'c1' },
  c1: { receipt: 'rcp_2', replayed: 0, skipped: 4, more: true, next: 'c2' },
  c2: { receipt: 'rcp_3', replayed: 2, skipped: 0, more: false },
};

async function answer(cursor: string): Promise<ReplayedPage> {
  const page = PAGES[cursor];
  if (!page) throw new Error(`asked for ${cursor}`);
  return page;
}

test('goes on by the cursor until all is done, and adds up', async () => {
  const seen: Replayed[] = [];
  await replayAll(NOTHING_REPLAYED, answer, (so) => seen.push(so) > 0);
  expect(seen.map((so) => so.done)).toEqual([false, false, true]);
  expect(seen.at(-1)).toEqual({
    replayed: 5,
    skipped: 5,
    receipts: [
      { receipt: 'rcp_1', replayed: 3 },
      { receipt: 'rcp_3', replayed: 2 },
    ],
    next: '',
    done: true,
  });
});

test('a call that fails leaves what was done, from where it goes on', async () => {
  let so = NOTHING_REPLAYED;
  const onward = (next: Replayed) => {
    so = next;
    return true;
  };
  const failing = (cursor: string) => (cursor === 'c1' ? Promise.reject(new Error('busy')) : answer(cursor));
  await expect(replayAll(so, failing, onward)).rejects.toThrow('busy');
  expect(so).toMatchObject({ replayed: 3, next: 'c1', done: false });
  await replayAll(so, answer, onward);
  expect(so).toMatchObject({ replayed: 5, skipped: 5, done: true });
});

test('stops when told, and at a page that leads nowhere', async () => {
  const asked: string[] = [];
  const noting = (cursor: string) => {
    asked.push(cursor);
    return answer(cursor);
  };
  await replayAll(NOTHING_REPLAYED, noting, () => false);
  expect(asked).toEqual(['']);
  let so = NOTHING_REPLAYED;
  const nowhere = async () => ({ receipt: 'r', replayed: 1, skipped: 0, more: true });
  await replayAll(so, nowhere, (next) => {
    so = next;
    return true;
  });
  expect(so.done).toBe(true);
});
