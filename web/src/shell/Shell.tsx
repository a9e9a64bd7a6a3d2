import { Suspense, useEffect, useRef } from 'react';
import { Link, Redirect, Route, Switch, useLocation } from 'wouter';
import type { Me } from '../api/types';
import { ErrorBoundary } from '../kit/ErrorBoundary';
import { AccountMenu } from './AccountMenu';
import { Brand } from './Brand';
import { Navigation } from './Navigation';
import { NotFound } from './NotFound';
import { PageSkeleton } from './PageSkeleton';
import { HomePage, InsightsPage, LogPage, SettingsPage } from './pages';
import classes from './Shell.module.css';
import { WorkspaceMenu } from './WorkspaceMenu';

/** What stands around every page: header, navigation, and the page's place. */
export function Shell({ me }: { me: Me }) {
  const main = useRef<HTMLElement>(null);
  useFocusOnNewPage(main);
  return (
    <div className={classes.shell}>
      <a href="#page" className={classes.skip}>
        Skip to content
      </a>
      <header className={classes.header}>
        <Link href="/" className={classes.brand} aria-label="Weir, home">
          <Brand />
        </Link>
        <WorkspaceMenu workspaces={me.workspaces} />
        <div className={classes.grow} />
        <AccountMenu email={me.email} />
      </header>
      <Navigation />
      <main ref={main} id="page" tabIndex={-1} className={classes.main}>
        <ErrorBoundary>
          <Suspense fallback={<PageSkeleton />}>
            <Switch>
              <Route path="/" component={HomePage} />
              <Route path="/insights" component={InsightsPage} />
              <Route path="/log" component={LogPage} />
              <Route path="/settings">
                <Redirect to="/settings/keys" replace />
              </Route>
              <Route path="/settings/:section">{({ section }) => <SettingsPage section={section} />}</Route>
              <Route component={NotFound} />
            </Switch>
          </Suspense>
        </ErrorBoundary>
      </main>
    </div>
  );
}

/** Those who do not see the page change hear it: the focus goes to the new page's beginning. */
function useFocusOnNewPage(main: { current: HTMLElement | null }) {
  const [location] = useLocation();
  const page = location.split('/')[1] ?? '';
  const last = useRef(page);
  useEffect(() => {
    if (last.current === page) return;
    last.current = page;
    window.scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [page, main]);
}
