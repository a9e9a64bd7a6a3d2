import { Anchor, Skeleton } from '@mantine/core';
import { Link } from 'wouter';
import { useReceipt } from '../api/queries';
import type { LiveRow } from '../api/types';
import { PayloadView } from '../kit/PayloadView';
import { ProblemNote } from '../kit/ProblemNote';
import { useWorkspace } from '../shell/workspace';

const HEIGHT = 420;

/** What an opened row shows: what was sent, and the way to its receipt. */
export function FeedDetail({ row }: { row: LiveRow }) {
  const there = row.item !== undefined || row.raw !== undefined;
  return (
    <>
      {there ? <PayloadView payload={row} maxHeight={HEIGHT} /> : <FetchedPayload position={row.position} />}
      <Anchor component={Link} href={`/log?open=${encodeURIComponent(row.position)}`} size="sm">
        Open its receipt in the log
      </Anchor>
    </>
  );
}

/** Rows from before the page was opened came without what was sent. */
function FetchedPayload({ position }: { position: string }) {
  const workspace = useWorkspace();
  const receipt = useReceipt(workspace.id, position);
  if (receipt.data) return <PayloadView payload={receipt.data} maxHeight={HEIGHT} />;
  if (receipt.isError) return <ProblemNote error={receipt.error} onRetry={() => void receipt.refetch()} />;
  return <Skeleton height={160} aria-busy />;
}
