import { firstOf } from '../../core/first-of.ts';
import { SHARDS, shardOf } from '../../jobs/shard.ts';
import type { Database } from '../../postgres/database.ts';

/** A shard that its owner may check: epoch and owner together are the fencing token. */
interface Lease {
  shard: number;
  epoch: number;
}

export interface AcquiredLease extends Lease {
  /** Every slot up to this instant is in the stream; null when the shard was never owned. */
  progress: number | null;
  /** The last owner released it in order: nothing after `progress` was begun. */
  clean: boolean;
  /** At least so long ago, by the database's clock, the progress was stored. */
  silentMs: number;
}

/** How the shards of a location are shared out right now. */
export interface Sharing {
  /** Schedulers of the location that are alive, sorted; includes the caller. */
  members: string[];
  /** Shards that nobody holds (any more). */
  free: number;
  /** Time in ms until the next lease of another owner expires unless it is renewed; null when no other has one. */
  nextExpiryMs: number | null;
  /** The database's clock, ms since the epoch. */
  nowMs: number;
}

interface Entry extends Sharing {
  /** Whether the caller was no member before. */
  joined: boolean;
  /** Shards that have rows. */
  shards: number;
}

interface Renewal {
  /** The shards that are still held; the others are lost. */
  held: Set<number>;
  /** The database's clock, ms since the epoch; null when nothing is held. */
  nowMs: number | null;
}

/**
 * Leases of shards in PostgreSQL, compared with the database's clock. Every change is a compare-and-set of owner and
 * epoch in one statement; rows are locked in order of shards, so that statements never deadlock. Errors of the database
 * are thrown as they come; the caller retries.
 */
export interface LeaseStore {
  /** Registers as a member for another `lifeMs`, and returns the present state of the sharing. */
  join(lifeMs: number): Promise<Sharing>;
  /** Takes up to `limit` free shards, each at its epoch + 1. */
  acquire(limit: number, lifeMs: number): Promise<AcquiredLease[]>;
  /** Renews for `lifeMs` from now and stores progress, which never goes back. */
  renew(leases: ReadonlyArray<Lease & { progress: number | null }>, lifeMs: number): Promise<Renewal>;
  /** Gives shards up. `clean`: nothing after their progress was begun. Other schedulers are notified. */
  release(leases: ReadonlyArray<Lease & { progress: number | null; clean: boolean }>): Promise<void>;
  /** Ends the membership. Other schedulers are notified. */
  leave(): Promise<void>;
  /** Calls back when another scheduler of the location joined, left or released shards; the returned function stops it. */
  watch(onChange: () => void): Promise<() => Promise<void>>;
}

export interface LeaseStoreOptions {
  database: Database;
  location: string;
  /** Unique per start of a process, so that a lease of an earlier life is never mistaken for an own one. */
  owner: string;
}

export function createLeaseStore({ database, location, owner }: LeaseStoreOptions): LeaseStore {
  const tell = () => database.notify(CHANNEL, `${location} ${owner}`);
  const enter = async (lifeMs: number) => {
    const { rows } = await database.query<Entry>(JOIN, [location, owner, lifeMs], { prepared: true });
    const entry = firstOf(rows);
    if (entry.joined) await tell();
    return entry;
  };
  return {
    async join(lifeMs) {
      let entry = await enter(lifeMs);
      if (entry.shards < SHARDS) {
        // The first scheduler of a location, or the first after a reset of the tables.
        await database.query(SEED, [location, SHARDS]);
        entry = await enter(lifeMs);
      }
      const { members, free, nextExpiryMs, nowMs } = entry;
      return { members: members.sort(), free, nextExpiryMs, nowMs };
    },

    async acquire(limit, lifeMs) {
      const { rows } = await database.query<AcquiredLease>(ACQUIRE, [location, owner, limit, lifeMs]);
      return rows.sort((a, b) => a.shard - b.shard);
    },

    async renew(leases, lifeMs) {
      const parameters = [location, owner, ...columns(leases), lifeMs];
      const { rows } = await database.query<{ shard: number; nowMs: number }>(RENEW, parameters, { prepared: true });
      return { held: new Set(rows.map(({ shard }) => shard)), nowMs: rows[0]?.nowMs ?? null };
    },

    async release(leases) {
      const clean = leases.map((lease) => lease.clean);
      await database.query(RELEASE, [location, owner, ...columns(leases), clean]);
      await tell();
    },

    async leave() {
      await database.query('DELETE FROM scheduler_members WHERE location = $1 AND owner = $2', [location, owner]);
      await tell();
    },

    watch: (onChange) =>
      database.listen(CHANNEL, (payload) => {
        if (payload === null || (payload.startsWith(`${location} `) && payload !== `${location} ${owner}`)) onChange();
      }),
  };
}

