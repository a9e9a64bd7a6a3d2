import { expect, test } from 'vitest';
import { RateMeter, recentRate } from './RateMeter';

test('counts full seconds, and none from before it began', () => {
  const meter = new RateMeter(10_000);
  meter.mark(10_100);
  meter.mark(11_900);
  meter.mark(12_000, 5);
  expect(meter.window(13_500)).toEqual([1, 1, 5]);
  expect(meter.window(10_900)).toEqual([]);
});

test('forgets what is over a minute old', () => {
  const meter = new RateMeter(0);
  for (let second = 0; second < 300; second++) meter.mark(second * 1000);
  const window = meter.window(300_000);
  expect(window).toHaveLength(RateMeter.SECONDS);
  expect(window.every((count) => count === 1)).toBe(true);
});

test('the rate is the mean of the last seconds', () => {
  expect(recentRate([100, 0, 0, 0, 10, 10])).toBe(4);
  expect(recentRate([])).toBe(0);
});
