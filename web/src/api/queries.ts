import {
  keepPreviousData,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from '@tanstack/react-query';
import { call, inWorkspace, Problem, withQuery } from './client';
import type {
  CreatedWorkspace,
  EventName,
  Key,
  LogPage,
  LogRow,
  Me,
  NewKey,
  NewWorkspace,
  Property,
  Receipt,
  ReplayedPage,
  Scope,
  TrendsAnswer,
  TrendsQuestion,
  Usage,
} from './types';

/** Who is signed in; null: nobody. */
export function useMe() {
  return useQuery({
    queryKey: ['me'],
    queryFn: async ({ signal }) => {
      try {
        return await call<Me>('GET', '/api/v1/me', undefined, signal);
      } catch (error) {
        if (error instanceof Problem && error.status === 401) return null;
        throw error;
      }
    },
    staleTime: 60_000,
  });
}

/** Whether the first account is still to be made. */
export function useSetupNeeded() {
  return useQuery({
    queryKey: ['setup'],
    queryFn: ({ signal }) => call<{ needed: boolean }>('GET', '/api/v1/setup', undefined, signal),
  });
}

/** After a change of who is signed in nothing that was read before holds. */
function useEntering<Input>(path: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (input: Input) => call<unknown>('POST', path, input),
    onSuccess: () => client.resetQueries(),
  });
}

export const useSignIn = () => useEntering<{ email: string; password: string }>('/api/v1/sign-in');
export const useSetup = () =>
  useEntering<{ token: string; email: string; password: string }>('/api/v1/setup');

export function useSignOut() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => call<unknown>('POST', '/api/v1/sign-out', {}),
    onSuccess: () => {
      // Those who watch see it first; what was theirs is forgotten then.
      client.setQueryData(['me'], null);
      client.removeQueries({ predicate: (query) => query.queryKey[0] !== 'me' });
    },
  });
}

/** Who is signed in is not read again by itself: the answer holds a secret that must be seen first. */
export function useCreateWorkspace() {
  return useMutation({
    mutationFn: (input: NewWorkspace) => call<CreatedWorkspace>('POST', '/api/v1/workspaces', input),
  });
}

/** Reads again who is signed in, and where. */
export function useRefreshMe() {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: ['me'] });
}

export function useUsage(workspace: string) {
  return useQuery({
    queryKey: [workspace, 'usage'],
    queryFn: ({ signal }) => call<Usage>('GET', inWorkspace(workspace, '/usage'), undefined, signal),
    refetchInterval: 5_000,
  });
}

/** What the log is filtered by; an absent member does not restrict. */
export interface LogFilter {
  status?: string;
  kind?: string;
  user?: string;
  item?: string;
  source?: string;
  receipt?: string;
}

const LOG_PAGE = 50;

export function useLog(workspace: string, filter: LogFilter) {
  return useInfiniteQuery({
    queryKey: [workspace, 'items', filter],
    queryFn: ({ pageParam, signal }) =>
      call<LogPage>(
        'GET',
        withQuery(inWorkspace(workspace, '/items'), { ...filter, cursor: pageParam, limit: LOG_PAGE }),
        undefined,
        signal,
      ),
    initialPageParam: '',
    getNextPageParam: (last) => last.next || undefined,
    placeholderData: keepPreviousData,
  });
}

/** The newest items, to begin the live view with. */
export function useRecentItems(workspace: string) {
  return useQuery({
    queryKey: [workspace, 'recent'],
    queryFn: ({ signal }) =>
      call<LogPage>(
        'GET',
        withQuery(inWorkspace(workspace, '/items'), { limit: LOG_PAGE }),
        undefined,
        signal,
      ),
    gcTime: 0,
    refetchOnWindowFocus: false,
  });
}

/** One item by position ("partition.sequence") or item id; an empty id asks nothing. */
export function useReceipt(workspace: string, id: string) {
  return useQuery({
    queryKey: [workspace, 'item', id],
    queryFn: ({ signal }) =>
      call<Receipt>('GET', inWorkspace(workspace, `/items/${encodeURIComponent(id)}`), undefined, signal),
    enabled: id !== '',
  });
}

/** Delivers an item again; the answer's receipt finds the new delivery. */
export function useReplayItem(workspace: string) {
  return useMutation({
    mutationFn: (position: string) =>
      call<{ receipt: string }>(
        'POST',
        inWorkspace(workspace, `/items/${encodeURIComponent(position)}/replay`),
      ),
  });
}

/** Delivers items of a filter again, as many as one call manages. */
export function replayItems(workspace: string, filter: LogFilter, cursor: string): Promise<ReplayedPage> {
  const path = inWorkspace(workspace, '/items/replay');
  return call<ReplayedPage>('POST', path, cursor ? { ...filter, cursor } : filter);
}

