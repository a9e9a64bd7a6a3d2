import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test } from 'vitest';
import type { LogRow } from '../api/types';
import { faults, serve, show } from '../testing/app';
import { LogPage } from './LogPage';

const stored: LogRow = {
  position: '3.10',
  receipt: 'rcp_a',
  kind: 'custom_event',
  name: 'Purchase',
  user_id: 'u1',
  received_at: '2026-11-21T12:00:00Z',
  status: 'stored',
};
const rejected: LogRow = {
  position: '3.9',
  receipt: 'rcp_b',
  kind: 'order',
  received_at: '2026-11-21T11:59:00Z',
  status: 'rejected',
  code: 'invalid_field',
  field: 'order.created_at',
  message: 'created_at must be a time.',
};

const LOG = 'GET /api/v1/workspaces/shop/items';

test('lists items, and pages to older ones', async () => {
  let page = 0;
  const asked = serve({
    [LOG]: () => {
      page += 1;
      return page === 1 ? { items: [stored], next: 'c1' } : { items: [rejected] };
    },
  });
  const user = userEvent.setup();
  const { container } = show(<LogPage />, '/log');
  await screen.findByRole('button', { name: 'Purchase' });
  await user.click(screen.getByRole('button', { name: 'Show older' }));
  await screen.findByText('created_at must be a time.');
  expect(asked.at(-1)?.query).toContain('cursor=c1');
  expect(screen.queryByRole('button', { name: 'Show older' })).toBeNull();
  expect(screen.getAllByRole('heading', { level: 1 })).toHaveLength(1);
  // Without a filter it would be the whole log.
  expect(screen.queryByRole('button', { name: /Replay all/ })).toBeNull();
  expect(await faults(container)).toEqual([]);
});

test('a row opens its receipt: reason, steps, warnings and what was sent', async () => {
  serve({
    [LOG]: { items: [rejected] },
    'GET /api/v1/workspaces/shop/items/3.9': {
      row: {
        ...rejected,
        warnings: [{ code: 'unknown_field', field: 'order.colour', message: 'Not known.' }],
      },
      raw: '{"order": ',
      steps: [{ name: 'received', at: '2026-11-21T11:59:00Z', detail: 'Sent with a write key.' }],
    },
  });
  const user = userEvent.setup();
  const { history } = show(<LogPage />, '/log');
  await user.click(await screen.findByRole('button', { name: 'Order' }));
  const drawer = within(await screen.findByRole('dialog', { name: 'Receipt' }));
  await drawer.findByText('Sent with a write key.');
  drawer.getByText('order.created_at');
  drawer.getByText('Not known.');
  drawer.getByText('{"order":');
  expect(history.at(-1)).toBe('/log?open=3.9');
  expect(await faults(screen.getByRole('dialog'))).toEqual([]);
});

test('an empty log teaches, a filter that finds nothing says so', async () => {
  serve({ [LOG]: { items: [] } });
  const { unmount } = show(<LogPage />, '/log');
  await screen.findByText('Nothing was sent yet');
  unmount();
  const asked = serve({ [LOG]: { items: [] } });
  show(<LogPage />, '/log?status=rejected');
  await screen.findByText('No item matches');
  expect(asked[0]?.query).toContain('status=rejected');
});

test('all of a filter are replayed after a confirmation, call by call', async () => {
  const asked = serve({
    [LOG]: { items: [rejected, stored] },
    'POST /api/v1/workspaces/shop/items/replay': (body: unknown) =>
      (body as { cursor?: string }).cursor
        ? { receipt: 'rcp_2', replayed: 1, skipped: 4, more: false }
        : { receipt: 'rcp_1', replayed: 2, skipped: 0, more: true, next: 'c9' },
  });
  const user = userEvent.setup();
  const { history } = show(<LogPage />, '/log?user=u1');
  await user.click(await screen.findByRole('button', { name: 'Replay all rejected and dead' }));
  const dialog = within(await screen.findByRole('dialog', { name: 'Replay all rejected and dead' }));
  dialog.getByText(/The filter shows 2 items, 1 of them rejected or dead\./);
  await user.click(dialog.getByRole('button', { name: 'Replay' }));
  await dialog.findByText(/3 items were delivered again\. Skipped: 4/);
  expect(asked.filter(({ call }) => call.startsWith('POST')).map(({ body }) => body)).toEqual([
    { user: 'u1' },
    { user: 'u1', cursor: 'c9' },
  ]);
  expect(dialog.getByRole('link', { name: 'rcp_2' }).getAttribute('href')).toBe('/log?receipt=rcp_2');
  expect(await faults(screen.getByRole('dialog'))).toEqual([]);
  await user.click(dialog.getByRole('link', { name: 'rcp_2' }));
  expect(history.at(-1)).toBe('/log?receipt=rcp_2');
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
});
