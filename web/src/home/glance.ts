/** One thing that a row says about an item at a glance. */
export interface Detail {
  name: string;
  value: string;
}

/** Fields that name an item or time it: they stand elsewhere in the row, or say nothing to a person. */
const PLUMBING = new Set([
  'external_id',
  'created_at',
  'updated_at',
  'label',
  'last_interaction_at',
  'device_external_id',
  'is_authenticated',
  'from_user_external_id',
  'to_user_external_id',
  'to_user_is_authenticated',
  'to_user_created_at',
]);

const MOST = 4;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value in a few characters; undefined where there is nothing to say. */
function brief(value: unknown): string | undefined {
  if (value === null || value === undefined || value === '') return undefined;
  if (Array.isArray(value)) return value.length === 1 ? '1 entry' : `${value.length} entries`;
  if (typeof value === 'object') return undefined;
  const text = String(value).replace(/^https?:\/\//, '');
  return text.length > 48 ? `${text.slice(0, 47)}…` : text;
}

/**
 * The few fields of an item that tell it from others of its kind. Reads the
 * native form ({kind, [kind]: {…}, user, session, device}); anything else gives nothing.
 */
export function glance(kind: string | undefined, item: unknown): Detail[] {
  if (!kind || !isRecord(item)) return [];
  const payload = item[kind];
  if (!isRecord(payload)) return [];
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(payload)) {
    // What the sender said in its own words stands before what every item has.
    if ((name === 'properties' || name === 'traits') && isRecord(value)) continue;
    if (!PLUMBING.has(name)) fields[name] = value;
  }
  const own = { ...asRecord(payload.properties), ...asRecord(payload.traits) };
  const details: Detail[] = [];
  for (const [name, value] of Object.entries({ ...own, ...fields })) {
    const text = brief(value);
    if (text !== undefined) details.push({ name, value: text });
    if (details.length === MOST) break;
  }
  return details;
}

function asRecord(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}
