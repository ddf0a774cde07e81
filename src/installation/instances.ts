import type { Queryable } from '../postgres/database.ts';

/** A process of Vedette, as its heartbeats describe it. */
export interface Instance {
  instanceId: string;
  roles: string[];
  location: string;
  version: string;
  startedAt: Date;
  /** By the database's clock. */
  seenAt: Date;
  stats: Record<string, unknown>;
}

/** A process that was not seen for so long counts as gone. */
export const INSTANCE_TIMEOUT_MS = 10_000;
/** A public process that ended is remembered so long: it may only be restarting, and its jobs are still there. */
export const PUBLIC_MS = 600_000;

const COLUMNS = `instance_id AS "instanceId", roles, location, version, started_at AS "startedAt", seen_at AS "seenAt", stats`;

/** The processes that are alive, by name. */
export async function readLiveInstances(database: Queryable, withinMs = INSTANCE_TIMEOUT_MS): Promise<Instance[]> {
  const { rows } = await database.query<Instance>(
    `SELECT ${COLUMNS}
     FROM instances WHERE seen_at > now() - make_interval(secs => $1::double precision / 1000) ORDER BY instance_id`,
    [withinMs],
  );
  return rows;
}

/** All known processes: those that are alive, and those that were not seen for a while and did not end in order. */
export async function readInstances(
  database: Queryable,
): Promise<{ live: Instance[]; gone: Array<Instance & { silentMs: number }> }> {
  const { rows } = await database.query<Instance & { silentMs: number }>(
    `SELECT ${COLUMNS}, (extract(epoch FROM now() - seen_at) * 1000)::double precision AS "silentMs"
     FROM instances ORDER BY instance_id`,
  );
  const isLive = ({ silentMs }: { silentMs: number }) => silentMs < INSTANCE_TIMEOUT_MS;
  return { live: rows.filter(isLive), gone: rows.filter((row) => !isLive(row)) };
}

/** Removes processes that were not seen for so long. Returns how many. */
export async function deleteDeadInstances(database: Queryable, olderThanMs: number): Promise<number> {
  return deleteInstances(database, 'seen_at < now() - make_interval(secs => $1::double precision / 1000)', olderThanMs);
}

/** The results that a removed process has published stay in the total, and the time at which a public one was seen is kept. */
export async function deleteInstances(database: Queryable, condition: string, parameter: unknown): Promise<number> {
  const { rows } = await database.query<{ gone: number }>(
    `WITH gone AS (
       DELETE FROM instances WHERE ${condition}
       RETURNING coalesce((stats ->> 'produced')::bigint, 0) AS produced, CASE WHEN is_public THEN seen_at END AS public_at
     ), kept AS (
       UPDATE installation SET produced = produced + (SELECT sum(gone.produced) FROM gone),
         public_seen_at = greatest(public_seen_at, (SELECT max(gone.public_at) FROM gone))
       WHERE EXISTS (SELECT FROM gone)
     )
     SELECT count(*) AS gone FROM gone`,
    [parameter],
  );
  return rows[0]?.gone ?? 0;
}

/**
 * The number of results that processes have published since the tables exist, as of their last heartbeats, removed
 * processes included, `except` one.
 */
export async function readProduced(database: Queryable, except: string): Promise<number> {
  const { rows } = await database.query<{ produced: number }>(
    `SELECT produced + coalesce((
       SELECT sum((stats ->> 'produced')::bigint) FROM instances WHERE instance_id <> $1), 0)::bigint AS produced
     FROM installation`,
    [except],
  );
  return rows[0]?.produced ?? 0;
}
