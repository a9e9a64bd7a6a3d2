import { afterEach, expect, test, vi } from 'vitest';
import { call, inWorkspace, Problem, UNREACHABLE, withQuery } from './client';
import { refreshEvery } from './queries';

afterEach(() => {
  vi.unstubAllGlobals();
});

const answerWith = (response: Response | Error) =>
  vi.stubGlobal('fetch', async () => {
    if (response instanceof Error) throw response;
    return response;
  });

test('a problem document becomes a Problem', async () => {
  const document = { status: 400, code: 'invalid_question', detail: 'No.', field: 'series[0].event' };
  answerWith(new Response(JSON.stringify(document), { status: 400, headers: { 'Retry-After': '3' } }));
  const problem = await call('GET', '/x').catch((error: unknown) => error);
  expect(problem).toBeInstanceOf(Problem);
  expect(problem).toMatchObject({
    status: 400,
    code: 'invalid_question',
    message: 'No.',
    field: 'series[0].event',
    retryAfter: 3,
  });
});

test('an error that is no JSON still says its status', async () => {
  answerWith(new Response('<h1>Bad gateway</h1>', { status: 502 }));
  await expect(call('GET', '/x')).rejects.toMatchObject({ status: 502, code: 'status_502' });
});

test('no answer at all is a problem too', async () => {
  answerWith(new TypeError('failed to fetch'));
  await expect(call('GET', '/x')).rejects.toMatchObject({ status: 0, code: UNREACHABLE });
});

test('an empty answer is undefined', async () => {
  answerWith(new Response(null, { status: 204 }));
  await expect(call('DELETE', '/x')).resolves.toBeUndefined();
});

test('paths are escaped', () => {
  expect(inWorkspace('a/b', '/items')).toBe('/api/v1/workspaces/a%2Fb/items');
  expect(withQuery('/items', { user: 'a&b', kind: '', limit: 5, cursor: undefined })).toBe(
    '/items?user=a%26b&limit=5',
  );
  expect(withQuery('/items', {})).toBe('/items');
});

test('a dear answer is asked for less often', () => {
  expect(refreshEvery(2)).toBe(250);
  expect(refreshEvery(200)).toBe(2_000);
  expect(refreshEvery(60_000)).toBe(60_000);
});
