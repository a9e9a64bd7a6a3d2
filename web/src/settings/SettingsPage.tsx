import { Link } from 'wouter';
import { Page } from '../kit/Page';
import { NotFound } from '../shell/NotFound';
import { KeySettings } from './KeySettings';
import classes from './SettingsPage.module.css';
import { WorkspaceSettings } from './WorkspaceSettings';

const SECTIONS = [
  { id: 'keys', name: 'Keys', Content: KeySettings },
  { id: 'workspace', name: 'Workspace', Content: WorkspaceSettings },
];

/** What can be arranged in a workspace. */
export function SettingsPage({ section }: { section: string }) {
  const here = SECTIONS.find(({ id }) => id === section);
  if (!here) return <NotFound />;
  const { Content } = here;
  return (
    <Page title="Settings">
      <nav aria-label="Settings" className={classes.sections}>
        {SECTIONS.map(({ id, name }) => (
          <Link
            key={id}
            href={`/settings/${id}`}
            className={classes.section}
            aria-current={id === section ? 'page' : undefined}
          >
            {name}
          </Link>
        ))}
      </nav>
      <Content />
    </Page>
  );
}
