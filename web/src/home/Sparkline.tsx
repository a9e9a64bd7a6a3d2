import classes from './Sparkline.module.css';

interface SparklineProps {
  values: readonly number[];
  /** How many values the whole width stands for; fewer begin at the right. */
  width: number;
  /** What the line shows, for those who do not see it. */
  label: string;
}

const WIDTH = 240;
const HEIGHT = 44;

/** A small line without axes; its height is the highest value, and at least one. */
export function Sparkline({ values, width, label }: SparklineProps) {
  const top = Math.max(1, ...values);
  const step = WIDTH / Math.max(1, width - 1);
  const left = WIDTH - (values.length - 1) * step;
  const points = values.map(
    (value, i) => `${(left + i * step).toFixed(1)},${(HEIGHT - 2 - (value / top) * (HEIGHT - 6)).toFixed(1)}`,
  );
  return (
    <svg
      className={classes.sparkline}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      <line x1="0" x2={WIDTH} y1={HEIGHT - 2} y2={HEIGHT - 2} className={classes.ground} />
      {values.length > 1 && (
        <>
          <polygon
            points={`${left.toFixed(1)},${HEIGHT} ${points.join(' ')} ${WIDTH},${HEIGHT}`}
            className={classes.area}
          />
          <polyline points={points.join(' ')} className={classes.line} vectorEffect="non-scaling-stroke" />
        </>
      )}
    </svg>
  );
}
