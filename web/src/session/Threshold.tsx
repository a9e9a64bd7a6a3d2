import type { ReactNode } from 'react';
import { useEffect } from 'react';
import { Brand } from '../shell/Brand';
import classes from './Threshold.module.css';

interface ThresholdProps {
  title: string;
  lead: ReactNode;
  children: ReactNode;
}

/** The pages before the app: signing in, the first account, the first workspace. */
export function Threshold({ title, lead, children }: ThresholdProps) {
  useEffect(() => {
    document.title = `${title} · Weir`;
  }, [title]);
  return (
    <main className={classes.threshold}>
      <Water />
      <div className={classes.card}>
        <Brand size={34} />
        <h1>{title}</h1>
        <p className={classes.lead}>{lead}</p>
        {children}
      </div>
    </main>
  );
}

/** The brand's lines, flowing over the edge, large and quiet. */
function Water() {
  const lines = [0, 1, 2, 3, 4, 5, 6];
  return (
    <svg className={classes.water} viewBox="0 0 1440 900" preserveAspectRatio="xMidYMid slice" aria-hidden>
      {lines.map((line) => {
        const top = 150 + line * 46;
        const bottom = 560 + line * 46;
        const edge = 620 - line * 34;
        return (
          <path
            key={line}
            d={`M-20 ${top}H${edge}C${edge + 190} ${top} ${edge + 170} ${bottom} ${edge + 380} ${bottom}H1460`}
            opacity={1 - line * 0.12}
          />
        );
      })}
    </svg>
  );
}
