import { Redirect, Route, Router, Switch, useLocation, useSearch } from 'wouter';
import type { Me, WorkspaceSummary } from '../api/types';
import { CreateWorkspacePage } from '../settings/CreateWorkspace';
import { Shell } from './Shell';
import { WorkspaceContext } from './workspace';

const LAST = 'weir.workspace';

/** The workspace to open when the address names none: the last one used, or the first. */
function preferred(workspaces: WorkspaceSummary[]): WorkspaceSummary | undefined {
  let last: string | null = null;
  try {
    last = localStorage.getItem(LAST);
  } catch {
    // Storage may be blocked.
  }
  return workspaces.find((workspace) => workspace.id === last) ?? workspaces[0];
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
  const fallback = preferred(me.workspaces);
  if (!fallback) return <CreateWorkspacePage />;
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
        <IntoWorkspace id={fallback.id} />
      </Route>
    </Switch>
  );
}

/** Completes an address without a workspace: /insights?… → /w/acme/insights?… */
function IntoWorkspace({ id }: { id: string }) {
  const [location] = useLocation();
  const search = useSearch();
  return <Redirect to={`/w/${id}${location}${search ? `?${search}` : ''}`} replace />;
}