/** The log is read again, as something new is in it. */
export function useRefreshLog(workspace: string) {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: [workspace, 'items'] });
}

const DELIVERY_POLL_MS = 500;
/** Half a minute: what is not processed by then has a queue before it. */
const DELIVERY_POLLS = 60;

const settled = (row: LogRow | null | undefined) => row != null && row.status !== 'waiting';

/** What came of the one item of a receipt; null while it waits to be processed. */
export function useDelivery(workspace: string, receipt: string) {
  const refreshLog = useRefreshLog(workspace);
  return useQuery({
    queryKey: [workspace, 'delivery', receipt],
    queryFn: async ({ signal }) => {
      const path = withQuery(inWorkspace(workspace, '/items'), { receipt, limit: 1 });
      const row = (await call<LogPage>('GET', path, undefined, signal)).items?.[0] ?? null;
      if (settled(row)) void refreshLog();
      return row;
    },
    enabled: receipt !== '',
    refetchInterval: ({ state }) =>
      settled(state.data) || state.status === 'error' || state.dataUpdateCount >= DELIVERY_POLLS
        ? false
        : DELIVERY_POLL_MS,
  });
}

export function useEventNames(workspace: string) {
  return useQuery({
    queryKey: [workspace, 'event-names'],
    queryFn: async ({ signal }) =>
      (
        await call<{ events: EventName[] | null }>(
          'GET',
          inWorkspace(workspace, '/events/names'),
          undefined,
          signal,
        )
      ).events ?? [],
    staleTime: 30_000,
  });
}

async function propertiesOn(workspace: string, on: Scope, signal: AbortSignal): Promise<Property[]> {
  const path = withQuery(inWorkspace(workspace, '/properties'), { on });
  return (await call<{ properties: Property[] | null }>('GET', path, undefined, signal)).properties ?? [];
}

/** The properties of events and of people. */
export function useProperties(workspace: string) {
  return useQuery({
    queryKey: [workspace, 'properties'],
    queryFn: async ({ signal }) =>
      (
        await Promise.all([propertiesOn(workspace, 'event', signal), propertiesOn(workspace, 'user', signal)])
      ).flat(),
    staleTime: 30_000,
  });
}

const SUGGESTIONS = 30;

/** Values that a property has had, to choose from; enabled while somebody is choosing. */
export function useValues(
  workspace: string,
  on: Scope,
  property: string,
  contains: string,
  enabled: boolean,
) {
  return useQuery({
    queryKey: [workspace, 'values', on, property, contains],
    queryFn: async ({ signal }) => {
      const path = inWorkspace(workspace, `/properties/${encodeURIComponent(property)}/values`);
      const query = withQuery(path, { on, contains, limit: SUGGESTIONS });
      return (await call<{ values: string[] | null }>('GET', query, undefined, signal)).values ?? [];
    },
    enabled: enabled && property !== '',
    staleTime: 30_000,
    placeholderData: keepPreviousData,
  });
}

/**
 * How long to wait before asking a question again, in ms: asking costs at most a
 * tenth of one core, so that a cheap chart follows events within a second
 * and a dear one does not burden the server.
 */
export function refreshEvery(elapsedMs: number): number {
  return Math.min(60_000, Math.max(250, elapsedMs * 10));
}

/** The answer to a question; live: asked again and again while it is on screen. */
export function useTrends(workspace: string, question: TrendsQuestion | null, live: boolean) {
  return useQuery({
    queryKey: [workspace, 'query', question],
    queryFn: ({ signal }) => call<TrendsAnswer>('POST', inWorkspace(workspace, '/query'), question, signal),
    enabled: question !== null,
    placeholderData: keepPreviousData,
    staleTime: live ? 0 : 60_000,
    refetchInterval: (query) =>
      live && query.state.status === 'success' ? refreshEvery(query.state.data?.elapsed_ms ?? 0) : false,
  });
}

export function useKeys(workspace: string) {
  return useQuery({
    queryKey: [workspace, 'keys'],
    queryFn: async ({ signal }) =>
      (await call<{ keys: Key[] | null }>('GET', inWorkspace(workspace, '/keys'), undefined, signal)).keys ??
      [],
  });
}

export function useCreateKey(workspace: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (input: NewKey) => call<Key>('POST', inWorkspace(workspace, '/keys'), input),
    onSuccess: () => client.invalidateQueries({ queryKey: [workspace, 'keys'] }),
  });
}

export function useRevokeKey(workspace: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) =>
      call<void>('DELETE', inWorkspace(workspace, `/keys/${encodeURIComponent(id)}`)),
    onSuccess: () => client.invalidateQueries({ queryKey: [workspace, 'keys'] }),
  });
}
