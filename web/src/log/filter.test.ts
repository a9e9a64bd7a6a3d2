import { expect, test } from 'vitest';
import { changed, readLogAddress, writeLogAddress } from './filter';

test('the address keeps the filter and the opened item', () => {
  const filter = { status: 'rejected', kind: 'order', user: 'a b&c', item: 'x', receipt: 'rcp_1' };
  expect(readLogAddress(writeLogAddress(filter, '3.7'))).toEqual({ filter, open: '3.7' });
  expect(writeLogAddress({}, '')).toBe('');
});

test('an address with an unknown status has none', () => {
  expect(readLogAddress('status=lost&kind=order')).toEqual({ filter: { kind: 'order' }, open: '' });
});

test('an empty value takes a filter away', () => {
  expect(changed({ kind: 'order', user: 'u' }, 'user', '')).toEqual({ kind: 'order' });
  expect(changed({}, 'user', 'u')).toEqual({ user: 'u' });
});
