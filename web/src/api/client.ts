/** A refusal, as an RFC 9457 problem document tells it. */
export class Problem extends Error {
  readonly status: number;
  /** Stable, in snake case: what code may depend on. */
  readonly code: string;
  /** The path of the one field that is to blame, as in "series[0].filters[1].value". */
  readonly field: string | undefined;
  /** Seconds after which another try makes sense. */
  readonly retryAfter: number | undefined;

  constructor(status: number, code: string, message: string, field?: string, retryAfter?: number) {
    super(message);
    this.name = 'Problem';
    this.status = status;
    this.code = code;
    this.field = field;
    this.retryAfter = retryAfter;
  }
}

/** Code of the problem that stands for "no answer came at all". */
export const UNREACHABLE = 'unreachable';

interface ProblemDocument {
  title?: string;
  detail?: string;
  code?: string;
  field?: string;
  errors?: { message?: string; location?: string }[];
}

async function problemOf(response: Response): Promise<Problem> {
  let document: ProblemDocument = {};
  try {
    document = (await response.json()) as ProblemDocument;
  } catch {
    // A proxy in between may answer in HTML: the status is all there is to tell.
  }
  const first = document.errors?.[0];
  const retryAfter = Number(response.headers.get('Retry-After')) || undefined;
  return new Problem(
    response.status,
    document.code ?? `status_${response.status}`,
    document.detail ??
      first?.message ??
      document.title ??
      `The server answered with status ${response.status}.`,
    document.field ?? first?.location,
    retryAfter,
  );
}

/** Calls the API and reads its JSON. Throws a Problem for every kind of failure but an abort. */
export async function call<T>(
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<T> {
  const init: RequestInit = { method, headers: { Accept: 'application/json' }, signal: signal ?? null };
  if (body !== undefined) {
    init.headers = { ...init.headers, 'Content-Type': 'application/json' };
    init.body = JSON.stringify(body);
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, UNREACHABLE, 'The server cannot be reached. Check that it is running.');
  }
  if (!response.ok) throw await problemOf(response);
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

/** A path with its query, leaving out what is empty. */
export function withQuery(path: string, parameters: Record<string, string | number | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== '') query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** The path of something in a workspace. */
export function inWorkspace(workspace: string, path: string): string {
  return `/api/v1/workspaces/${encodeURIComponent(workspace)}${path}`;
}
