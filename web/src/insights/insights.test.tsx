import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test } from 'vitest';
import type { TrendsQuestion } from '../api/types';
import { faults, Refusal, serve, show } from '../testing/app';
import { InsightsPage } from './InsightsPage';

const SHOP = '/api/v1/workspaces/shop';
const catalogue = {
  [`GET ${SHOP}/events/names`]: {
    events: [
      { name: 'Purchase', count: 12 },
      { name: 'order', count: 3 },
    ],
  },
  [`GET ${SHOP}/properties`]: (_: unknown, query: URLSearchParams) => ({
    properties: query.get('on') === 'event' ? [{ name: 'plan', on: 'event', types: ['string'] }] : [],
  }),
  [`GET ${SHOP}/properties/plan/values`]: { values: ['free', 'pro'] },
};

function answerTo(question: unknown) {
  const { series } = question as TrendsQuestion;
  return {
    buckets: ['2026-10-01', '2026-10-02'],
    series: series.map(({ name }) => ({ name, period: 'current', values: [1, 2], total: 3 })),
    as_of: { time: '2026-11-21T12:00:00Z', positions: {} },
    elapsed_ms: 1.2,
  };
}

const october = 'range=2026-10-01..2026-10-02';

test('choosing an event asks anew and keeps the question in the address', async () => {
  const asked = serve({ ...catalogue, [`POST ${SHOP}/query`]: answerTo });
  const user = userEvent.setup();
  const { container, history } = show(<InsightsPage />, `/insights?${october}&view=table`);
  await screen.findByRole('table');
  await user.click(screen.getByRole('button', { name: 'Event of series A: Any event' }));
  await user.click(await screen.findByRole('option', { name: /Purchase/ }));
  await waitFor(() => {
    const last = asked.filter(({ call }) => call.endsWith('/query')).at(-1)?.body as TrendsQuestion;
    expect(last.series[0]?.event).toBe('Purchase');
    expect(last.timezone).toBe('Europe/Paris');
  });
  expect(decodeURIComponent(history.at(-1) ?? '')).toContain('series={"event":"Purchase"}');
  screen.getByRole('rowheader', { name: 'Purchase' });
  expect(screen.getAllByRole('heading', { level: 1 })).toHaveLength(1);
  expect(await faults(container)).toEqual([]);
});

test('a filter is added by property, comparison and value', async () => {
  const asked = serve({ ...catalogue, [`POST ${SHOP}/query`]: answerTo });
  const user = userEvent.setup();
  show(<InsightsPage />, `/insights?${october}&view=table`);
  await screen.findByRole('table');
  await user.click(screen.getAllByRole('button', { name: 'Filter' }).at(-1) as HTMLElement);
  await user.click(await screen.findByRole('button', { name: 'Property: Choose a property' }));
  await user.click(await screen.findByRole('option', { name: /plan/ }));
  await user.type(screen.getByRole('combobox', { name: 'Values' }), 'pro{Enter}');
  await user.click(screen.getByRole('button', { name: 'Add filter' }));
  await screen.findByRole('button', { name: 'plan is pro' });
  await waitFor(() => {
    const last = asked.filter(({ call }) => call.endsWith('/query')).at(-1)?.body as TrendsQuestion;
    expect(last.filters).toEqual([{ property: 'plan', on: 'event', op: 'eq', value: 'pro' }]);
  });
});

test('a refusal is shown at the part that is to blame', async () => {
  serve({
    ...catalogue,
    [`POST ${SHOP}/query`]: new Refusal(400, {
      code: 'invalid_question',
      detail: 'Must be a regular expression.',
      field: 'series[1].filters[0].value',
    }),
  });
  const series = (event: string) => `series=${encodeURIComponent(JSON.stringify({ event }))}`;
  show(<InsightsPage />, `/insights?${october}&${series('a')}&${series('b')}`);
  const second = await screen.findByRole('group', { name: 'Series B' });
  await waitFor(() => expect(second.textContent).toContain('Must be a regular expression.'));
  expect(screen.getByRole('group', { name: 'Series A' }).textContent).not.toContain('Must be');
});

test('nothing counted is said, not drawn', async () => {
  serve({
    ...catalogue,
    [`POST ${SHOP}/query`]: {
      ...answerTo({ series: [] }),
      series: [{ name: 'A', period: 'current', values: [0, 0], total: 0 }],
    },
  });
  show(<InsightsPage />, `/insights?${october}`);
  await screen.findByText('Nothing to count in 1 – 2 Oct 2026');
});
