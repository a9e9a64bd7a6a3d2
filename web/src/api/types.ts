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

export type Status = 'stored' | 'duplicate' | 'superseded' | 'conflict' | 'rejected' | 'dead';

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

export interface Step {
  name: string;
  at?: string;
  detail?: string;
}

export interface Receipt extends Payload {
  row: LogRow;
  steps: Step[] | null;
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
