import { ScrollArea } from '@mantine/core';
import { useMemo } from 'react';
import { CopyButton } from './CopyButton';
import classes from './Json.module.css';
import { pretty, tokens } from './json';

interface JsonProps {
  value: unknown;
  /** What it is, for the copy button: "payload". */
  what: string;
  /** Height in px after which it scrolls. */
  maxHeight?: number;
}

/** JSON, laid out and coloured. */
export function Json({ value, what, maxHeight = 420 }: JsonProps) {
  const text = useMemo(() => pretty(value), [value]);
  const parts = useMemo(() => keyed(text), [text]);
  return (
    <div className={classes.json}>
      <ScrollArea.Autosize
        mah={maxHeight}
        type="auto"
        scrollbarSize={6}
        viewportProps={{ tabIndex: 0, role: 'region', 'aria-label': what }}
      >
        <pre>
          {parts.map(({ at, kind, text: part }) => (
            <span key={at} className={classes[kind]}>
              {part}
            </span>
          ))}
        </pre>
      </ScrollArea.Autosize>
      <div className={classes.copy}>
        <CopyButton value={text} what={what} />
      </div>
    </div>
  );
}

/** The tokens with their places in the text, which name them for React. */
function keyed(text: string) {
  let at = 0;
  return tokens(text).map((token) => {
    const placed = { ...token, at };
    at += token.text.length;
    return placed;
  });
}
