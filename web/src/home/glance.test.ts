import { expect, test } from 'vitest';
import { glance } from './glance';

const text = (kind: string, item: unknown) => glance(kind, item).map(({ name, value }) => `${name}=${value}`);

test('what the sender said stands before what every item has', () => {
  const item = {
    kind: 'custom_event',
    custom_event: {
      external_id: 'e1',
      label: 'Purchase',
      non_interactive: true,
      properties: { plan: 'pro', amount: 5 },
    },
  };
  expect(text('custom_event', item)).toEqual(['plan=pro', 'amount=5', 'non_interactive=true']);
});

test('says little: four fields, short values, no objects', () => {
  const item = {
    kind: 'order',
    order: { a: 1, b: { c: 2 }, d: [1, 2], e: 'x'.repeat(80), f: null, g: 3, h: 4 },
  };
  expect(text('order', item)).toEqual(['a=1', 'd=2 entries', `e=${'x'.repeat(47)}…`, 'g=3']);
});

test('what is no item gives nothing', () => {
  expect(glance('order', null)).toEqual([]);
  expect(glance('order', { kind: 'order' })).toEqual([]);
  expect(glance('order', { order: [1] })).toEqual([]);
  expect(glance(undefined, {})).toEqual([]);
});

test('addresses are shown without their scheme', () => {
  expect(text('pageview', { pageview: { page_id: 'https://shop.example/a' } })).toEqual([
    'page_id=shop.example/a',
  ]);
});
