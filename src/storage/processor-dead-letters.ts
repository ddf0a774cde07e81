import type { Queryable } from './database.ts';

/** A line (or a whole record) that cannot be counted, with its bytes and why. */
export interface DeadLetter {
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
    `INSERT INTO dead_letters (topic, partition, record_offset, line, bytes, error)
     SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::int[], $5::bytea[], $6::text[])`,
    [
      letters.map((letter) => letter.topic),
      letters.map((letter) => letter.partition),
      letters.map((letter) => letter.offset),
      letters.map((letter) => letter.line),
      letters.map((letter) => letter.bytes),
      letters.map((letter) => letter.error.replaceAll('\u0000', '')),
    ],
  );
}

/** Which lines of the topics PostgreSQL did not take, as the transaction's snapshot has them. */
export async function readRefusedLines(
  database: Queryable,
  topics: readonly string[],
): Promise<Array<{ topic: string; partition: number; offset: number; line: number }>> {
  const { rows } = await database.query<{ topic: string; partition: number; offset: number; line: number }>(
    `SELECT topic, partition, record_offset AS offset, line FROM dead_letters
     WHERE topic = ANY ($1) AND starts_with(error, $2)`,
    [topics, REFUSED],
  );
  return rows;
}

/** Deletes dead letters older than `ageMs`, in portions. Answers how many. */
export async function deleteOldDeadLetters(database: Queryable, ageMs: number): Promise<number> {
  for (let deleted = 0; ; ) {
    const { rowCount } = await database.query(
      `DELETE FROM dead_letters WHERE id IN (
         SELECT id FROM dead_letters WHERE at < now() - make_interval(secs => $1::double precision / 1000)
         ORDER BY id LIMIT 10000)`,
      [ageMs],
    );
    deleted += rowCount;
    if (rowCount < 10_000) return deleted;
  }
}
