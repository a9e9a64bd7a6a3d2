import { Button, Select, TextInput } from '@mantine/core';
import { useHotkeys } from '@mantine/hooks';
import { IconFilterOff, IconPlayerPause, IconPlayerPlay, IconSearch } from '@tabler/icons-react';
import { useCallback, useDeferredValue, useRef, useState } from 'react';
import { Empty } from '../kit/Empty';
import { KINDS, kindLabel } from '../kit/kinds';
import { useWorkspace } from '../shell/workspace';
import { count, plural } from '../text/number';
import classes from './Feed.module.css';
import { FeedRow } from './FeedRow';
import { matching } from './feed-filter';
import type { FeedView, LiveFeed } from './LiveFeed';

const KIND_OPTIONS = KINDS.map((kind) => ({ value: kind, label: kindLabel(kind) }));

/** The rows as they arrive, with what narrows them down. */
export function Feed({ feed, view }: { feed: LiveFeed; view: FeedView }) {
  const { timezone } = useWorkspace();
  const [text, setText] = useState('');
  const [kind, setKind] = useState('');
  const [opened, setOpened] = useState<string | null>(null);
  const search = useRef<HTMLInputElement>(null);
  const filter = { text: useDeferredValue(text), kind };
  const shown = matching(view.entries, filter);
  useHotkeys([['/', () => search.current?.focus()]]);

  // What somebody reads must hold still: opening a row pauses the view.
  const toggle = useCallback(
    (position: string) => {
      feed.pause();
      setOpened((open) => (open === position ? null : position));
    },
    [feed],
  );
  const resume = () => {
    setOpened(null);
    feed.resume();
  };

  return (
    <section className={classes.feed} aria-label="Items as they arrive">
      <div className={classes.toolbar}>
        <TextInput
          ref={search}
          className={classes.search}
          aria-label="Filter by text"
          placeholder="Filter by name, user or any value"
          leftSection={<IconSearch size={16} aria-hidden />}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Select
          className={classes.kind}
          aria-label="Filter by kind"
          placeholder="All kinds"
          data={KIND_OPTIONS}
          value={kind || null}
          onChange={(value) => setKind(value ?? '')}
          clearable
        />
        <Button
          variant="default"
          leftSection={
            view.paused ? <IconPlayerPlay size={16} aria-hidden /> : <IconPlayerPause size={16} aria-hidden />
          }
          onClick={() => (view.paused ? resume() : feed.pause())}
        >
          {view.paused ? 'Resume' : 'Pause'}
        </Button>
      </div>
      {view.paused && (
        <button type="button" className={classes.paused} onClick={resume}>
          {view.waiting > 0 ? `Paused. Show ${plural(view.waiting, 'new item')}` : 'Paused. Nothing new yet'}
        </button>
      )}
      {view.skipped > 0 && (
        <p className={classes.skipped}>
          {plural(view.skipped, 'item')} came too fast to be shown here. The log has every one.
        </p>
      )}
      {shown.length === 0 ? (
        <Empty
          icon={<IconFilterOff size={22} />}
          title="Nothing here matches"
          actions={
            <Button
              variant="default"
              size="xs"
              onClick={() => {
                setText('');
                setKind('');
              }}
            >
              Clear the filter
            </Button>
          }
        >
          The filter looks through the last {count(view.entries.length)} items. The log has all of them.
        </Empty>
      ) : (
        <ul className={classes.list}>
          {shown.map((entry) => (
            <FeedRow
              key={entry.row.position}
              entry={entry}
              zone={timezone}
              open={opened === entry.row.position}
              onToggle={toggle}
            />
          ))}
        </ul>
      )}
    </section>
  );
}
