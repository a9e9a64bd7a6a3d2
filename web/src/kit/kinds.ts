/** The kinds of items that can be filtered by, in the order in which people meet them. */
export const KINDS = [
  'pageview',
  'custom_event',
  'user',
  'user_alias',
  'session',
  'device',
  'order',
  'cart',
  'postview',
  'group',
  'subscription_list_user',
  'message',
  'identity_merge',
  'identity_retract',
] as const;

/** A kind as people say it: "custom_event" → "Custom event". */
export function kindLabel(kind: string): string {
  const words = kind.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What an item is called in a list: its own name, or else its kind. */
export function itemTitle({ name, kind }: { name?: string; kind?: string }): string {
  return name !== undefined && name !== kind ? name : kindLabel(kind ?? 'unknown');
}

/** Kinds that count as events under their own name. */
const EVENT_KINDS = new Set(['pageview', 'screen', 'order', 'cart', 'postview', 'message']);

/** An event's name as it is shown: that of a kind like the kind. */
export function eventLabel(name: string): string {
  return EVENT_KINDS.has(name) ? kindLabel(name) : name;
}
