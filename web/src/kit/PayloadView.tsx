import type { Payload } from '../api/types';
import { CopyButton } from './CopyButton';
import { Json } from './Json';
import classes from './PayloadView.module.css';

/** What was sent: laid out where it is JSON, else as it came. */
export function PayloadView({ payload, maxHeight }: { payload: Payload; maxHeight: number }) {
  if (payload.raw === undefined) {
    return <Json value={payload.item ?? null} what="payload" maxHeight={maxHeight} />;
  }
  return (
    <div>
      <p className={classes.note}>This is not valid JSON, shown as it came.</p>
      <div className={classes.raw}>
        <pre>{payload.raw}</pre>
        <CopyButton value={payload.raw} what="raw text" />
      </div>
    </div>
  );
}
