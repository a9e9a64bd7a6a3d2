import { Anchor } from '@mantine/core';
import type { ReactNode } from 'react';
import { Link } from 'wouter';
import type { LogRow, Receipt, Step, Warning } from '../api/types';
import { CopyButton } from '../kit/CopyButton';
import { KindIcon } from '../kit/KindIcon';
import { itemTitle, kindLabel } from '../kit/kinds';
import { PayloadView } from '../kit/PayloadView';
import { STATUSES, Status } from '../kit/Status';
import { bytes } from '../text/number';
import { clock, moment } from '../text/time';
import classes from './ReceiptView.module.css';

/** Everything that is known of one delivery of one item. */
export function ReceiptView({ receipt, zone }: { receipt: Receipt; zone: string }) {
  const { row } = receipt;
  return (
    <div className={classes.receipt}>
      <div className={classes.head}>
        <KindIcon kind={row.kind} />
        <h2>{itemTitle(row)}</h2>
        <Status status={row.status} />
      </div>
      <p className={classes.meaning}>{STATUSES[row.status]?.meaning}</p>
      {row.message && <Reason row={row} />}
      {row.warnings && row.warnings.length > 0 && <Warnings warnings={row.warnings} />}
      <Facts row={row} zone={zone} />
      <Part title="Steps">
        <Steps steps={receipt.steps ?? []} zone={zone} />
      </Part>
      <Part title="What was sent">
        <PayloadView payload={receipt} maxHeight={520} />
      </Part>
    </div>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className={classes.part}>
      <h3>{title}</h3>
      {children}
    </section>
  );
}

function Reason({ row }: { row: LogRow }) {
  return (
    <div className={classes.reason}>
      <strong>{row.message}</strong>
      <span>
        {row.code && <code className="mono">{row.code}</code>}
        {row.field && (
          <>
            {' in '}
            <code className="mono">{row.field}</code>
          </>
        )}
      </span>
    </div>
  );
}

function Warnings({ warnings }: { warnings: Warning[] }) {
  return (
    <ul className={classes.warnings} aria-label="Warnings">
      {warnings.map((warning) => (
        <li key={`${warning.code} ${warning.field} ${warning.message}`}>
          {warning.message}
          {warning.field && <code className="mono"> {warning.field}</code>}
        </li>
      ))}
    </ul>
  );
}

function Facts({ row, zone }: { row: LogRow; zone: string }) {
  const facts: [string, ReactNode][] = [];
  if (row.user_id) {
    facts.push([
      'User',
      <Copied key="user" text={row.user_id} what="user id">
        <Anchor component={Link} href={`/log?user=${encodeURIComponent(row.user_id)}`} className="mono">
          {row.user_id}
        </Anchor>
      </Copied>,
    ]);
  }
  if (row.person)
    facts.push([
      'Person',
      <span key="person" className="numbers">
        {row.person}
      </span>,
    ]);
  if (row.item_id) facts.push(['Item id', <Copied key="item" text={row.item_id} what="item id" />]);
  facts.push([
    'Receipt',
    <Copied key="receipt" text={row.receipt} what="receipt">
      <Anchor component={Link} href={`/log?receipt=${encodeURIComponent(row.receipt)}`} className="mono">
        {row.receipt}
      </Anchor>
    </Copied>,
  ]);
  if (row.time) facts.push(['Happened', moment(row.time, zone)]);
  facts.push(['Received', moment(row.received_at, zone)]);
  if (row.source_name ?? row.source) facts.push(['Source', row.source_name ?? row.source]);
  if (row.size) facts.push(['Size', bytes(row.size)]);
  facts.push([
    'Position',
    <span key="position" className="mono">
      {row.position}
    </span>,
  ]);
  return (
    <dl className={classes.facts}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Copied({ text, what, children }: { text: string; what: string; children?: ReactNode }) {
  return (
    <span className={classes.copied}>
      <span className={classes.cut}>{children ?? <span className="mono">{text}</span>}</span>
      <CopyButton value={text} what={what} />
    </span>
  );
}

const STEP_NAMES: Record<string, string> = {
  received: 'Received',
  outcome: 'Processed',
  person: 'Person',
  event: 'Event',
  session: 'Session',
};

function Steps({ steps, zone }: { steps: Step[]; zone: string }) {
  return (
    <ol className={classes.steps}>
      {steps.map((step) => (
        <li key={`${step.name} ${step.at} ${step.detail}`}>
          <span className={classes.stepName}>{STEP_NAMES[step.name] ?? kindLabel(step.name)}</span>
          {step.at && <span className={`${classes.stepTime} numbers`}>{clock(step.at, zone)}</span>}
          {step.detail && <span className={classes.stepDetail}>{step.detail}</span>}
        </li>
      ))}
    </ol>
  );
}
