import type { Key } from '../api/types';

/** The write key to show in examples: the first one that still works. */
export function usableWriteKey(keys: readonly Key[]): string | undefined {
  return keys.find((key) => key.kind === 'write' && key.key && !key.revoked_at)?.key;
}

/** Keys as they are listed: those in use first, each group oldest first. */
export function listed(keys: readonly Key[]): Key[] {
  return [...keys].sort(
    (a, b) =>
      Number(Boolean(a.revoked_at)) - Number(Boolean(b.revoked_at)) ||
      a.created_at.localeCompare(b.created_at),
  );
}

/** The origins in a text, one a line or separated by commas. */
export function originsIn(text: string): string[] {
  return text
    .split(/[\s,]+/)
    .map((origin) => origin.replace(/\/+$/, ''))
    .filter(Boolean);
}

/** What is wrong with an origin; undefined: nothing. */
export function originFault(origin: string): string | undefined {
  try {
    const url = new URL(origin);
    if (url.origin === origin && url.protocol.startsWith('http')) return undefined;
  } catch {
    // Falls through to the same advice.
  }
  return `“${origin}” is not an origin. Write it like https://shop.example`;
}
