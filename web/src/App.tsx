import { MantineProvider } from '@mantine/core';
import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { useState } from 'react';
import { Route, Switch } from 'wouter';
import { Problem } from './api/client';
import { ErrorBoundary } from './kit/ErrorBoundary';
import { Gate } from './session/Gate';
import { Welcome } from './session/Welcome';
import { theme, variables } from './theme';

/** Tries again what another try can change: not what the server refused for a reason. */
function worthRetrying(failures: number, error: unknown): boolean {
  const refused = error instanceof Problem && error.status >= 400 && error.status < 500;
  return !refused && failures < 2;
}

function newQueryClient(): QueryClient {
  const client: QueryClient = new QueryClient({
    defaultOptions: { queries: { retry: worthRetrying, staleTime: 5_000 } },
    queryCache: new QueryCache({
      onError: (error) => {
        // The session ended somewhere else: back to the sign-in form.
        if (error instanceof Problem && error.status === 401) client.setQueryData(['me'], null);
      },
    }),
  });
  return client;
}

/** The whole app. */
export function App() {
  const [client] = useState(newQueryClient);
  return (
    <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto">
      <QueryClientProvider client={client}>
        <ErrorBoundary>
          <Switch>
            <Route path="/welcome" component={Welcome} />
            <Route component={Gate} />
          </Switch>
        </ErrorBoundary>
      </QueryClientProvider>
    </MantineProvider>
  );
}
