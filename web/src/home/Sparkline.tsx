import classes from './Sparkline.module.css';

interface SparklineProps {
  values: readonly number[];
  /** What the line shows, for those who do not see it. */
  label: string;
}

const WIDTH = 240;
const HEIGHT = 44;

/** A small line without axes; its height is the highest value, and at least one. */
export function Sparkline({ values, label }: SparklineProps) {
  const top = Math.max(1, ...values);
  const step = WIDTH / Math.max(1, values.length - 1);
  const points = values.map(
    (value, i) => `${(i * step).toFixed(1)},${(HEIGHT - 2 - (value / top) * (HEIGHT - 6)).toFixed(1)}`,
  );
  return (
    <svg
      className={classes.sparkline}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      <polygon points={`0,${HEIGHT} ${points.join(' ')} ${WIDTH},${HEIGHT}`} className={classes.area} />
      <polyline points={points.join(' ')} className={classes.line} vectorEffect="non-scaling-stroke" />
    </svg>
  );
}
