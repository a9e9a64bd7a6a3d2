import type { ReactNode } from 'react';
import classes from './Tag.module.css';

export type Tone = 'good' | 'quiet' | 'warn' | 'bad';

interface TagProps {
  tone: Tone;
  /** What the word means. */
  title?: string;
  children: ReactNode;
}

/** A state, in a word. */
export function Tag({ tone, title, children }: TagProps) {
  return (
    <span className={classes.tag} data-tone={tone} title={title}>
      {children}
    </span>
  );
}
