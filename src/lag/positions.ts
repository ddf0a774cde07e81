import type { Queryable } from '../postgres/database.ts';

/** How far a partition of the stream has been counted, as PostgreSQL has it. */
export interface CountedPosition {
  topic: string;
  partition: number;
  /** The first offset that has not been counted; null when nothing has. */
  nextOffset: number | null;
  /** Lines that were settled one way or another: it grows, too, while a record is counted in parts. */
  settled: number;
  /** Results among them that were counted, since the tables exist. */
  counted: number;
  /** Lines among them that were put aside, since the tables exist. */
  refused: number;
  /** The processor that claimed it last, alive or not. */
  owner: string | null;
  /** How long ago it moved or was claimed, by the database's clock. */
  unchangedMs: number;
}

/** What keeps a processor from counting, in its own words. Without a topic all of its partitions are meant. */
export interface CountingProblem {
  topic?: string;
  partition?: number;
  reason: string;
}

/** A process with the role `processor`, as it last said of itself. */
export interface KnownProcessor {
  instanceId: string;
  /** Since its last sign of life, by the database's clock. */
  silentMs: number;
  problems: CountingProblem[];
}

export async function readCountedPositions(database: Queryable, topics: readonly string[]): Promise<CountedPosition[]> {
  const { rows } = await database.query<CountedPosition>(
    `SELECT topic, partition, next_offset AS "nextOffset", owner,
       results + foreign_results AS counted, dead_letters AS refused,
       results + foreign_results + duplicates + fenced + dead_letters AS settled,
       (extract(epoch FROM clock_timestamp() - updated_at) * 1000)::double precision AS "unchangedMs"
     FROM stream_offsets WHERE topic = ANY ($1) ORDER BY topic, partition`,
    [topics],
  );
  return rows;
}

export async function readProcessors(database: Queryable): Promise<KnownProcessor[]> {
  const { rows } = await database.query<KnownProcessor>(
    `SELECT instance_id AS "instanceId", coalesce(stats -> 'countingProblems', '[]') AS problems,
       (extract(epoch FROM clock_timestamp() - seen_at) * 1000)::double precision AS "silentMs"
     FROM instances WHERE 'processor' = ANY (roles) ORDER BY instance_id`,
  );
  return rows;
}
