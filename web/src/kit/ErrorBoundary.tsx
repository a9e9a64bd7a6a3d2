import { Button } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { Component, type ReactNode } from 'react';
import { Empty } from './Empty';

interface State {
  error: Error | undefined;
}

/** Keeps a defect in one part from leaving a blank page. */
export class ErrorBoundary extends Component<{ children: ReactNode }, State> {
  override state: State = { error: undefined };

  static getDerivedStateFromError(error: unknown): State {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override render() {
    if (!this.state.error) return this.props.children;
    // After an upgrade a page may ask for a part of the old build, which is gone.
    const outdated = /dynamically imported module|module script/i.test(this.state.error.message);
    return (
      <main>
        <h1 className="visually-hidden">Something went wrong</h1>
        <Empty
          icon={<IconAlertTriangle size={22} />}
          title={outdated ? 'Weir was updated' : 'This page ran into an error'}
          actions={<Button onClick={() => window.location.reload()}>Reload the page</Button>}
        >
          {outdated ? 'Reload to get the new version.' : this.state.error.message}
        </Empty>
      </main>
    );
  }
}
