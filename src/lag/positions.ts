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

/** Why a processor cannot count, as it states itself. Without a topic all of its partitions are meant. */
export interface CountingProblem {
  topic?: string;
  partition?: number;
  reason: string;
}

/** Bounds of the row of a process. */
const MAX_PROBLEMS = 64;
const MAX_REASON = 300;

/** The problems as they are stored with a heartbeat, where readProcessors finds them. */
export function toStoredProblems<Problem extends CountingProblem>(problems: readonly Problem[]): Problem[] {
  return problems
    .slice(0, MAX_PROBLEMS)
    .map((problem) => ({ ...problem, reason: problem.reason.slice(0, MAX_REASON) }));
}

/** A process with the role `processor`, as of its last heartbeat. */
export interface KnownProcessor {
  instanceId: string;
  /** Since its last heartbeat, by the database's clock. */
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
