import { Alert, Button, Group, Radio, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { IconEyeOff } from '@tabler/icons-react';
import { type FormEvent, useState } from 'react';
import { useCreateKey } from '../api/queries';
import type { Key, KeyKind } from '../api/types';
import { Code } from '../kit/Code';
import { Dialog } from '../kit/Dialog';
import { ProblemNote } from '../kit/ProblemNote';
import { useWorkspace } from '../shell/workspace';
import { originFault, originsIn } from './keys';

interface DialogProps {
  opened: boolean;
  onClose: () => void;
}

/** Creates a key, and shows its text. */
export function CreateKeyDialog({ opened, onClose }: DialogProps) {
  const workspace = useWorkspace();
  const create = useCreateKey(workspace.id);
  const close = () => {
    onClose();
    create.reset();
  };
  return (
    <Dialog
      opened={opened}
      onClose={close}
      title={create.data ? 'Key created' : 'Create key'}
      sticky={create.data !== undefined}
    >
      {create.data ? (
        <CreatedKey created={create.data} onClose={close} />
      ) : (
        <KeyForm onCreate={create.mutate} pending={create.isPending} error={create.error} />
      )}
    </Dialog>
  );
}

interface KeyFormProps {
  onCreate: (key: { kind: KeyKind; name: string; origins?: string[] }) => void;
  pending: boolean;
  error: unknown;
}

function KeyForm({ onCreate, pending, error }: KeyFormProps) {
  const [kind, setKind] = useState<KeyKind>('write');
  const [name, setName] = useState('');
  const [originText, setOriginText] = useState('');
  const [tried, setTried] = useState(false);
  const origins = kind === 'write' ? originsIn(originText) : [];
  const fault = origins.map(originFault).find(Boolean);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (fault) return;
    onCreate({ kind, name: name.trim(), ...(origins.length > 0 ? { origins } : {}) });
  };

  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <TextInput
          label="Name"
          description="What will send with it: “Web shop”, “Nightly import”."
          required
          withAsterisk={false}
          data-autofocus
          maxLength={100}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Radio.Group label="Kind" value={kind} onChange={(value) => setKind(value as KeyKind)}>
          <Stack gap="xs" mt={6}>
            <Radio
              value="write"
              label="Write key"
              description="Sends items only. May be public, in a page or an app."
            />
            <Radio
              value="secret"
              label="Secret key"
              description="Sends and reads. For servers; shown once."
            />
          </Stack>
        </Radio.Group>
        {kind === 'write' && (
          <Textarea
            label="Allowed origins"
            description="The sites that may use it, one a line. Empty: any."
            placeholder="https://shop.example"
            autosize
            minRows={2}
            value={originText}
            error={tried && fault}
            onChange={(event) => setOriginText(event.currentTarget.value)}
          />
        )}
        <ProblemNote error={error} />
        <Group justify="flex-end">
          <Button type="submit" loading={pending}>
            Create key
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function CreatedKey({ created, onClose }: { created: Key; onClose: () => void }) {
  return (
    <Stack gap="md">
      {created.kind === 'secret' ? (
        <Alert variant="light" color="yellow" icon={<IconEyeOff size={18} aria-hidden />} title="Copy it now">
          Only a fingerprint of it is stored: nobody can show it to you again.
        </Alert>
      ) : (
        <Text>“{created.name}” can send from now on.</Text>
      )}
      <Code what="key" text={created.key ?? created.hint} />
      <Group justify="flex-end">
        <Button onClick={onClose}>Done</Button>
      </Group>
    </Stack>
  );
}
