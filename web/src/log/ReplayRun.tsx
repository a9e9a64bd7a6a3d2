import { Anchor, Button, Group, Stack, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { Link } from 'wouter';
import { type LogFilter, replayItems, useRefreshLog } from '../api/queries';
import { ProblemNote } from '../kit/ProblemNote';
import { useWorkspace } from '../shell/workspace';
import { count, plural } from '../text/number';
import { writeLogAddress } from './filter';
import classes from './ReplayRun.module.css';
import { NOTHING_REPLAYED, type Replayed, replayAll, replayedStatuses } from './replay';

interface ReplayRunProps {
  filter: LogFilter;
  /** How much the page shows of the filter, as a sentence. */
  shown: string;
  onClose: () => void;
}

/** Asks, goes through all of the filter call by call, and says what was done. */
export function ReplayRun({ filter, shown, onClose }: ReplayRunProps) {
  const workspace = useWorkspace();
  const refreshLog = useRefreshLog(workspace.id);
  const [so, setSo] = useState<Replayed>(NOTHING_REPLAYED);
  // What was asked for is done to the end; whoever leaves only keeps the next call from being made.
  const stop = useRef(false);
  useEffect(() => {
    stop.current = false;
    return () => {
      stop.current = true;
    };
  }, []);
  const run = useMutation({
    mutationFn: () =>
      replayAll(
        so,
        (cursor) => replayItems(workspace.id, filter, cursor),
        (next) => {
          setSo(next);
          return !stop.current;
        },
      ),
    onSettled: () => refreshLog(),
  });
  const begun = so !== NOTHING_REPLAYED;
  return (
    <Stack gap="md">
      {!begun && (
        <Text>
          {shown} Everything {replayedStatuses(filter).join(' or ')} in the filter is delivered again, shown
          or not, and judged anew. What would be rejected again stays as it is.
        </Text>
      )}
      {begun && <Result so={so} running={run.isPending} onLeave={onClose} />}
      <ProblemNote error={run.error} />
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose} data-autofocus>
          {so.done ? 'Close' : run.isPending ? 'Stop' : 'Cancel'}
        </Button>
        {!so.done && (
          <Button loading={run.isPending} onClick={() => run.mutate()}>
            {begun ? 'Go on' : 'Replay'}
          </Button>
        )}
      </Group>
    </Stack>
  );
}

interface ResultProps {
  so: Replayed;
  running: boolean;
  /** Called when a link leads to another filter of the log behind the dialog. */
  onLeave: () => void;
}

function Result({ so, running, onLeave }: ResultProps) {
  return (
    <div role="status">
      <Text>
        {so.replayed === 0 ? 'No item was' : plural(so.replayed, 'item was', 'items were')} delivered again
        {running ? ' so far' : ''}.
        {so.skipped > 0 &&
          ` Skipped: ${count(so.skipped)}, which would be rejected again or are not in the archive.`}
      </Text>
      {so.receipts.length > 0 && (
        <ul className={classes.receipts} aria-label="Receipts of the new deliveries">
          {so.receipts.map(({ receipt, replayed }) => (
            <li key={receipt}>
              <Anchor
                component={Link}
                href={`/log?${writeLogAddress({ receipt }, '')}`}
                onClick={onLeave}
                className="mono"
              >
                {receipt}
              </Anchor>
              <span className="numbers">{count(replayed)}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
