/** The shapes of the HTTP API, as the server's OpenAPI document describes them. Times are RFC 3339 text. */

export type Role = 'owner' | 'admin' | 'analyst' | 'viewer';

export interface WorkspaceSummary {
  id: string;
  name: string;
  timezone: string;
  currency: string;
  role: Role;
}

export interface Me {
  email: string;
  workspaces: WorkspaceSummary[];
}

export interface NewWorkspace {
  id: string;
  name: string;
  timezone: string;
  currency: string;
}

export interface CreatedWorkspace {
  workspace: Omit<WorkspaceSummary, 'role'>;
  write_key: Key;
  secret_key: Key;
}

export type KeyKind = 'write' | 'secret';

export interface Key {
  id: string;
  kind: KeyKind;
  name: string;
  /** The whole text: of write keys always, of secret keys only in the answer that creates them. */
  key?: string;
  hint: string;
  origins?: string[];
  created_at: string;
  /** Absent or empty: the key is in use. */
  revoked_at?: string;
}

export interface NewKey {
  kind: KeyKind;
  name: string;
  origins?: string[];
}

export type Status = 'stored' | 'duplicate' | 'superseded' | 'conflict' | 'rejected' | 'dead' | 'waiting';

export interface Warning {
  code: string;
  field?: string;
  message: string;
}

/** One delivery of one item, and what became of it. */
export interface LogRow {
  /** "partition.sequence": names this delivery for ever. */
  position: string;
  receipt: string;
  index?: number;
  kind?: string;
  item_id?: string;
  name?: string;
  user_id?: string;
  person?: number;
  source?: string;
  source_name?: string;
  received_at: string;
  time?: string;
  status: Status;
  code?: string;
  field?: string;
  message?: string;
  warnings?: Warning[];
  size?: number;
}

/** What was sent: an item, or text that is no valid JSON. */
export interface Payload {
  item?: unknown;
  raw?: string;
}

/** A row of the live view. One that was read from the log comes without its payload. */
export type LiveRow = LogRow & Payload;

export interface LogPage {
  items: LogRow[] | null;
  next?: string;
}

export type StepName = 'received' | 'outcome' | 'person' | 'event' | 'session' | 'conversion' | 'edge';

export interface Step {
  name: StepName;
  at?: string;
  detail?: string;
}

export interface Receipt extends Payload {
  row: LogRow;
  /** The visit that the event is in now. */
  session?: Visit;
  /** The conversion that the item is now. */
  conversion?: Conversion;
  /** What the item says of who is who. */
  edges?: Edge[];
  steps: Step[] | null;
}

/** Where a visit or an impression came from. */
export interface Source {
  source?: string;
  medium?: string;
  campaign?: string;
  content?: string;
  term?: string;
  /** The name of the parameter by which an advertising network marked the click. */
  click_id?: string;
  referrer?: string;
  landing_page?: string;
  impression?: boolean;
}

/** One session of a person, or an impression. */
export interface Visit {
  id: string;
  number: number;
  origin: 'sent' | 'derived' | 'impression';
  user: string;
  device?: string;
  started_at?: string;
  ended_at?: string;
  /** Seconds. */
  duration: number;
  pageviews: number;
  interactions: number;
  bounced: boolean;
  channel: string;
  source: Source;
}

/** An order or a goal, with what led to it. A cent is the hundredth of a unit of any currency. */
export interface Conversion {
  /** The kind and the id of the item: "order:o-1". */
  id: string;
  goal: string;
  user: string;
  at: string;
  /** In the workspace's currency; as sent if it is unpriced. */
  value_cents: number;
  /** In the currency it was sent in. */
  amount_cents: number;
  currency: string;
  unpriced?: boolean;
  cancelled?: boolean;
  /** In order of time. */
  touches: Touch[];
}

export type TouchRole = 'alone' | 'initiator' | 'assisting' | 'closer';

export type AttributionModel =
  | 'first'
  | 'last'
  | 'last_non_direct'
  | 'linear'
  | 'time_decay'
  | 'position'
  | 'j'
  | 'inverse_j'
  | 'participation';

/** A visit's part in a conversion. */
export interface Touch {
  /** The visit's number, and its id where the server can tell. */
  session: number;
  id?: string;
  at: string;
  channel: string;
  role: TouchRole;
  /** Cents, by model. */
  credits: Partial<Record<AttributionModel, number>>;
}

export type EdgeStatus = 'joined' | 'ignored' | 'retracted';

/** Says that two ids are the same person, and why. */
export interface Edge {
  /** By which it is retracted. */
  id: string;
  from: string;
  /** The other id; of a reconciliation key, the value that both have. */
  to: string;
  key?: string;
  at?: string;
  /** The kind and the id of the item that says so: "user_alias:a-1". */
  item?: string;
  /** "user_alias", "item", "merge", or "key:" and the name of a reconciliation key. */
  rule: string;
  status: EdgeStatus;
}

/** A person. */
export interface User {
  id: string;
  number: number;
  created_at?: string;
  first_seen?: string;
  last_seen?: string;
  traits: Record<string, unknown>;
}

/** One of the ids that a person was sent under. */
export interface UserIdentity {
  id: string;
  authenticated: boolean;
  first_seen?: string;
  last_seen?: string;
  /** What was said of it and others, in the order in which it counts. */
  edges: Edge[];
}

/** One person in full. */
export interface UserDetail extends User {
  identities: UserIdentity[];
}

/** What one call of a replay did. */
export interface ReplayedPage {
  /** By which the log shows the new deliveries. */
  receipt: string;
  replayed: number;
  skipped: number;
  more: boolean;
  /** The cursor to go on with. */
  next?: string;
}

export interface EventName {
  name: string;
  count: number;
  first_seen?: string;
  last_seen?: string;
}

export type Scope = 'event' | 'user' | 'session';

export interface Property {
  name: string;
  on: Scope;
  types?: string[];
}

export interface Usage {
  items_today: number;
  queue_lag: number;
  events: number;
}

export type Measure = 'total' | 'users' | 'sessions';
export type Interval = 'minute' | 'hour' | 'day' | 'week' | 'month' | 'quarter' | 'year';

export type Operator =
  | 'eq'
  | 'neq'
  | 'in'
  | 'not_in'
  | 'contains'
  | 'not_contains'
  | 'regex'
  | 'not_regex'
  | 'gt'
  | 'gte'
  | 'lt'
  | 'lte'
  | 'between'
  | 'before'
  | 'after'
  | 'is_set'
  | 'is_not_set';

export interface QuestionFilter {
  property: string;
  on: Scope;
  op: Operator;
  value?: string | number | (string | number)[];
}

/** Conditions that all must hold; one of them may be a group of which any suffices. */
export type QuestionFilters = (QuestionFilter | { any: QuestionFilter[] })[];

export interface TrendsQuestion {
  kind: 'trends';
  from: string;
  to: string;
  timezone: string;
  interval: Interval;
  filters?: QuestionFilters;
  series: { name: string; event: string; measure: Measure; filters?: QuestionFilter[] }[];
  breakdowns?: { property: string; on: Scope; limit: number }[];
}

export interface TrendsSeries {
  name: string;
  breakdown?: (string | null)[];
  period: string;
  values: (number | null)[];
  total: number;
}

export interface TrendsAnswer {
  /** Dates for days and longer, else RFC 3339 instants with the zone's offset. */
  buckets: string[];
  series: TrendsSeries[] | null;
  truncated?: boolean;
  as_of: { time: string; positions?: Record<string, number> };
  elapsed_ms: number;
}
