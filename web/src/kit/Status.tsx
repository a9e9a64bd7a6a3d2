import type { Status as StatusName } from '../api/types';
import { Tag, type Tone } from './Tag';

/** What each status means, in the words of the log. */
export const STATUSES: Record<StatusName, { label: string; tone: Tone; meaning: string }> = {
  stored: { label: 'Stored', tone: 'good', meaning: 'Applied, and in every report.' },
  duplicate: {
    label: 'Duplicate',
    tone: 'quiet',
    meaning: 'This very item was stored before; it counts once.',
  },
  superseded: {
    label: 'Superseded',
    tone: 'quiet',
    meaning: 'A newer version of this item counts; of this one only what the newer one leaves out.',
  },
  conflict: {
    label: 'Conflict',
    tone: 'warn',
    meaning: 'The same version came with other content; both are merged, the same way in any order.',
  },
  rejected: { label: 'Rejected', tone: 'bad', meaning: 'Not valid, so not applied. What was sent is kept.' },
  dead: { label: 'Dead', tone: 'bad', meaning: 'Processing failed again and again. What was sent is kept.' },
  waiting: {
    label: 'Waiting',
    tone: 'warn',
    meaning: 'Its user was busy; it comes again in a few seconds, as another delivery.',
  },
};

/** An item's outcome, in a word. */
export function Status({ status }: { status: StatusName }) {
  const known = STATUSES[status] ?? { label: status, tone: 'quiet', meaning: '' };
  return (
    <Tag tone={known.tone} title={known.meaning}>
      {known.label}
    </Tag>
  );
}
