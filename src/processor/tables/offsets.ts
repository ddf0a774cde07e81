import type { Queryable } from '../../postgres/database.ts';

export interface ClaimedPartition {
  partition: number;
  /** Raised by the claim: an owner with a lower one can write no more. */
  epoch: number;
  /** The first offset that has not been counted; null when nothing has. */
  nextOffset: number | null;
  /** Which topic of that name the offset belongs to; null when that is not known. */
  topicId?: string | null;
}

/** How the lines that could be read were counted. */
export interface SlotCounters {
  /** Slots counted, foreign lines not included. */
  results: number;
  /** Lines without a slot; they are always counted. */
  foreign: number;
  /** Slots that had been counted before. */
  duplicates: number;
  /** Slots of an owner that had been replaced. */
  fenced: number;
}

/** How all lines of a partition were counted. */
export interface PartitionCounters extends SlotCounters {
  deadLetters: number;
}

const COUNTERS = ['results', 'foreign', 'duplicates', 'fenced', 'deadLetters'] as const;

export function emptyCounters(): PartitionCounters {
  return { results: 0, foreign: 0, duplicates: 0, fenced: 0, deadLetters: 0 };
}

export function addCounters(into: PartitionCounters, added: Readonly<PartitionCounters>): void {
  for (const key of COUNTERS) into[key] += added[key];
}

/** One partition's share of a flush. */
export interface OffsetStep extends PartitionCounters {
  topic: string;
  partition: number;
  epoch: number;
  from: number | null;
  /** The same as `from` when a record is counted in parts and this is not the last one. */
  to: number | null;
}

export interface StoredOffset {
  topic: string;
  partition: number;
  epoch: number;
  nextOffset: number | null;
}

/**
 * Ends the sessions that hold these rows in an open transaction and wait for a client that has said nothing for a while.
 * A client that froze in the middle of a COPY would hold them for ever: PostgreSQL's own timeouts do not count there.
 */
const END_FROZEN = `
  SELECT pg_terminate_backend(a.pid)
  FROM stream_offsets o
  JOIN pg_locks l ON l.locktype = 'transactionid' AND l.granted AND l.transactionid = o.xmax
  JOIN pg_stat_activity a ON a.pid = l.pid
  WHERE o.topic = $1 AND o.partition = ANY ($2::int[]) AND a.usename = current_user
    AND a.wait_event_type = 'Client' AND a.state_change < clock_timestamp() - interval '5 seconds'`;

/**
 * Makes `owner` the owner of the partitions and returns where each is to be read from. `topicId`: which topic of that name
 * there is now; a partition of which nothing has been counted takes it over, any other keeps the one it has.
 */
export async function claimPartitions(
  database: Queryable,
  topic: string,
  partitions: readonly number[],
  owner: string,
  topicId: string | null = null,
): Promise<ClaimedPartition[]> {
  await database.query(END_FROZEN, [topic, partitions]);
  const { rows } = await database.query<ClaimedPartition>(
    `INSERT INTO stream_offsets AS o (topic, partition, epoch, owner, topic_id)
     SELECT $1, partition, 1, $3, $4 FROM unnest($2::int[]) AS p (partition) ORDER BY partition
     ON CONFLICT (topic, partition) DO UPDATE SET epoch = o.epoch + 1, owner = excluded.owner, updated_at = now(),
       topic_id = CASE WHEN o.next_offset IS NULL THEN coalesce(excluded.topic_id, o.topic_id)
         ELSE coalesce(o.topic_id, excluded.topic_id) END,
       plain_until = CASE WHEN o.next_offset IS NULL THEN NULL ELSE o.plain_until END
     RETURNING partition, epoch, next_offset AS "nextOffset", topic_id AS "topicId"`,
    [topic, partitions, owner, topicId],
  );
  return rows;
}

/**
 * Compare-and-set of next_offset and epoch, with the counters. Returns the positions (in `steps`) that were as expected
 * and have moved; the others have another owner. The rows stay locked until the transaction ends.
 */
export async function moveOffsets(tx: Queryable, steps: readonly OffsetStep[]): Promise<Set<number>> {
  const column = <Key extends keyof OffsetStep>(key: Key) => steps.map((step) => step[key]);
  const { rows } = await tx.query<{ step: number }>(
    `UPDATE stream_offsets o SET next_offset = s.next_to, updated_at = now(),
       results = o.results + s.results, foreign_results = o.foreign_results + s.foreign_results,
       duplicates = o.duplicates + s.duplicates, fenced = o.fenced + s.fenced,
       dead_letters = o.dead_letters + s.dead_letters
     FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
       $8::bigint[], $9::bigint[], $10::bigint[]) WITH ORDINALITY
       AS s (topic, partition, epoch, next_from, next_to, results, foreign_results, duplicates, fenced, dead_letters, step)
     WHERE o.topic = s.topic AND o.partition = s.partition AND o.epoch = s.epoch
       AND o.next_offset IS NOT DISTINCT FROM s.next_from
     RETURNING s.step::int - 1 AS step`,
    [
      column('topic'),
      column('partition'),
      column('epoch'),
      column('from'),
      column('to'),
      column('results'),
      column('foreign'),
      column('duplicates'),
      column('fenced'),
      column('deadLetters'),
    ],
  );
  return new Set(rows.map((row) => row.step));
}

/**
 * The stored offsets, once no transaction that may still change them is under way: the row locks of one whose COMMIT got
 * lost are waited for. To be run in a transaction of its own.
 */
export async function settleOffsets(tx: Queryable, steps: readonly OffsetStep[]): Promise<StoredOffset[]> {
  const { rows } = await tx.query<StoredOffset>(
    `SELECT topic, partition, epoch, next_offset AS "nextOffset" FROM stream_offsets
     WHERE (topic, partition) IN (SELECT * FROM unnest($1::text[], $2::int[])) ORDER BY topic, partition FOR UPDATE`,
    [steps.map((step) => step.topic), steps.map((step) => step.partition)],
  );
  return rows;
}

/** By `location shard`: results of epochs up to this one belong to the time before a reset of the tables. */
export async function readEpochFloors(database: Queryable): Promise<Map<string, number>> {
  const { rows } = await database.query<{ location: string; shard: number; epoch: number }>(
    'SELECT location, shard, epoch FROM epoch_floors',
  );
  return new Map(rows.map(({ location, shard, epoch }) => [`${location} ${shard}`, epoch]));
}
