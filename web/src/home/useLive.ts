import { useEffect, useState, useSyncExternalStore } from 'react';
import { inWorkspace } from '../api/client';
import type { LiveRow } from '../api/types';
import { type FeedView, LiveFeed } from './LiveFeed';
import { RateMeter } from './RateMeter';

/** lost: was there, is gone, and is being tried again. */
export type Connection = 'connecting' | 'live' | 'lost';

interface Live {
  feed: LiveFeed;
  view: FeedView;
  connection: Connection;
  meter: RateMeter;
}

/** Follows what arrives in a workspace for as long as the component is there. */
export function useLive(workspace: string): Live {
  const [feed] = useState(() => new LiveFeed());
  const [meter] = useState(() => new RateMeter(Date.now()));
  const [connection, setConnection] = useState<Connection>('connecting');
  const view = useSyncExternalStore(feed.subscribe, feed.current);

  useEffect(() => {
    return follow(inWorkspace(workspace, '/live'), {
      row: (row) => {
        meter.mark(Date.now());
        feed.receive(row);
      },
      lost: (count) => {
        meter.mark(Date.now(), count);
        feed.skip(count);
      },
      connection: setConnection,
    });
  }, [workspace, feed, meter]);

  return { feed, view, connection, meter };
}

const RETRY_FIRST = 1_000;
const RETRY_LAST = 15_000;

/** What a stream tells. */
export interface Listener {
  row: (row: LiveRow) => void;
  /** So many rows were left out, because this listener was too slow for them. */
  lost: (count: number) => void;
  connection: (connection: Connection) => void;
}

/**
 * Listens to a stream of rows until the returned function is called. The browser
 * reconnects by itself after a broken connection, but gives up on an answer that
 * is no stream (a proxy's 502 while the server restarts): that is tried again here.
 */
export function follow(url: string, listener: Listener): () => void {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let delay = RETRY_FIRST;

  const open = () => {
    source = new EventSource(url);
    source.onopen = () => {
      delay = RETRY_FIRST;
      listener.connection('live');
    };
    source.onerror = () => {
      listener.connection('lost');
      if (source?.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(open, delay);
      delay = Math.min(delay * 2, RETRY_LAST);
    };
    source.addEventListener('outcome', (event: MessageEvent<string>) =>
      listener.row(JSON.parse(event.data) as LiveRow),
    );
    source.addEventListener('lost', (event: MessageEvent<string>) =>
      listener.lost((JSON.parse(event.data) as { count: number }).count),
    );
  };

  listener.connection('connecting');
  open();
  return () => {
    clearTimeout(timer);
    source?.close();
  };
}
