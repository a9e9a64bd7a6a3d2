import { Redirect, Route, Router, Switch, useLocation, useSearch } from 'wouter';
import type { Me, WorkspaceSummary } from '../api/types';
import { CreateWorkspacePage } from '../settings/CreateWorkspace';
import { Shell } from './Shell';
import { WorkspaceContext } from './workspace';

const LAST = 'weir.workspace';

/** The workspace that was open last. */
function lastUsed(): string | null {
  try {
    return localStorage.getItem(LAST);
  } catch {
    return null; // storage may be blocked
  }
}

function remember(id: string) {
  try {
    localStorage.setItem(LAST, id);
  } catch {
    // Storage may be blocked.
  }
}

/** Every page of the app belongs to a workspace, and its address says to which: /w/{id}/… */
export function Workspaces({ me }: { me: Me }) {
  if (me.workspaces.length === 0) return <CreateWorkspacePage />;
  return (
    <Switch>
      <Route path="/w/:id/*?">
        {({ id }) => {
          const workspace = me.workspaces.find((one) => one.id === decodeURIComponent(id));
          if (!workspace) return <Redirect to="/" replace />;
          remember(workspace.id);
          return (
            <WorkspaceContext value={workspace}>
              <Router base={`/w/${id}`} key={workspace.id}>
                <Shell me={me} />
              </Router>
            </WorkspaceContext>
          );
        }}
      </Route>
      <Route>
        <IntoWorkspace workspaces={me.workspaces} />
      </Route>
    </Switch>
  );
}

/**
 * Completes an address that is in no workspace: /insights?… → /w/acme/insights?… It
 * may name one, as links in terminals do (/?workspace=acme); else it is the one
 * that was open last.
 */
function IntoWorkspace({ workspaces }: { workspaces: WorkspaceSummary[] }) {
  const [location] = useLocation();
  const parameters = new URLSearchParams(useSearch());
  const known = (id: string | null) => workspaces.find((workspace) => workspace.id === id);
  const workspace = known(parameters.get('workspace')) ?? known(lastUsed()) ?? workspaces[0];
  parameters.delete('workspace');
  const search = parameters.toString();
  return <Redirect to={`/w/${workspace?.id}${location}${search ? `?${search}` : ''}`} replace />;
}
