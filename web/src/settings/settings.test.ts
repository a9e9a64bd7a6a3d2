import { expect, test } from 'vitest';
import type { Key } from '../api/types';
import { idFrom } from './CreateWorkspace';
import { listed, originFault, originsIn, usableWriteKey } from './keys';

const key = (id: string, more: Partial<Key> = {}): Key => ({
  id,
  kind: 'write',
  name: id,
  key: `wk_${id}`,
  hint: 'wk_…',
  created_at: '2026-01-01T00:00:00Z',
  ...more,
});

test('examples show a write key that works', () => {
  const secret = key('s', { kind: 'secret' });
  const revoked = key('r', { revoked_at: '2026-02-01T00:00:00Z' });
  expect(usableWriteKey([secret, revoked, key('w')])).toBe('wk_w');
  expect(usableWriteKey([secret, revoked])).toBeUndefined();
});

test('keys in use come first, then the oldest', () => {
  const keys = [
    key('gone', { revoked_at: '2026-02-01T00:00:00Z' }),
    key('new', { created_at: '2026-03-01T00:00:00Z' }),
    key('old'),
  ];
  expect(listed(keys).map(({ id }) => id)).toEqual(['old', 'new', 'gone']);
});

test('origins', () => {
  expect(originsIn('https://a.example/\nhttp://localhost:3000, https://b.example')).toEqual([
    'https://a.example',
    'http://localhost:3000',
    'https://b.example',
  ]);
  expect(originFault('https://a.example')).toBeUndefined();
  expect(originFault('http://localhost:3000')).toBeUndefined();
  expect(originFault('a.example')).toMatch(/not an origin/);
  expect(originFault('https://a.example/path')).toMatch(/not an origin/);
  expect(originFault('javascript:alert(1)')).toMatch(/not an origin/);
});

test('a workspace id is made of its name', () => {
  expect(idFrom('Acmé Shop, Europe!')).toBe('acme-shop-europe');
  expect(idFrom('  --  ')).toBe('');
  expect(idFrom('acme_test')).toBe('acme_test');
  expect(idFrom('x'.repeat(80))).toHaveLength(64);
});
