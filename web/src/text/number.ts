const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 2 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** 1234567 → "1,234,567". */
export function count(n: number): string {
  return whole.format(n);
}

/** 1234567 → "1.2M"; below ten thousand the number itself. */
export function compact(n: number): string {
  return Math.abs(n) < 10_000 ? whole.format(n) : short.format(n);
}

/** A number on an axis, where all should be written alike: 800, 2K, 15K. */
export function axisNumber(n: number): string {
  return short.format(n);
}

/** Bytes as people read them: 512 → "512 B", 65536 → "64 KB". */
export function bytes(n: number): string {
  if (n < 1024) return `${n} B`;
  if (n < 1024 * 1024) return `${whole.format(Math.round((n / 1024) * 10) / 10)} KB`;
  return `${whole.format(Math.round((n / 1024 / 1024) * 10) / 10)} MB`;
}

/** How long an answer took: 0.42 → "0.4 ms", 3.6 → "4 ms", 1830 → "1.8 s". */
export function elapsed(ms: number): string {
  if (ms < 1) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(1)} s`;
}

/** "1 item", "2 items". */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** A share of a whole, as percent: "41%", "<1%"; without a whole, a dash. */
export function share(part: number, total: number): string {
  if (total <= 0) return '–';
  const percent = (part / total) * 100;
  if (percent > 0 && percent < 1) return '<1%';
  return `${Math.round(percent)}%`;
}

/** Cents of a currency, a cent being the hundredth of any: 123450, EUR → "€1,234.50". */
export function money(cents: number, currency: string): string {
  try {
    return new Intl.NumberFormat('en', { style: 'currency', currency, minimumFractionDigits: 2 }).format(
      cents / 100,
    );
  } catch {
    // What was sent as a currency need not be one.
    return `${(cents / 100).toFixed(2)} ${currency}`.trim();
  }
}
