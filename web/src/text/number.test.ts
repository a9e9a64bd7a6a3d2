import { expect, test } from 'vitest';
import { axisNumber, bytes, compact, count, elapsed, money, plural, share } from './number';

test('counts', () => {
  expect(count(1234567)).toBe('1,234,567');
  expect(compact(9999)).toBe('9,999');
  expect(compact(41_234)).toBe('41.2K');
  expect(axisNumber(9000)).toBe('9K');
  expect(plural(1, 'item')).toBe('1 item');
  expect(plural(1200, 'item')).toBe('1,200 items');
});

test('sizes and durations', () => {
  expect(bytes(512)).toBe('512 B');
  expect(bytes(65_536)).toBe('64 KB');
  expect(bytes(5_400_000)).toBe('5.1 MB');
  expect(elapsed(0.42)).toBe('0.4 ms');
  expect(elapsed(3.6)).toBe('4 ms');
  expect(elapsed(1830)).toBe('1.8 s');
});

test('a share never hides that there is something', () => {
  expect(share(1, 1000)).toBe('<1%');
  expect(share(0, 1000)).toBe('0%');
  expect(share(410, 1000)).toBe('41%');
  expect(share(1, 0)).toBe('–');
});

test('money', () => {
  expect(money(123_450, 'EUR')).toBe('€1,234.50');
  expect(money(-5, 'USD')).toBe('-$0.05');
  expect(money(10_000, 'JPY')).toBe('¥100.00');
  expect(money(250, 'points')).toBe('2.50 points');
  expect(money(250, '')).toBe('2.50');
});
