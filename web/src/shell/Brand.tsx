import classes from './Brand.module.css';

/** Water going over a weir: the mark, and beside it the name. */
export function Brand({ size = 26, nameless = false }: { size?: number; nameless?: boolean }) {
  return (
    <span className={classes.brand}>
      <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden>
        <rect width="32" height="32" rx="8.5" className={classes.ground} />
        <g fill="none" stroke="#fff" strokeWidth="2.6" strokeLinecap="round">
          <path d="M6 9.5h7c5 0 5.5 13 10.5 13H26" />
          <path d="M6 15.5h4.5c3.5 0 4 7 7.5 7" opacity=".6" />
          <path d="M6 21.5h4" opacity=".35" />
        </g>
      </svg>
      <span className={nameless ? 'visually-hidden' : classes.name}>Weir</span>
    </span>
  );
}
