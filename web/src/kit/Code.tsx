import { ScrollArea } from '@mantine/core';
import classes from './Code.module.css';
import { CopyButton } from './CopyButton';

interface CodeProps {
  text: string;
  /** What it is, for the copy button and for screen readers: "snippet". */
  what: string;
}

/** Text to be pasted somewhere else, with a button that copies it. */
export function Code({ text, what }: CodeProps) {
  return (
    <div className={classes.code}>
      <ScrollArea
        type="auto"
        scrollbarSize={6}
        viewportProps={{ tabIndex: 0, role: 'region', 'aria-label': what }}
      >
        <pre>
          <code>{text}</code>
        </pre>
      </ScrollArea>
      <div className={classes.copy}>
        <CopyButton value={text} what={what} />
      </div>
    </div>
  );
}
