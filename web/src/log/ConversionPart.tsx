import { NativeSelect } from '@mantine/core';
import { useId, useState } from 'react';
import type { AttributionModel, Conversion, Touch } from '../api/types';
import { eventLabel } from '../kit/kinds';
import { useWorkspace } from '../shell/workspace';
import { money } from '../text/number';
import { logTime, moment } from '../text/time';
import classes from './ConversionPart.module.css';
import { creditedModels, MODELS, ROLES } from './journey';

/** What a conversion is worth, and the visits that led to it. */
export function ConversionPart({ conversion, zone }: { conversion: Conversion; zone: string }) {
  const workspace = useWorkspace();
  const { touches, unpriced, cancelled } = conversion;
  // Without a rate all amounts stand in the currency that was sent.
  const currency = unpriced ? conversion.currency : workspace.currency;
  return (
    <>
      <p className={classes.value} data-void={cancelled || undefined}>
        <strong className="numbers">{money(conversion.value_cents, currency)}</strong>
        <span>{eventLabel(conversion.goal)}</span>
      </p>
      {conversion.currency !== currency && (
        <p className={classes.note}>Sent as {money(conversion.amount_cents, conversion.currency)}.</p>
      )}
      {unpriced && (
        <p className={classes.note}>
          The workspace has no rate for {conversion.currency}: it counts, and its value is in no sum.
        </p>
      )}
      {cancelled && <p className={classes.note}>Cancelled: it is kept, and counts nowhere.</p>}
      {touches.length > 0 ? (
        <Touches touches={touches} currency={currency} zone={zone} />
      ) : (
        !cancelled && <p className={classes.note}>No visit led to it.</p>
      )}
    </>
  );
}

function Touches({ touches, currency, zone }: { touches: Touch[]; currency: string; zone: string }) {
  const models = creditedModels(touches);
  const [chosen, setChosen] = useState<AttributionModel>('linear');
  const model = models.includes(chosen) ? chosen : models[0];
  const modelId = useId();
  const now = new Date();
  return (
    <>
      <table className={classes.touches}>
        <caption className="visually-hidden">Touchpoints, in order of time</caption>
        <thead>
          <tr>
            <th scope="col">Channel</th>
            <th scope="col">Role</th>
            <th scope="col">When</th>
            <th scope="col">Credit</th>
          </tr>
        </thead>
        <tbody>
          {touches.map((touch) => (
            <tr key={touch.session}>
              <td className={classes.channel}>{touch.channel}</td>
              <td title={ROLES[touch.role]?.meaning}>{ROLES[touch.role]?.label ?? touch.role}</td>
              <td className="numbers">
                <time dateTime={touch.at} title={moment(touch.at, zone)}>
                  {logTime(touch.at, zone, now)}
                </time>
              </td>
              <td className="numbers">{model ? money(touch.credits[model] ?? 0, currency) : '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {model && (
        <div className={classes.model}>
          <label htmlFor={modelId}>Credit by</label>
          <NativeSelect
            id={modelId}
            size="xs"
            value={model}
            data={models.map((value) => ({ value, label: MODELS[value] }))}
            onChange={(event) => setChosen(event.currentTarget.value as AttributionModel)}
          />
        </div>
      )}
    </>
  );
}
