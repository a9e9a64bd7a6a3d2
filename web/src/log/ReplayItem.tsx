import { Anchor, Button } from '@mantine/core';
import { IconRepeat } from '@tabler/icons-react';
import { Link } from 'wouter';
import { useDelivery, useReplayItem } from '../api/queries';
import type { LogRow } from '../api/types';
import { ProblemNote } from '../kit/ProblemNote';
import { Status } from '../kit/Status';
import { mayManage, useWorkspace } from '../shell/workspace';
import { writeLogAddress } from './filter';
import classes from './ReplayItem.module.css';

/** Delivers an item again, and says what came of it. */
export function ReplayItem({ row }: { row: LogRow }) {
  const workspace = useWorkspace();
  const replay = useReplayItem(workspace.id);
  const receipt = replay.data?.receipt ?? '';
  const delivery = useDelivery(workspace.id, receipt);
  if (!mayManage(workspace)) return null;
  return (
    <div className={classes.replay}>
      <div className={classes.line}>
        <Button
          size="xs"
          variant="default"
          leftSection={<IconRepeat size={14} aria-hidden />}
          loading={replay.isPending}
          onClick={() => replay.mutate(row.position)}
        >
          Replay
        </Button>
        <span role="status" className={classes.outcome}>
          {receipt ? (
            <Outcome row={delivery.data ?? null} receipt={receipt} />
          ) : (
            'Delivers it again, judged anew.'
          )}
        </span>
      </div>
      <ProblemNote error={replay.error ?? delivery.error} />
    </div>
  );
}

function Outcome({ row, receipt }: { row: LogRow | null; receipt: string }) {
  if (!row || row.status === 'waiting') {
    return <>Delivered again; what comes of it follows.</>;
  }
  return (
    <>
      Delivered again: <Status status={row.status} />
      <Anchor component={Link} href={`/log?${writeLogAddress({ receipt }, row.position)}`} size="sm">
        Its receipt
      </Anchor>
    </>
  );
}
