import type { Queryable, Transaction } from './database.ts';
import { type DeadLetter, insertDeadLetters } from './processor-dead-letters.ts';

/** How far a series says it was counted. */
export interface StoredSeries {
  jobId: number;
  location: string;
  topic: string;
  epoch: number;
  slot: number;
  lastTs: number | null;
}

export interface SeriesRepair {
  series: StoredSeries;
  epoch: number;
  slot: number;
  /** Lines that were counted and never should have been. */
  letters: readonly DeadLetter[];
  /** By partition: how many more results the stream has of it now than were counted. */
  more: ReadonlyMap<number, number>;
}

export async function readSeriesOfJob(
  database: Queryable,
  { jobId, location, topic }: { jobId: number; location?: string | undefined; topic?: string | undefined },
): Promise<StoredSeries[]> {
  const { rows } = await database.query<StoredSeries>(
    `SELECT job_id AS "jobId", location, topic, epoch, slot, last_ts AS "lastTs" FROM series_progress
     WHERE job_id = $1 AND ($2::text IS NULL OR location = $2) AND ($3::text IS NULL OR topic = $3)
     ORDER BY topic, location`,
    [jobId, location ?? null, topic ?? null],
  );
  return rows;
}

/** The greatest slot up to `latestMs` that raw results know of; the end of the last minute or so counted; or -1. */
export async function readLastSlot(
  database: Queryable,
  { jobId, location, topic }: StoredSeries,
  latestMs: number,
): Promise<number> {
  const { rows } = await database.query<{ slot: number | null }>(
    `SELECT coalesce(
       (SELECT max(slot) FROM results WHERE job_id = $1 AND location = $2 AND topic = $3 AND slot <= $4),
       (SELECT least($4, (extract(epoch FROM max(dt)) * 1000)::bigint + 59999) FROM metrics
        WHERE granularity = 'minute' AND job_id = $1 AND location = $2 AND dt <= to_timestamp($4 / 1e3::double precision)),
       -1)::bigint AS slot`,
    [jobId, location, topic, latestMs],
  );
  return rows[0].slot ?? -1;
}

/**
 * Makes the series what it should be, if it still is what it was: false when it is not. Rows of times to come go with it.
 * Whoever counts these partitions begins anew, with what is stored now.
 */
export async function repairSeries(
  tx: Transaction,
  { series, epoch, slot, letters, more }: SeriesRepair,
  latestMs: number,
): Promise<boolean> {
  const { jobId, location, topic } = series;
  await tx.query('UPDATE stream_offsets SET epoch = epoch + 1 WHERE topic = $1', [topic]);
  for (const [partition, results] of more) {
    await tx.query('UPDATE stream_offsets SET results = results + $3 WHERE topic = $1 AND partition = $2', [
      ...[topic, partition, results],
    ]);
  }
  const { rowCount } = await tx.query(
    `UPDATE series_progress SET epoch = $4, slot = $5,
       last_ts = CASE WHEN last_ts <= $8 THEN last_ts END, since_slot = CASE WHEN since_slot <= $8 THEN since_slot END
     WHERE job_id = $1 AND location = $2 AND topic = $3 AND epoch = $6 AND slot = $7`,
    [jobId, location, topic, epoch, slot, series.epoch, series.slot, latestMs],
  );
  if (rowCount !== 1) return false;
  for (const [table, column] of [
    ['metrics', 'dt'],
    ['results', 'at'],
  ]) {
    await tx.query(
      `DELETE FROM ${table} WHERE job_id = $1 AND location = $2 AND ${column} > to_timestamp($3 / 1e3::double precision)`,
      [jobId, location, latestMs],
    );
  }
  await insertDeadLetters(tx, letters);
  return true;
}
