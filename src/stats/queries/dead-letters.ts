import type { Queryable } from '../../postgres/database.ts';
import type { DeadLetterKind } from '../../processor/tables/dead-letters.ts';

export { DEAD_LETTER_KINDS } from '../../processor/tables/dead-letters.ts';

export interface DeadLettersQuery {
  limit: number;
  /** Only letters before this one: the id of the last one already read. */
  beforeId?: number | undefined;
  topic?: string | undefined;
}

/** A record line of the stream that was put aside instead of being counted. */
export interface StoredDeadLetter {
  id: number;
  topic: string;
  partition: number;
  recordOffset: number;
  line: number;
  bytes: Buffer;
  kind: DeadLetterKind;
  error: string;
  at: Date;
}

/** Dead letters, newest first. */
export async function readDeadLetters(database: Queryable, query: DeadLettersQuery): Promise<StoredDeadLetter[]> {
  const { rows } = await database.query<StoredDeadLetter>(
    `SELECT id, topic, partition, record_offset AS "recordOffset", line, bytes, kind, error, at FROM dead_letters
     WHERE ($1::bigint IS NULL OR id < $1) AND ($2::text IS NULL OR topic = $2)
     ORDER BY id DESC LIMIT $3`,
    [query.beforeId ?? null, query.topic ?? null, query.limit],
  );
  return rows;
}
