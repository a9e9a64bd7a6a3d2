import { Button, Skeleton, Stack } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconPlus } from '@tabler/icons-react';
import { useState } from 'react';
import { useKeys } from '../api/queries';
import type { Key } from '../api/types';
import { Install } from '../install/Install';
import { Panel } from '../kit/Panel';
import { ProblemNote } from '../kit/ProblemNote';
import { mayManage, useWorkspace } from '../shell/workspace';
import { CreateKeyDialog } from './CreateKeyDialog';
import { KeyTable } from './KeyTable';
import { usableWriteKey } from './keys';
import { RevokeKeyDialog } from './RevokeKeyDialog';

/** The keys of a workspace, and what to do with them. */
export function KeySettings() {
  const workspace = useWorkspace();
  const keys = useKeys(workspace.id);
  const [creating, dialog] = useDisclosure(false);
  const [revoking, setRevoking] = useState<Key | null>(null);
  const writeKey = usableWriteKey(keys.data ?? []);
  const manager = mayManage(workspace);

  return (
    <Stack gap="md" maw={960}>
      <ProblemNote error={keys.error} onRetry={() => void keys.refetch()} />
      {keys.isPending && <Skeleton height={280} radius="lg" />}
      {writeKey && (
        <Panel title="Send items to this workspace">
          <Install writeKey={writeKey} />
        </Panel>
      )}
      {keys.data && (
        <Panel
          flush
          title="Keys"
          lead="Write keys only send, so they may stand in a page. Secret keys also read: keep them on your servers."
          actions={
            manager && (
              <Button size="xs" leftSection={<IconPlus size={15} aria-hidden />} onClick={dialog.open}>
                Create key
              </Button>
            )
          }
        >
          <KeyTable keys={keys.data} zone={workspace.timezone} onRevoke={manager ? setRevoking : undefined} />
        </Panel>
      )}
      <CreateKeyDialog opened={creating} onClose={dialog.close} />
      <RevokeKeyDialog revoking={revoking} onClose={() => setRevoking(null)} />
    </Stack>
  );
}
