import { Button, Group, Stack, Text } from '@mantine/core';
import { useRevokeKey } from '../api/queries';
import type { Key } from '../api/types';
import { Dialog } from '../kit/Dialog';
import { ProblemNote } from '../kit/ProblemNote';
import { useWorkspace } from '../shell/workspace';

interface RevokeKeyDialogProps {
  /** Null: closed. */
  revoking: Key | null;
  onClose: () => void;
}

/** Asks before a key stops working for ever. */
export function RevokeKeyDialog({ revoking, onClose }: RevokeKeyDialogProps) {
  const workspace = useWorkspace();
  const revoke = useRevokeKey(workspace.id);
  const close = () => {
    onClose();
    revoke.reset();
  };
  return (
    <Dialog opened={revoking !== null} onClose={close} title="Revoke key">
      <Stack gap="md">
        <Text>
          Whatever still uses <strong>{revoking?.name || revoking?.hint}</strong> is refused within seconds.
          This cannot be undone.
        </Text>
        <ProblemNote error={revoke.error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={close} data-autofocus>
            Cancel
          </Button>
          <Button
            color="red"
            loading={revoke.isPending}
            onClick={() => revoking && revoke.mutate(revoking.id, { onSuccess: close })}
          >
            Revoke key
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}
