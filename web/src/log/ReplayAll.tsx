import { Button } from '@mantine/core';
import { IconRepeat } from '@tabler/icons-react';
import { useState } from 'react';
import type { LogFilter } from '../api/queries';
import type { LogRow } from '../api/types';
import { Dialog } from '../kit/Dialog';
import { mayManage, useWorkspace } from '../shell/workspace';
import classes from './ReplayAll.module.css';
import { ReplayRun } from './ReplayRun';
import { replayedStatuses, shownText } from './replay';

interface ReplayAllProps {
  filter: LogFilter;
  /** What the page shows of the filter. */
  rows: LogRow[];
  /** Whether there are older ones. */
  more: boolean;
}

/** Delivers all items of the page's filter again that were not applied. */
export function ReplayAll({ filter, rows, more }: ReplayAllProps) {
  const workspace = useWorkspace();
  const [opened, setOpened] = useState(false);
  const statuses = replayedStatuses(filter);
  const some = statuses.length > 0 && (more || rows.some((row) => statuses.includes(row.status)));
  // An open dialog stays, whatever the log that is read again behind it shows.
  if (!mayManage(workspace) || !(some || opened)) return null;
  const what = statuses.join(' and ');
  const title = `Replay all ${what}`;
  const close = () => setOpened(false);
  return (
    <>
      <Button
        variant="default"
        leftSection={<IconRepeat size={16} aria-hidden />}
        onClick={() => setOpened(true)}
      >
        <span>
          Replay all <span className={classes.what}>{what}</span>
        </span>
      </Button>
      <Dialog opened={opened} onClose={close} title={title} sticky>
        <ReplayRun filter={filter} shown={shownText(filter, rows, more)} onClose={close} />
      </Dialog>
    </>
  );
}
