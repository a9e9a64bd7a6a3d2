import { expect, test } from 'vitest';
import type { Touch } from '../api/types';
import { creditedModels, itemOf, ruleText, sourceText } from './journey';

test('where a visit came from, in a line', () => {
  expect(sourceText({ source: 'google', medium: 'cpc' })).toBe('google / cpc');
  expect(sourceText({ source: 'direct', medium: 'none' })).toBe('direct');
  expect(sourceText({ medium: 'email' })).toBe('email');
  expect(sourceText({})).toBe('');
});

test('why two ids are one person', () => {
  expect(ruleText({ rule: 'user_alias' })).toBe('An alias was sent');
  expect(ruleText({ rule: 'key:email', key: 'email' })).toBe('Both have the same email');
  expect(ruleText({ rule: 'something new' })).toBe('something new');
});

test('an item’s name is its kind and its id, which may have colons too', () => {
  expect(itemOf('user_alias:a:1')).toEqual({ kind: 'user_alias', item: 'a:1' });
});

test('only models that give credit can be chosen, in the order of the list', () => {
  const touch = (credits: Touch['credits']): Touch => ({
    session: 1,
    at: '2026-11-21T12:00:00Z',
    channel: 'Email',
    role: 'alone',
    credits,
  });
  expect(creditedModels([touch({ linear: 0, first: 10 }), touch({ last: 5 })])).toEqual([
    'first',
    'last',
    'linear',
  ]);
  expect(creditedModels([])).toEqual([]);
});
