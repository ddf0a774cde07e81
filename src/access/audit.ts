import { userInfo } from 'node:os';
import type { Database, Queryable } from '../postgres/database.ts';

/** On whose behalf something is changed. */
export interface Actor {
  /** `key:NAME`, `user:EMAIL`, `settings key`, `local`, `os:NAME`, `file:PATH`. */
  readonly name: string;
  /** Address that the request came from; null: there is no request. */
  readonly address: string | null;
}

/** The person who runs a command: whoever has the credentials of the database may do everything. */
export function systemActor(): Actor {
  return { name: `os:${systemUser()}`, address: null };
}

function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown'); // A user id without an entry, as in containers.
  }
}

export interface AuditEntry {
  /** `job.update`, `key.add`, ... */
  action: string;
  /** `job:17`, `key:grafana`, ... */
  subject: string;
  /** State before and after, secrets masked; null where there is none. */
  before: unknown;
  after: unknown;
}

export interface StoredAuditEntry extends AuditEntry {
  id: number;
  at: Date;
  actor: string;
  address: string | null;
}

/** Notes changes in the transaction that makes them: neither is there without the other. */
export async function writeAudit(tx: Queryable, actor: Actor, entries: readonly AuditEntry[]): Promise<void> {
  if (entries.length === 0) return;
  // The partition of a new month is made by whoever comes first.
  await tx.query("SELECT ensure_audit_partition(now(), now() + interval '1 month')");
  const json = (value: unknown) => (value === null || value === undefined ? null : JSON.stringify(value));
  await tx.query(
    `INSERT INTO audit (actor, address, action, subject, before, after)
     SELECT $1, $2, action, subject, before::jsonb, after::jsonb
     FROM unnest($3::text[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY AS given (action, subject, before, after, place)
     ORDER BY place`,
    [
      actor.name,
      actor.address,
      entries.map(({ action }) => action),
      entries.map(({ subject }) => subject),
      entries.map(({ before }) => json(before)),
      entries.map(({ after }) => json(after)),
    ],
  );
}

/** Notes what has no transaction of its own. */
export function note(database: Database, actor: Actor, entry: AuditEntry): Promise<void> {
  return database.transaction((tx) => writeAudit(tx, actor, [entry]));
}

export interface AuditQuery {
  limit: number;
  /** Only entries with smaller ids. */
  beforeId?: number | undefined;
  actor?: string | undefined;
  subject?: string | undefined;
  /** An action, or the part before its dot. */
  action?: string | undefined;
  /** ms since the epoch: from then on, and before. */
  fromMs: number;
  toMs: number;
}

/** Newest first. */
export async function readAudit(database: Queryable, query: AuditQuery): Promise<StoredAuditEntry[]> {
  const { rows } = await database.query<StoredAuditEntry>(
    `SELECT id, at, actor, address, action, subject, before, after FROM audit
     WHERE ($1::bigint IS NULL OR id < $1) AND ($2::text IS NULL OR actor = $2) AND ($3::text IS NULL OR subject = $3)
       AND ($4::text IS NULL OR action = $4 OR starts_with(action, $4 || '.'))
       AND at >= $5 AND at < $6
     ORDER BY id DESC LIMIT $7`,
    [
      ...[query.beforeId ?? null, query.actor ?? null, query.subject ?? null, query.action ?? null],
      ...[new Date(query.fromMs), new Date(query.toMs), query.limit],
    ],
  );
  return rows;
}
