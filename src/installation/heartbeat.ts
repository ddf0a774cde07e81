import { type Clock, inStep } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { Database, Queryable } from '../postgres/database.ts';
import { deleteInstances, INSTANCE_TIMEOUT_MS, PUBLIC_MS } from './instances.ts';
import { READ_FIELDS } from './older-processors.ts';

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
  /** Called at every beat: whether any process is public, or was within the last ten minutes, this one included. */
  onSeen?: (isAnyPublic: boolean) => void;
  /** Called at every beat with the other live processors that do not read all of READ_FIELDS, by name. */
  onOlderProcessors?: (instanceIds: string[]) => void;
  /** Default 2,000. */
  intervalMs?: number;
}

export interface Heartbeat {
  /** Writes one at once; rejects when the database is away. */
  beat(): Promise<void>;
  /** Removes this process from the table, as far as the database can be reached. */
  stop(): Promise<void>;
}

/** Writes this process's row of `instances` every two seconds. A database that is away is logged once per transition. */
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
    if (!stopped) cancel = clock.after(inStep(clock, intervalMs), tick);
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
        // Results since the last beat are part of the total.
        await beat();
        await deleteInstances(database, 'instance_id = $1', instanceId);
      } catch (error) {
        // It is not seen any more, which has the same effect a few seconds later.
        logger.debug({ err: error, instanceId }, 'heartbeat cannot be removed');
      }
    },
  };
}

async function writeInstance(database: Queryable, options: HeartbeatOptions): Promise<void> {
  const { instanceId, roles, location, version, isPublic, onSeen, onOlderProcessors, stats } = options;
  const { rows } = await database.query<{ isAnyPublic: boolean; older: string[] }>(
    `WITH unhurried AS MATERIALIZED (
       SELECT set_config('synchronous_commit', 'off', true)
     )
     INSERT INTO instances (instance_id, roles, location, version, started_at, seen_at, stats, is_public)
     SELECT $1, $2, $3, $4, now(), now(), $5, $6 FROM unhurried
     ON CONFLICT (instance_id) DO UPDATE SET roles = excluded.roles, location = excluded.location,
       version = excluded.version, seen_at = excluded.seen_at, stats = excluded.stats, is_public = excluded.is_public
     RETURNING is_public OR EXISTS (
       SELECT FROM instances
       WHERE is_public AND instance_id <> $1 AND seen_at > now() - make_interval(secs => $7::double precision / 1000)
     ) OR EXISTS (
       SELECT FROM installation WHERE public_seen_at > now() - make_interval(secs => $7::double precision / 1000)
     ) AS "isAnyPublic", ARRAY (
       SELECT instance_id FROM instances
       WHERE 'processor' = ANY (roles) AND instance_id <> $1 AND NOT coalesce(stats -> 'reads', '[]') @> $8
         AND seen_at > now() - make_interval(secs => $9::double precision / 1000)
       ORDER BY instance_id
     ) AS older`,
    [
      ...[instanceId, roles, location, version, JSON.stringify(stats()), isPublic, PUBLIC_MS],
      ...[JSON.stringify(READ_FIELDS), INSTANCE_TIMEOUT_MS],
    ],
    { prepared: true },
  );
  onSeen?.(rows[0]?.isAnyPublic ?? true);
  onOlderProcessors?.(rows[0]?.older ?? []);
}