/** Returns the epochs of the shards of these locations, as a function of location and job; -1 for none. */
export async function readLeaseEpochs(
  database: Database,
  locations: readonly string[],
): Promise<(location: string, jobId: number) => number> {
  const { rows } = await database.query<{ location: string; shard: number; epoch: number }>(
    'SELECT location, shard, epoch FROM shard_leases WHERE location = ANY ($1)',
    [locations],
  );
  const epochs = new Map(rows.map(({ location, shard, epoch }) => [`${shard} ${location}`, epoch]));
  return (location, jobId) => epochs.get(`${shardOf(jobId)} ${location}`) ?? -1;
}

function columns(
  leases: ReadonlyArray<Lease & { progress: number | null }>,
): [number[], number[], Array<number | null>] {
  return [
    leases.map((lease) => lease.shard),
    leases.map((lease) => lease.epoch),
    leases.map((lease) => lease.progress),
  ];
}

const CHANNEL = 'scheduler_leases';

const SEED = `
  INSERT INTO shard_leases (location, shard)
  SELECT $1, shard FROM generate_series(0, $2::integer - 1) AS shard
  ON CONFLICT DO NOTHING`;

const NOW_MS = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint';

// A membership that is forgotten by a crash of the server is as good as one that ran out: no need to wait for the disk.
const JOIN = `
  WITH unhurried AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
  ), dead AS (
    DELETE FROM scheduler_members
    WHERE location = $1 AND owner <> $2 AND expires_at < clock_timestamp() - interval '1 minute'
  ), me AS (
    INSERT INTO scheduler_members AS member (location, owner, expires_at)
    VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
    ON CONFLICT (location, owner) DO UPDATE SET expires_at = excluded.expires_at
    RETURNING NOT EXISTS (SELECT FROM scheduler_members WHERE location = $1 AND owner = $2) AS joined
  ), leases AS (
    SELECT count(*)::integer AS shards,
      count(*) FILTER (WHERE owner IS NULL OR expires_at < clock_timestamp())::integer AS free,
      ceil(extract(epoch FROM min(expires_at) FILTER (WHERE owner <> $2 AND expires_at >= clock_timestamp())
        - clock_timestamp()) * 1000)::integer AS "nextExpiryMs"
    FROM shard_leases WHERE location = $1
  )
  SELECT me.joined, leases.*, ${NOW_MS} AS "nowMs", $2::text || ARRAY(
      SELECT owner FROM scheduler_members WHERE location = $1 AND owner <> $2 AND expires_at > clock_timestamp()
    ) AS members
  FROM unhurried, me, leases`;

// A clean release leaves no expiry behind; a lease that ran out, or was given up in a hurry, does.
const ACQUIRE = `
  WITH free AS (
    SELECT shard, owner IS NULL AND expires_at IS NULL AS clean,
      coalesce(extract(epoch FROM clock_timestamp() - expires_at) * 1000, 0)::bigint
        + CASE WHEN owner IS NULL THEN 0 ELSE $4 END AS "silentMs"
    FROM shard_leases
    WHERE location = $1 AND (owner IS NULL OR expires_at < clock_timestamp())
    ORDER BY shard LIMIT $3 FOR UPDATE SKIP LOCKED
  )
  UPDATE shard_leases AS lease
  SET owner = $2, epoch = lease.epoch + 1, expires_at = clock_timestamp() + $4 * interval '1 millisecond'
  FROM free WHERE lease.location = $1 AND lease.shard = free.shard
  RETURNING lease.shard, lease.epoch, lease.progress, free.clean, free."silentMs"`;

const HELD = `
  given AS (
    SELECT * FROM unnest($3::smallint[], $4::bigint[], $5::bigint[]) AS given (shard, epoch, progress)
  ), held AS (
    SELECT lease.shard, given.progress FROM shard_leases AS lease JOIN given USING (shard, epoch)
    WHERE lease.location = $1 AND lease.owner = $2
    ORDER BY lease.shard FOR UPDATE OF lease
  )`;

const RENEW = `
  WITH ${HELD}
  UPDATE shard_leases AS lease
  SET expires_at = clock_timestamp() + $6 * interval '1 millisecond', progress = GREATEST(lease.progress, held.progress)
  FROM held WHERE lease.location = $1 AND lease.shard = held.shard
  RETURNING lease.shard, ${NOW_MS} AS "nowMs"`;

const RELEASE = `
  WITH ${HELD}, clean AS (
    SELECT * FROM unnest($3::smallint[], $6::boolean[]) AS clean (shard, clean)
  )
  UPDATE shard_leases AS lease
  SET owner = NULL, expires_at = CASE WHEN clean.clean THEN NULL ELSE clock_timestamp() END,
    progress = GREATEST(lease.progress, held.progress)
  FROM held JOIN clean USING (shard) WHERE lease.location = $1 AND lease.shard = held.shard`;
