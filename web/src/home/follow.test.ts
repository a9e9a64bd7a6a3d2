import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { follow } from './useLive';

class FakeSource {
  static readonly CLOSED = 2;
  static made: FakeSource[] = [];
  readyState = 0;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  closed = false;
  readonly handlers = new Map<string, (event: { data: string }) => void>();

  constructor(readonly url: string) {
    FakeSource.made.push(this);
  }

  addEventListener(name: string, handler: (event: { data: string }) => void) {
    this.handlers.set(name, handler);
  }

  close() {
    this.closed = true;
  }
}

const latest = () => FakeSource.made.at(-1) as FakeSource;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('EventSource', FakeSource);
  FakeSource.made = [];
});
afterEach(() => {
  vi.useRealTimers();
});

function listen() {
  const listener = { row: vi.fn(), lost: vi.fn(), connection: vi.fn() };
  return { listener, stop: follow('/live', listener) };
}

test('passes on rows and what was lost', () => {
  const { listener } = listen();
  latest().onopen?.();
  latest().handlers.get('outcome')?.({ data: '{"position":"0.1"}' });
  latest().handlers.get('lost')?.({ data: '{"count":7}' });
  expect(listener.connection.mock.calls).toEqual([['connecting'], ['live']]);
  expect(listener.row).toHaveBeenCalledWith({ position: '0.1' });
  expect(listener.lost).toHaveBeenCalledWith(7);
});

test('leaves a broken connection to the browser', () => {
  const { listener } = listen();
  latest().onerror?.();
  vi.runAllTimers();
  expect(listener.connection).toHaveBeenLastCalledWith('lost');
  expect(FakeSource.made).toHaveLength(1);
});

test('tries again where the browser gives up, less and less often, until it is stopped', () => {
  const { stop } = listen();
  const giveUp = () => {
    latest().readyState = FakeSource.CLOSED;
    latest().onerror?.();
  };
  giveUp();
  vi.advanceTimersByTime(1_000);
  expect(FakeSource.made).toHaveLength(2);
  giveUp();
  vi.advanceTimersByTime(1_000);
  expect(FakeSource.made).toHaveLength(2);
  vi.advanceTimersByTime(1_000);
  expect(FakeSource.made).toHaveLength(3);
  giveUp();
  stop();
  vi.runAllTimers();
  expect(FakeSource.made).toHaveLength(3);
  expect(latest().closed).toBe(true);
});
