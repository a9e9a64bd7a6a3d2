import type { Status as StatusName } from '../api/types';
import classes from './Status.module.css';

/** What each status means, in the words of the log. */
export const STATUSES: Record<
  StatusName,
  { label: string; tone: 'good' | 'quiet' | 'warn' | 'bad'; meaning: string }
> = {
  stored: { label: 'Stored', tone: 'good', meaning: 'Applied, and in every report.' },
  duplicate: {
    label: 'Duplicate',
    tone: 'quiet',
    meaning: 'This very item was stored before; it counts once.',
  },
  superseded: {
    label: 'Superseded',
    tone: 'quiet',
    meaning: 'A newer version of this item is stored already.',
  },
  conflict: {
    label: 'Conflict',
    tone: 'warn',
    meaning: 'The same version came with different content; one of them was kept, always the same.',
  },
  rejected: { label: 'Rejected', tone: 'bad', meaning: 'Not valid, so not applied. What was sent is kept.' },
  dead: { label: 'Dead', tone: 'bad', meaning: 'Processing failed again and again. What was sent is kept.' },
};

/** An item's outcome, in a word. */
export function Status({ status }: { status: StatusName }) {
  const known = STATUSES[status] ?? { label: status, tone: 'quiet', meaning: '' };
  return (
    <span className={classes.status} data-tone={known.tone} title={known.meaning}>
      {known.label}
    </span>
  );
}
