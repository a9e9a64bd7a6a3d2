import { Skeleton, Stack } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { useReceipt } from '../api/queries';
import { SidePanel } from '../kit/Dialog';
import { ProblemNote } from '../kit/ProblemNote';
import { useWorkspace } from '../shell/workspace';
import { ReceiptView } from './ReceiptView';

interface ReceiptDrawerProps {
  /** Position or item id; empty: closed. */
  open: string;
  onClose: () => void;
}

/** The receipt of one item, beside the log. */
export function ReceiptDrawer({ open, onClose }: ReceiptDrawerProps) {
  const workspace = useWorkspace();
  const receipt = useReceipt(workspace.id, open);
  const phone = useMediaQuery('(max-width: 48em)', false);
  return (
    <SidePanel opened={open !== ''} onClose={onClose} title="Receipt" fromBelow={phone}>
      {receipt.data && <ReceiptView receipt={receipt.data} zone={workspace.timezone} />}
      {receipt.isPending && open !== '' && (
        <Stack aria-busy>
          <Skeleton height={26} width="60%" />
          <Skeleton height={120} />
          <Skeleton height={260} />
        </Stack>
      )}
      <ProblemNote error={receipt.error} onRetry={() => void receipt.refetch()} />
    </SidePanel>
  );
}
