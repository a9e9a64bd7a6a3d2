import { Anchor } from '@mantine/core';
import type { ReactNode } from 'react';
import { Link } from 'wouter';
import type { LogRow, Receipt, Step, StepName, Warning } from '../api/types';
import { KindIcon } from '../kit/KindIcon';
import { itemTitle, kindLabel } from '../kit/kinds';
import { PayloadView } from '../kit/PayloadView';
import { STATUSES, Status } from '../kit/Status';
import { bytes } from '../text/number';
import { clock, moment } from '../text/time';
import { ConversionPart } from './ConversionPart';
import { EdgeList } from './EdgeList';
import { Copied, Fact, FactList } from './FactList';
import { writeLogAddress } from './filter';
import classes from './ReceiptView.module.css';
import { ReplayItem } from './ReplayItem';
import { replayable } from './replay';
import { SessionPart } from './SessionPart';

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
      {replayable(row) && (
        <div className={classes.replay}>
          <ReplayItem key={row.position} row={row} />
        </div>
      )}
      <div className={classes.facts}>
        <Facts row={row} zone={zone} />
      </div>
      <Part title="Steps">
        <Steps steps={receipt.steps ?? []} zone={zone} />
      </Part>
      {receipt.conversion && (
        <Part title="Conversion">
          <ConversionPart conversion={receipt.conversion} zone={zone} />
        </Part>
      )}
      {receipt.session && (
        <Part title="Session">
          <SessionPart visit={receipt.session} zone={zone} />
        </Part>
      )}
      {receipt.edges && receipt.edges.length > 0 && (
        <Part title="Who is who">
          <EdgeList edges={receipt.edges} zone={zone} />
        </Part>
      )}
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
  return (
    <FactList>
      <Fact name="User">{row.user_id && <Filtered by="user" value={row.user_id} what="user id" />}</Fact>
      <Fact name="Person">{row.person && <span className="numbers">{row.person}</span>}</Fact>
      <Fact name="Item id">{row.item_id && <Copied text={row.item_id} what="item id" />}</Fact>
      <Fact name="Receipt">
        {row.receipt && <Filtered by="receipt" value={row.receipt} what="receipt" />}
      </Fact>
      <Fact name="Happened">{row.time && moment(row.time, zone)}</Fact>
      <Fact name="Received">{moment(row.received_at, zone)}</Fact>
      <Fact name="Source">{row.source_name ?? row.source}</Fact>
      <Fact name="Size">{row.size ? bytes(row.size) : ''}</Fact>
      <Fact name="Position">
        <span className="mono">{row.position}</span>
      </Fact>
    </FactList>
  );
}

/** A value that leads to the items which have it too. */
function Filtered({ by, value, what }: { by: 'user' | 'receipt'; value: string; what: string }) {
  return (
    <Copied text={value} what={what}>
      <Anchor component={Link} href={`/log?${writeLogAddress({ [by]: value }, '')}`} className="mono">
        {value}
      </Anchor>
    </Copied>
  );
}

const STEP_NAMES: Record<StepName, string> = {
  received: 'Received',
  outcome: 'Processed',
  person: 'Person',
  event: 'Event',
  session: 'Session',
  conversion: 'Conversion',
  edge: 'Identity',
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
