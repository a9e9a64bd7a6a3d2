import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test } from 'vitest';
import type { LogRow, Receipt, Touch } from '../api/types';
import { faults, Refusal, serve, show } from '../testing/app';
import { ReceiptView } from './ReceiptView';

const order: LogRow = {
  position: '3.10',
  receipt: 'rcp_a',
  kind: 'order',
  name: 'order',
  received_at: '2026-11-21T12:00:00Z',
  status: 'stored',
};

const touch = (session: number, role: Touch['role'], channel: string, linear: number): Touch => ({
  session,
  at: `2026-11-2${session}T10:00:00Z`,
  channel,
  role,
  credits: { first: role === 'initiator' ? 12_900 : 0, linear },
});

const receipt: Receipt = {
  row: order,
  item: { kind: 'order' },
  session: {
    id: 's-1',
    number: 7,
    origin: 'sent',
    user: 'u-1',
    started_at: '2026-11-21T11:55:00Z',
    ended_at: '2026-11-21T11:58:03Z',
    duration: 183,
    pageviews: 4,
    interactions: 0,
    bounced: false,
    channel: 'Paid Search',
    source: { source: 'google', medium: 'cpc', landing_page: 'https://shop.example/' },
  },
  conversion: {
    id: 'order:o-1',
    goal: 'order',
    user: 'u-1',
    at: '2026-11-21T12:00:00Z',
    value_cents: 12_900,
    amount_cents: 15_000,
    currency: 'USD',
    touches: [touch(0, 'initiator', 'Email', 6_450), touch(1, 'closer', 'Paid Search', 6_450)],
  },
  edges: [
    {
      id: 'e1',
      from: 'anon-1',
      to: 'u-1',
      item: 'order:o-1',
      rule: 'item',
      status: 'ignored',
    },
  ],
  steps: [{ name: 'edge', detail: 'Says that anon-1 and u-1 are one person.' }],
};

test('a receipt shows the session, the conversion with its touchpoints, and who is who', async () => {
  serve({});
  const user = userEvent.setup();
  const { container } = show(<ReceiptView receipt={receipt} zone="UTC" />);
  screen.getByText('google / cpc');
  screen.getByText('3 min 3 s · 4 pageviews');
  screen.getByText('€129.00');
  screen.getByText('Sent as $150.00.');
  const rows = () =>
    within(screen.getByRole('table'))
      .getAllByRole('row')
      .map((row) => within(row).queryAllByRole('cell').at(-1)?.textContent);
  expect(rows()).toEqual([undefined, '€64.50', '€64.50']);
  await user.selectOptions(screen.getByLabelText('Credit by'), 'First touch');
  expect(rows()).toEqual([undefined, '€129.00', '€0.00']);
  screen.getByText('Ignored');
  expect(screen.getByRole('link', { name: 'Order' }).getAttribute('href')).toBe('/log?kind=order&item=o-1');
  // It was applied: there is nothing to replay.
  expect(screen.queryByRole('button', { name: 'Replay' })).toBeNull();
  expect(await faults(container)).toEqual([]);
});

const dead: Receipt = { row: { ...order, status: 'dead', message: 'It failed.' }, steps: [] };

test('a replay waits for what comes of it', async () => {
  const log = 'GET /api/v1/workspaces/shop/items';
  let polls = 0;
  const asked = serve({
    'POST /api/v1/workspaces/shop/items/3.10/replay': { receipt: 'rcp_new' },
    [log]: () => {
      polls += 1;
      if (polls === 1) return { items: [] };
      return { items: [{ ...order, position: '3.11', status: polls === 2 ? 'waiting' : 'duplicate' }] };
    },
  });
  const user = userEvent.setup();
  show(<ReceiptView receipt={dead} zone="UTC" />);
  await user.click(screen.getByRole('button', { name: 'Replay' }));
  const link = await screen.findByRole('link', { name: 'Its receipt' }, { timeout: 20_000 });
  expect(link.getAttribute('href')).toBe('/log?receipt=rcp_new&open=3.11');
  within(screen.getByRole('status')).getByText('Duplicate');
  expect(polls).toBe(3);
  expect(
    asked.filter(({ call }) => call === log).every(({ query }) => query === 'receipt=rcp_new&limit=1'),
  ).toBe(true);
});

test('a replay that is refused says why', async () => {
  const detail = 'The item would be rejected again, with the code invalid_field.';
  serve({
    'POST /api/v1/workspaces/shop/items/3.10/replay': new Refusal(409, { code: 'still_rejected', detail }),
  });
  const user = userEvent.setup();
  show(<ReceiptView receipt={dead} zone="UTC" />);
  await user.click(screen.getByRole('button', { name: 'Replay' }));
  expect((await screen.findByRole('alert')).textContent).toContain(detail);
});
