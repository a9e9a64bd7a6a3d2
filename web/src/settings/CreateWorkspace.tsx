import { Alert, Button, Group, Select, Stack, Text, TextInput } from '@mantine/core';
import { IconEyeOff } from '@tabler/icons-react';
import { type FormEvent, useMemo, useState } from 'react';
import { useLocation } from 'wouter';
import { Problem } from '../api/client';
import { useCreateWorkspace, useRefreshMe } from '../api/queries';
import type { CreatedWorkspace } from '../api/types';
import { Code } from '../kit/Code';
import { Dialog } from '../kit/Dialog';
import { ProblemNote } from '../kit/ProblemNote';
import { Threshold } from '../session/Threshold';
import { knownZones, localZone } from '../text/time';

/** The longest that an id may be. */
const ID_LENGTH = 64;

/** A workspace id that a name suggests: lower-case letters, digits, "_" and "-". */
export function idFrom(name: string): string {
  return name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, ID_LENGTH);
}

/** For an account that has a part in no workspace. */
export function CreateWorkspacePage() {
  return (
    <Threshold
      title="Create a workspace"
      lead="A workspace keeps one product’s items, people and charts apart from all others."
    >
      <CreateWorkspace />
    </Threshold>
  );
}

/** The same beside an existing workspace. */
export function CreateWorkspaceDialog({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return (
    <Dialog opened={opened} onClose={onClose} title="New workspace" sticky>
      <CreateWorkspace onDone={onClose} />
    </Dialog>
  );
}

function CreateWorkspace({ onDone }: { onDone?: () => void }) {
  const create = useCreateWorkspace();
  const refreshMe = useRefreshMe();
  const [, navigate] = useLocation();
  if (!create.data) {
    return <WorkspaceForm onCreate={create.mutate} pending={create.isPending} error={create.error} />;
  }
  const { id } = create.data.workspace;
  const enter = async () => {
    await refreshMe();
    onDone?.();
    navigate(`~/w/${id}/`);
  };
  return <FirstKeys created={create.data} onContinue={() => void enter()} />;
}

interface WorkspaceFormProps {
  onCreate: (workspace: { id: string; name: string; timezone: string; currency: string }) => void;
  pending: boolean;
  error: unknown;
}

function WorkspaceForm({ onCreate, pending, error }: WorkspaceFormProps) {
  const [name, setName] = useState('');
  const [ownId, setOwnId] = useState<string | null>(null);
  const [timezone, setTimezone] = useState(localZone);
  const [currency, setCurrency] = useState('EUR');
  const zones = useMemo(knownZones, []);
  const currencies = useMemo(() => Intl.supportedValuesOf('currency'), []);
  const id = ownId ?? idFrom(name);
  const faultIn = (field: string) =>
    error instanceof Problem && error.field === field ? error.message : null;
  const placed = ['id', 'name', 'timezone', 'currency'].some(faultIn);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    onCreate({ id, name: name.trim(), timezone, currency });
  };

  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <TextInput
          label="Name"
          required
          withAsterisk={false}
          data-autofocus
          placeholder="Acme shop"
          value={name}
          error={faultIn('name')}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <TextInput
          label="Id"
          description="Stands in addresses and in the API. Cannot be changed."
          required
          withAsterisk={false}
          value={id}
          error={faultIn('id')}
          onChange={(event) => setOwnId(idFrom(event.currentTarget.value))}
        />
        <Group grow align="flex-start">
          <Select
            label="Time zone"
            data={zones}
            value={timezone}
            searchable
            allowDeselect={false}
            error={faultIn('timezone')}
            onChange={(value) => setTimezone(value ?? 'UTC')}
          />
          <Select
            label="Currency"
            data={currencies}
            value={currency}
            searchable
            allowDeselect={false}
            error={faultIn('currency')}
            onChange={(value) => setCurrency(value ?? 'EUR')}
          />
        </Group>
        {!placed && <ProblemNote error={error} />}
        <Button type="submit" loading={pending}>
          Create workspace
        </Button>
      </Stack>
    </form>
  );
}

function FirstKeys({ created, onContinue }: { created: CreatedWorkspace; onContinue: () => void }) {
  return (
    <Stack gap="md">
      <Text>“{created.workspace.name}” is there. Its write key is always under Settings.</Text>
      <Alert
        variant="light"
        color="yellow"
        icon={<IconEyeOff size={18} aria-hidden />}
        title="Copy its secret key now"
      >
        Only a fingerprint of it is stored: nobody can show it to you again.
      </Alert>
      <Code what="secret key" text={created.secret_key.key ?? created.secret_key.hint} />
      <Button onClick={onContinue}>Open the workspace</Button>
    </Stack>
  );
}
