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
] as const;

/** A kind as people say it: "custom_event" → "Custom event". */
export function kindLabel(kind: string): string {
  const words = kind.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
