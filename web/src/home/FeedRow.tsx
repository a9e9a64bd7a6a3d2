import { Anchor } from '@mantine/core';
import { IconChevronRight } from '@tabler/icons-react';
import { memo } from 'react';
import { Link } from 'wouter';
import { Json } from '../kit/Json';
import { KindIcon } from '../kit/KindIcon';
import { kindLabel } from '../kit/kinds';
import { Status } from '../kit/Status';
import { clock, moment } from '../text/time';
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
  const title = row.name ?? kindLabel(row.kind ?? 'unknown');
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
          {row.status === 'rejected' ? row.message : <Glance kind={row.kind} item={row.item} />}
        </span>
        <span className={classes.status}>
          <Status status={row.status} />
        </span>
      </button>
      {open && (
        <div className={classes.detail}>
          <Json value={row.item ?? row} what="payload" />
          <Anchor component={Link} href={`/log?open=${encodeURIComponent(row.position)}`} size="sm">
            Open its receipt in the log
          </Anchor>
        </div>
      )}
    </li>
  );
});

function Glance({ kind, item }: { kind: string | undefined; item: unknown }) {
  return glance(kind, item).map(({ name, value }) => (
    <span key={name} className={classes.pair}>
      <span className={classes.key}>{name}</span> {value}
    </span>
  ));
}
