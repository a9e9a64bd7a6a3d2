import classes from './ConnectionBadge.module.css';
import type { Connection } from './useLive';

const LABELS: Record<Connection, string> = {
  connecting: 'Connecting…',
  live: 'Live',
  lost: 'Connection lost, trying again…',
};

/** Whether the view is following. */
export function ConnectionBadge({ connection }: { connection: Connection }) {
  return (
    <output className={classes.badge} data-connection={connection}>
      <span className={classes.dot} aria-hidden />
      {LABELS[connection]}
    </output>
  );
}
