import type { ReactNode } from 'react';
import { useId } from 'react';
import classes from './Panel.module.css';

interface PanelProps {
  title?: string;
  lead?: ReactNode;
  actions?: ReactNode;
  /** Lets the content touch the panel's edges, as tables do. */
  flush?: boolean;
  children: ReactNode;
}

/** A surface with a heading of its own. */
export function Panel({ title, lead, actions, flush, children }: PanelProps) {
  const heading = useId();
  return (
    <section className={classes.panel} {...(title ? { 'aria-labelledby': heading } : {})}>
      {title && (
        <header className={classes.header}>
          <div>
            <h2 id={heading}>{title}</h2>
            {lead && <p>{lead}</p>}
          </div>
          {actions && <div className={classes.actions}>{actions}</div>}
        </header>
      )}
      <div className={flush ? undefined : classes.content}>{children}</div>
    </section>
  );
}
