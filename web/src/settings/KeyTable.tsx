import { Button } from '@mantine/core';
import type { Key } from '../api/types';
import { CopyButton } from '../kit/CopyButton';
import { dayIn, dayText } from '../text/time';
import classes from './KeyTable.module.css';
import { listed } from './keys';

interface KeyTableProps {
  keys: Key[];
  zone: string;
  /** Absent: who looks may not revoke. */
  onRevoke: ((key: Key) => void) | undefined;
}

/** The keys, those in use first. */
export function KeyTable({ keys, zone, onRevoke }: KeyTableProps) {
  return (
    <table className={classes.table}>
      <caption className="visually-hidden">Keys</caption>
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Key</th>
          <th scope="col">Created</th>
          <th scope="col">
            <span className="visually-hidden">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {listed(keys).map((key) => (
          <tr key={key.id} data-revoked={key.revoked_at ? true : undefined}>
            <td className={classes.name}>
              {key.name || 'Unnamed'}
              <span className={classes.kind}>{key.kind === 'secret' ? 'Secret key' : 'Write key'}</span>
              {key.origins && key.origins.length > 0 && (
                <span className={classes.origins}>from {key.origins.join(', ')}</span>
              )}
            </td>
            <td className={classes.key}>
              <span className={classes.text}>
                <code className="mono">{key.key ?? key.hint}</code>
                {key.key && !key.revoked_at && <CopyButton value={key.key} what={`key ${key.name}`} />}
              </span>
            </td>
            <td className={`${classes.created} numbers`}>{dayText(dayIn(zone, new Date(key.created_at)))}</td>
            <td className={classes.actions}>
              {key.revoked_at ? (
                <span className={classes.revoked}>Revoked</span>
              ) : (
                onRevoke && (
                  <Button
                    size="compact-sm"
                    variant="subtle"
                    color="red"
                    aria-label={`Revoke ${key.name || key.hint}`}
                    onClick={() => onRevoke(key)}
                  >
                    Revoke
                  </Button>
                )
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
