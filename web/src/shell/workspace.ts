import { createContext, use } from 'react';
import type { WorkspaceSummary } from '../api/types';

export const WorkspaceContext = createContext<WorkspaceSummary | null>(null);

/** The workspace that the page is about. */
export function useWorkspace(): WorkspaceSummary {
  const workspace = use(WorkspaceContext);
  if (!workspace) throw new Error('useWorkspace outside of a workspace');
  return workspace;
}

/** Whether the role may change keys and settings. */
export function mayManage(workspace: WorkspaceSummary): boolean {
  return workspace.role === 'owner' || workspace.role === 'admin';
}
