import { Menu, Text, UnstyledButton } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconCheck, IconPlus, IconSelector } from '@tabler/icons-react';
import { useLocation } from 'wouter';
import type { WorkspaceSummary } from '../api/types';
import { CreateWorkspaceDialog } from '../settings/CreateWorkspace';
import classes from './Menus.module.css';
import { useWorkspace } from './workspace';

/** Says which workspace this is, and leads to the others. */
export function WorkspaceMenu({ workspaces }: { workspaces: WorkspaceSummary[] }) {
  const current = useWorkspace();
  const [location, navigate] = useLocation();
  const [creating, dialog] = useDisclosure(false);
  const page = location.split('/')[1] ?? '';
  const owner = workspaces.some((workspace) => workspace.role === 'owner');

  return (
    <>
      <Menu position="bottom-start" width={260}>
        <Menu.Target>
          <UnstyledButton className={classes.workspace} aria-label={`Workspace ${current.name}`}>
            <span className={classes.workspaceName}>{current.name}</span>
            <IconSelector size={16} aria-hidden />
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>Workspaces</Menu.Label>
          {workspaces.map((workspace) => (
            <Menu.Item
              key={workspace.id}
              onClick={() => navigate(`~/w/${workspace.id}/${page}`)}
              rightSection={workspace.id === current.id ? <IconCheck size={16} aria-label="current" /> : null}
            >
              {workspace.name}
              <Text size="xs" c="dimmed">
                {workspace.id} · {workspace.timezone}
              </Text>
            </Menu.Item>
          ))}
          {owner && (
            <>
              <Menu.Divider />
              <Menu.Item leftSection={<IconPlus size={16} aria-hidden />} onClick={dialog.open}>
                New workspace
              </Menu.Item>
            </>
          )}
        </Menu.Dropdown>
      </Menu>
      <CreateWorkspaceDialog opened={creating} onClose={dialog.close} />
    </>
  );
}
