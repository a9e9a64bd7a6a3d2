import { Skeleton, Stack } from '@mantine/core';
import { useEffect, useRef } from 'react';
import { useRecentItems } from '../api/queries';
import { Page } from '../kit/Page';
import { ProblemNote } from '../kit/ProblemNote';
import { useWorkspace } from '../shell/workspace';
import { ConnectionBadge } from './ConnectionBadge';
import { Feed } from './Feed';
import { Figures } from './Figures';
import { FirstItem } from './FirstItem';
import { useLive } from './useLive';

/** The live view: what arrives, as it arrives. */
export function HomePage() {
  const workspace = useWorkspace();
  const { feed, view, connection, meter } = useLive(workspace.id);
  const recent = useRecentItems(workspace.id);

  useEffect(() => {
    if (recent.data?.items) feed.seed(recent.data.items);
  }, [feed, recent.data]);

  // What arrived while the connection was lost is only in the log.
  const { refetch } = recent;
  const wasLost = useRef(false);
  useEffect(() => {
    if (connection === 'lost') wasLost.current = true;
    if (connection !== 'live' || !wasLost.current) return;
    wasLost.current = false;
    void refetch();
  }, [connection, refetch]);

  const empty = view.entries.length === 0;
  return (
    <Page
      title="Home"
      lead="Everything that arrives, as it arrives."
      actions={<ConnectionBadge connection={connection} />}
    >
      {empty && recent.isPending && <FeedSkeleton />}
      {empty && recent.isError && <ProblemNote error={recent.error} onRetry={() => void recent.refetch()} />}
      {empty && recent.isSuccess && <FirstItem />}
      {!empty && (
        <>
          <Figures meter={meter} />
          <Feed feed={feed} view={view} />
        </>
      )}
    </Page>
  );
}

function FeedSkeleton() {
  return (
    <Stack gap="md" aria-busy>
      <Skeleton height={104} radius="lg" />
      <Skeleton height={420} radius="lg" />
    </Stack>
  );
}
