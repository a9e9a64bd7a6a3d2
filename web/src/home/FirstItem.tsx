import { Skeleton, Text } from '@mantine/core';
import { useKeys } from '../api/queries';
import { Install } from '../install/Install';
import { ProblemNote } from '../kit/ProblemNote';
import { usableWriteKey } from '../settings/keys';
import { useWorkspace } from '../shell/workspace';
import classes from './FirstItem.module.css';

/** For a workspace where nothing ever arrived: how to send the first item. */
export function FirstItem() {
  const workspace = useWorkspace();
  const keys = useKeys(workspace.id);
  const writeKey = usableWriteKey(keys.data ?? []);
  return (
    <section className={classes.first} aria-labelledby="first-item">
      <div className={classes.waiting}>
        <Ripples />
        <div>
          <h2 id="first-item">Waiting for the first item</h2>
          <Text c="dimmed">It appears here the moment it arrives. Pick a way to send one.</Text>
        </div>
      </div>
      <div className={classes.ways}>
        {keys.isPending && <Skeleton height={220} />}
        <ProblemNote error={keys.error} onRetry={() => void keys.refetch()} />
        {keys.data && <Install writeKey={writeKey ?? 'wk_…'} withDemo />}
      </div>
    </section>
  );
}

function Ripples() {
  return (
    <svg width="56" height="56" viewBox="0 0 56 56" className={classes.ripples} aria-hidden>
      <circle cx="28" cy="28" r="5" />
      <circle cx="28" cy="28" r="14" />
      <circle cx="28" cy="28" r="25" />
    </svg>
  );
}
