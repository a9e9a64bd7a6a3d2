import { IconChevronRight } from '@tabler/icons-react';
import { memo } from 'react';
import type { LiveRow } from '../api/types';
import { KindIcon } from '../kit/KindIcon';
import { itemTitle } from '../kit/kinds';
import { Status } from '../kit/Status';
import { clock, moment } from '../text/time';
import { FeedDetail } from './FeedDetail';
import classes from './FeedRow.module.css';
import { glance } from './glance';
import type { FeedEntry } from './LiveFeed';

interface FeedRowProps {
  entry: FeedEntry;
  zone: string;
  open: boolean;
  onToggle: (position: string) => void;
}

/** One item of the live view; opened it shows what was sent. */
export const FeedRow = memo(function FeedRow({ entry, zone, open, onToggle }: FeedRowProps) {
  const { row, fresh } = entry;
  const title = itemTitle(row);
  return (
    <li className={classes.item} data-fresh={fresh || undefined} data-open={open || undefined}>
      <button
        type="button"
        className={classes.row}
        aria-expanded={open}
        onClick={() => onToggle(row.position)}
      >
        <IconChevronRight className={classes.chevron} size={16} aria-hidden />
        <time
          className={`${classes.time} numbers`}
          dateTime={row.received_at}
          title={moment(row.received_at, zone)}
        >
          {clock(row.received_at, zone)}
        </time>
        <span className={classes.name}>
          <KindIcon kind={row.kind} />
          <span className={classes.cut}>{title}</span>
        </span>
        <span className={`${classes.user} ${classes.cut} mono`}>{row.user_id ?? ''}</span>
        <span className={`${classes.glance} ${classes.cut}`}>
          <Glance row={row} />
        </span>
        <span className={classes.status}>
          <Status status={row.status} />
        </span>
      </button>
      {open && (
        <div className={classes.detail}>
          <FeedDetail row={row} />
        </div>
      )}
    </li>
  );
});

/** Why it was refused, or else the fields that tell it from others. */
function Glance({ row }: { row: LiveRow }) {
  if (row.message) return row.message;
  const details = glance(row.kind, row.item);
  if (details.length === 0) return row.source_name && `from ${row.source_name}`;
  return details.map(({ name, value }) => (
    <span key={name} className={classes.pair}>
      <span className={classes.key}>{name}</span> {value}
    </span>
  ));
}
