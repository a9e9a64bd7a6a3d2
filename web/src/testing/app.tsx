import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render } from '@testing-library/react';
import axe from 'axe-core';
import type { ReactNode } from 'react';
import { vi } from 'vitest';
import { Router } from 'wouter';
import { memoryLocation } from 'wouter/memory-location';
import type { WorkspaceSummary } from '../api/types';
import { WorkspaceContext } from '../shell/workspace';

export const shop: WorkspaceSummary = {
  id: 'shop',
  name: 'Shop',
  timezone: 'Europe/Paris',
  currency: 'EUR',
  role: 'owner',
};

/** What the server answers, by method and path without the query; a function sees the body and the query. */
export type Answers = Record<string, unknown | ((body: unknown, query: URLSearchParams) => unknown)>;

/** An answer with a problem document. */
export class Refusal {
  constructor(
    readonly status: number,
    readonly document: Record<string, unknown>,
  ) {}
}

/** Stands for the server: every request that has no answer is a 404. */
export function serve(answers: Answers) {
  const asked: { call: string; query: string; body: unknown }[] = [];
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    const [bare = '', query = ''] = path.split('?');
    const name = `${init.method} ${bare}`;
    const body: unknown = init.body ? JSON.parse(String(init.body)) : undefined;
    asked.push({ call: name, query, body });
    const given = answers[name];
    const answer =
      typeof given === 'function'
        ? given(body, new URLSearchParams(query))
        : (given ?? new Refusal(404, { code: 'not_found' }));
    if (answer instanceof Refusal)
      return new Response(JSON.stringify(answer.document), { status: answer.status });
    return new Response(JSON.stringify(answer), { status: 200 });
  });
  return asked;
}

/** Renders a part of the app in a workspace, at an address. */
export function show(part: ReactNode, path = '/') {
  const { hook, searchHook, history } = memoryLocation({ path, record: true });
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const shown = render(
    <MantineProvider env="test">
      <QueryClientProvider client={client}>
        <Router hook={hook} searchHook={searchHook}>
          <WorkspaceContext value={shop}>{part}</WorkspaceContext>
        </Router>
      </QueryClientProvider>
    </MantineProvider>,
  );
  return { ...shown, history };
}

/** What axe finds wrong, but for colours, which need a real browser. */
export async function faults(container: Element): Promise<string[]> {
  const { violations } = await axe.run(container, {
    rules: { 'color-contrast': { enabled: false }, region: { enabled: false } },
  });
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`);
}
