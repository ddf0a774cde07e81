import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { Database, Queryable } from '../postgres/database.ts';

/** A process of Vedette, as it says of itself. */
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

export interface HeartbeatOptions {
  database: Database;
  logger: Logger;
  clock: Clock;
  instanceId: string;
  roles: readonly string[];
  location: string;
  version: string;
  /** Numbers of this process, asked for at every beat. They must be JSON. */
  stats: () => Record<string, unknown>;
  /** Whether others than the person at the machine can reach this process. */
  isPublic: boolean;
  /** Told at every beat whether any process that is alive is public, this one included. */
  onSeen?: (isAnyPublic: boolean) => void;
  /** Default 2,000. */
  intervalMs?: number;
}

export interface Heartbeat {
  /** Writes one at once; rejects when the database is away. */
  beat(): Promise<void>;
  /** Removes this process from the table, as far as the database can be reached. */
  stop(): Promise<void>;
}

/** A process that was not seen for so long counts as gone. */
export const INSTANCE_TIMEOUT_MS = 10_000;

/** Says every two seconds that this process lives. A database that is away is logged once per transition. */
export function startHeartbeat(options: HeartbeatOptions): Heartbeat {
  const { database, logger, clock, instanceId, intervalMs = 2_000 } = options;
  let stopped = false;
  let failing = false;
  let cancel = () => {};
  let running: Promise<void> = Promise.resolve();

  const beat = () => writeInstance(database, options);
  const next = async () => {
    try {
      await beat();
      if (failing) logger.info({ instanceId }, 'heartbeats are written again');
      failing = false;
    } catch (error) {
      if (!failing) logger.warn({ err: error, instanceId }, 'heartbeat cannot be written');
      failing = true;
    }
    if (!stopped) cancel = clock.after(intervalMs, tick);
  };
  const tick = () => {
    running = next();
  };
  tick();

  return {
    beat,
    async stop() {
      stopped = true;
      cancel();
      await running;
      try {
        // What it did since the last beat is part of the totals.
        await beat();
        await deleteInstances(database, 'instance_id = $1', instanceId);
      } catch (error) {
        // It is not seen any more, which says the same a few seconds later.
        logger.debug({ err: error, instanceId }, 'heartbeat cannot be removed');
      }
    },
  };
}

async function writeInstance(database: Queryable, options: HeartbeatOptions): Promise<void> {
  const { instanceId, roles, location, version, isPublic, onSeen, stats } = options;
  const { rows } = await database.query<{ isAnyPublic: boolean }>(
    `INSERT INTO instances (instance_id, roles, location, version, started_at, seen_at, stats, is_public)
     VALUES ($1, $2, $3, $4, now(), now(), $5, $6)
     ON CONFLICT (instance_id) DO UPDATE SET roles = excluded.roles, location = excluded.location,
       version = excluded.version, seen_at = excluded.seen_at, stats = excluded.stats, is_public = excluded.is_public
     RETURNING is_public OR EXISTS (
       SELECT FROM instances
       WHERE is_public AND instance_id <> $1 AND seen_at > now() - make_interval(secs => $7::double precision / 1000)
     ) AS "isAnyPublic"`,
    [instanceId, roles, location, version, JSON.stringify(stats()), isPublic, INSTANCE_TIMEOUT_MS],
  );
  onSeen?.(rows[0]?.isAnyPublic ?? true);
}

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

/** Forgets processes that were not seen for so long. Answers how many. */
export async function deleteDeadInstances(database: Queryable, olderThanMs: number): Promise<number> {
  return deleteInstances(database, 'seen_at < now() - make_interval(secs => $1::double precision / 1000)', olderThanMs);
}

/** What a process that goes has done stays in the totals. */
async function deleteInstances(database: Queryable, condition: string, parameter: unknown): Promise<number> {
  const { rows } = await database.query<{ gone: number }>(
    `WITH gone AS (
       DELETE FROM instances WHERE ${condition} RETURNING coalesce((stats ->> 'produced')::bigint, 0) AS produced
     ), kept AS (
       UPDATE installation SET produced = produced + (SELECT sum(gone.produced) FROM gone)
       WHERE EXISTS (SELECT FROM gone)
     )
     SELECT count(*) AS gone FROM gone`,
    [parameter],
  );
  return rows[0]?.gone ?? 0;
}

/**
 * Results that processes have brought into the stream since the tables exist: as they last said of themselves, those that
 * are gone included, `except` one that speaks for itself.
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
