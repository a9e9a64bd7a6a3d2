import type { LogRow } from '../api/types';
import { KindIcon } from '../kit/KindIcon';
import { itemTitle } from '../kit/kinds';
import { Status } from '../kit/Status';
import { logTime, moment } from '../text/time';
import classes from './LogTable.module.css';

interface LogTableProps {
  rows: LogRow[];
  zone: string;
  open: string;
  onOpen: (position: string) => void;
}

/** The items of the log, newest first. Each row opens its receipt. */
export function LogTable({ rows, zone, open, onOpen }: LogTableProps) {
  const now = new Date();
  return (
    <table className={classes.table}>
      <caption className="visually-hidden">Items, newest first</caption>
      <thead>
        <tr>
          <th scope="col">Item</th>
          <th scope="col">Status</th>
          <th scope="col">User</th>
          <th scope="col">Source</th>
          <th scope="col" className={classes.right}>
            Received
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          // The whole row reacts to the pointer; the button in it is what the keyboard reaches.
          <tr
            key={row.position}
            className={classes.row}
            data-open={row.position === open || undefined}
            onClick={() => onOpen(row.position)}
          >
            <td className={classes.item}>
              <span className={classes.name}>
                <KindIcon kind={row.kind} />
                <button
                  type="button"
                  className={classes.opener}
                  onClick={(event) => {
                    event.stopPropagation();
                    onOpen(row.position);
                  }}
                >
                  {itemTitle(row)}
                </button>
              </span>
              {row.message && <span className={classes.reason}>{row.message}</span>}
            </td>
            <td className={classes.status}>
              <Status status={row.status} />
            </td>
            <td className={`${classes.user} mono`} title={row.user_id}>
              {row.user_id ?? '–'}
            </td>
            <td className={classes.source}>{row.source_name ?? row.source ?? '–'}</td>
            <td className={`${classes.received} ${classes.right} numbers`}>
              <time dateTime={row.received_at} title={moment(row.received_at, zone)}>
                {logTime(row.received_at, zone, now)}
              </time>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
