import type { ReactNode } from 'react';
import { CopyButton } from '../kit/CopyButton';
import { Panel } from '../kit/Panel';
import { useWorkspace } from '../shell/workspace';
import { moment } from '../text/time';
import classes from './WorkspaceSettings.module.css';

/** What a workspace is. */
export function WorkspaceSettings() {
  const { id, name, timezone, currency, role } = useWorkspace();
  return (
    <div className={classes.narrow}>
      <Panel title={name}>
        <dl className={classes.facts}>
          <Fact name="Id" note="Names it in the API, and in what servers send.">
            <code className="mono">{id}</code>
            <CopyButton value={id} what="workspace id" />
          </Fact>
          <Fact name="Time zone" note="Days in charts begin at its midnight.">
            {timezone}
            <span className={classes.soft}>now {moment(new Date().toISOString(), timezone)}</span>
          </Fact>
          {currency && (
            <Fact name="Currency" note="Order values are counted in it.">
              {currency}
            </Fact>
          )}
          <Fact name="Your role" note="What you may do here.">
            {role.charAt(0).toUpperCase() + role.slice(1)}
          </Fact>
        </dl>
      </Panel>
    </div>
  );
}

function Fact({ name, note, children }: { name: string; note: string; children: ReactNode }) {
  return (
    <div>
      <dt>
        {name}
        <span>{note}</span>
      </dt>
      <dd>{children}</dd>
    </div>
  );
}
