import type { Queryable } from '../../postgres/database.ts';

/**
 * Why a line was not counted. `unreadable` is plain from its bytes. All others are decisions that depended on more, made
 * once, when the line was counted: a recount of the stream takes them from here. `database`: PostgreSQL did not
 * take what it says; `epoch`: higher than the lease of its shard; `future`: further ahead than a minute; `locations`: one
 * more than a job may have; `repaired`: it was counted by mistake, and `vedette series repair` undid it.
 */
export const DEAD_LETTER_KINDS = ['unreadable', 'database', 'epoch', 'future', 'locations', 'repaired'] as const;
export type DeadLetterKind = (typeof DEAD_LETTER_KINDS)[number];

/** A line (or a whole record) that cannot be counted, with its bytes and why. */
export interface DeadLetter {
  kind: DeadLetterKind;
  topic: string;
  partition: number;
  offset: number;
  /** Which line of the record, from 0. */
  line: number;
  bytes: Buffer;
  error: string;
}

/** Begins the error of a line that could be read but that PostgreSQL did not take. */
export const REFUSED = 'refused by PostgreSQL: ';

export async function insertDeadLetters(tx: Queryable, letters: readonly DeadLetter[]): Promise<void> {
  if (letters.length === 0) return;
  await tx.query(
    `INSERT INTO dead_letters (topic, partition, record_offset, line, bytes, error, kind)
     SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::int[], $5::bytea[], $6::text[], $7::text[])`,
    [
      letters.map((letter) => letter.topic),
      letters.map((letter) => letter.partition),
      letters.map((letter) => letter.offset),
      letters.map((letter) => letter.line),
      letters.map((letter) => letter.bytes),
      letters.map((letter) => letter.error.replaceAll('\u0000', '')),
      letters.map((letter) => letter.kind),
    ],
  );
}

/** Which readable lines of the topics were decided not to count, as the transaction's snapshot has them. */
export async function readRefusedLines(
  database: Queryable,
  topics: readonly string[],
): Promise<Array<{ topic: string; partition: number; offset: number; line: number }>> {
  const { rows } = await database.query<{ topic: string; partition: number; offset: number; line: number }>(
    `SELECT topic, partition, record_offset AS offset, line FROM dead_letters
     WHERE topic = ANY ($1) AND kind <> 'unreadable'`,
    [topics],
  );
  return rows;
}

/** The first offset that a partition of the stream still has. */
export interface LowOffset {
  topic: string;
  partition: number;
  low: number;
}

/**
 * Deletes dead letters older than `ageMs`, in portions. Decisions stay for as long as the stream has their line: without
 * them it could not be counted again. `lows` are the first offsets it has; a partition that is not mentioned has all.
 * Returns how many were deleted.
 */
export async function deleteOldDeadLetters(
  database: Queryable,
  ageMs: number,
  lows: readonly LowOffset[] = [],
): Promise<number> {
  for (let deleted = 0; ; ) {
    const { rowCount } = await database.query(
      `DELETE FROM dead_letters WHERE id IN (
         SELECT id FROM dead_letters d WHERE at < now() - make_interval(secs => $1::double precision / 1000)
           AND (kind = 'unreadable' OR EXISTS (
             SELECT FROM unnest($2::text[], $3::int[], $4::bigint[]) AS kept (topic, partition, low)
             WHERE kept.topic = d.topic AND kept.partition = d.partition AND d.record_offset < kept.low))
         ORDER BY id LIMIT 10000)`,
      [ageMs, lows.map(({ topic }) => topic), lows.map(({ partition }) => partition), lows.map(({ low }) => low)],
    );
    deleted += rowCount;
    if (rowCount < 10_000) return deleted;
  }
}
