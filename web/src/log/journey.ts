import type { AttributionModel, Edge, EdgeStatus, Source, Touch, TouchRole, Visit } from '../api/types';
import type { Tone } from '../kit/Tag';

// How sessions, conversions and edges are told to people.

/** "google / cpc"; empty where nothing is known. */
export function sourceText({ source, medium }: Source): string {
  const known = medium === 'none' ? [source] : [source, medium];
  return known.filter(Boolean).join(' / ');
}

export const ORIGINS: Record<Visit['origin'], string> = {
  sent: 'Named by the sender',
  derived: 'A run of events, found by Weir',
  impression: 'An impression: seen, not clicked',
};

/** The models, in the order in which they are listed. */
export const MODELS: Record<AttributionModel, string> = {
  first: 'First touch',
  last: 'Last touch',
  last_non_direct: 'Last non-direct touch',
  linear: 'Linear',
  time_decay: 'Time decay',
  position: 'Position',
  j: 'J-shaped',
  inverse_j: 'Inverse J',
  participation: 'Participation',
};

export const ROLES: Record<TouchRole, { label: string; meaning: string }> = {
  alone: { label: 'Alone', meaning: 'The only touchpoint.' },
  initiator: { label: 'Initiator', meaning: 'The first touchpoint.' },
  assisting: { label: 'Assisting', meaning: 'Between the first touchpoint and the last.' },
  closer: { label: 'Closer', meaning: 'The last touchpoint.' },
};

/** The models by which the touches have credits. */
export function creditedModels(touches: Touch[]): AttributionModel[] {
  return (Object.keys(MODELS) as AttributionModel[]).filter((model) =>
    touches.some((touch) => touch.credits[model] !== undefined),
  );
}

export const EDGE_STATUSES: Record<EdgeStatus, { label: string; tone: Tone; meaning: string }> = {
  joined: { label: 'Joined', tone: 'good', meaning: 'Both ids are one person.' },
  ignored: {
    label: 'Ignored',
    tone: 'warn',
    meaning: 'Kept and not followed: an earlier one counts, or the person would have too many ids.',
  },
  retracted: { label: 'Retracted', tone: 'quiet', meaning: 'Taken back: as if it had never been said.' },
};

/** Why two ids are one person, or should be. */
export function ruleText({ rule, key }: Pick<Edge, 'rule' | 'key'>): string {
  if (key !== undefined) return `Both have the same ${key}`;
  switch (rule) {
    case 'user_alias':
      return 'An alias was sent';
    case 'item':
      return 'Sent together in one item';
    case 'merge':
      return 'Merged by hand';
    default:
      return rule;
  }
}

/** The kind and the id of an item that is named "kind:id". */
export function itemOf(name: string): { kind: string; item: string } {
  const colon = name.indexOf(':');
  return { kind: name.slice(0, colon), item: name.slice(colon + 1) };
}
