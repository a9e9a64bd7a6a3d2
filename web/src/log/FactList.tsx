import type { ReactNode } from 'react';
import { CopyButton } from '../kit/CopyButton';
import classes from './FactList.module.css';

/** What is known of one thing, name by name. */
export function FactList({ children }: { children: ReactNode }) {
  return <dl className={classes.facts}>{children}</dl>;
}

/** A name and its value; nothing without a value. */
export function Fact({ name, children }: { name: string; children: ReactNode }) {
  if (children === undefined || children === null || children === false || children === '') return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** A value that people take elsewhere. Cut to one line, with a button that copies all of it. */
export function Copied({ text, what, children }: { text: string; what: string; children?: ReactNode }) {
  return (
    <span className={classes.copied}>
      <span className={classes.cut} title={text}>
        {children ?? <span className="mono">{text}</span>}
      </span>
      <CopyButton value={text} what={what} />
    </span>
  );
}
