import type { Queryable, Transaction } from '../../postgres/database.ts';
import { COUNTED_SERIES, type CountedSeries } from '../verify/stored-rows.ts';
import { type DeadLetter, insertDeadLetters } from './dead-letters.ts';
import { copyResults } from './results.ts';

/** Where a raw result came from, as far as its row says. */
export interface ResultPlace {
  partition: number;
  offset: number;
  slot: number | null;
  ts: number;
  slots: number;
}

/** By how much the counters of an offset grow. */
interface Growth {
  results: number;
  foreign: number;
  duplicates: number;
  fenced: number;
  deadLetters: number;
}

export interface SeriesRepair {
  series: CountedSeries;
  /** What it should be. */
  becomes: CountedSeries;
  /** Lines that were counted and never should have been. */
  letters: readonly DeadLetter[];
  /** By partition. */
  growth: ReadonlyMap<number, Growth>;
  /** Raw results to store, in the binary form of COPY. */
  added: ReadonlyArray<{ chunks: readonly Buffer[]; stretches: readonly number[] }>;
  /** Raw results to delete. */
  removed: readonly ResultPlace[];
}

export async function readSeriesOfJob(
  database: Queryable,
  { jobId, location, topic }: { jobId: number; location?: string | undefined; topic?: string | undefined },
): Promise<CountedSeries[]> {
  const { rows } = await database.query<CountedSeries>(
    `SELECT ${COUNTED_SERIES} FROM series_progress
     WHERE job_id = $1 AND ($2::text IS NULL OR location = $2) AND ($3::text IS NULL OR topic = $3)
     ORDER BY topic, location`,
    [jobId, location ?? null, topic ?? null],
  );
  return rows;
}

/** The greatest slot up to `latestMs` that raw results know of; the end of the last minute or so counted; or -1. */
export async function readLastSlot(
  database: Queryable,
  { jobId, location, topic }: CountedSeries,
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
 * Makes the series what it should be, with the counters and raw results of its lines. Rows of times to come go with it.
 * To be called while counting waits. Whoever counts these partitions begins again, with what is stored now.
 */
export async function repairSeries(
  tx: Transaction,
  { series, becomes, letters, growth, added, removed }: SeriesRepair,
  latestMs: number,
): Promise<void> {
  const { jobId, location, topic } = series;
  await tx.query('UPDATE stream_offsets SET epoch = epoch + 1 WHERE topic = $1', [topic]);
  for (const [partition, { results, foreign, duplicates, fenced, deadLetters }] of growth) {
    // Repetitions are counted again after a crash, so that there may be more of them than the stream tells, never fewer.
    await tx.query(
      `UPDATE stream_offsets SET results = results + $3, foreign_results = foreign_results + $4,
         duplicates = greatest(0, duplicates + $5), fenced = greatest(0, fenced + $6), dead_letters = dead_letters + $7
       WHERE topic = $1 AND partition = $2`,
      [topic, partition, results, foreign, duplicates, fenced, deadLetters],
    );
  }
  const { epoch, slot, lastTs, lastOutcome, lastReason, lastStatus, lastRt, sinceSlot } = becomes;
  const { count, up, degraded, down, missed, codes } = becomes;
  await tx.query(
    `UPDATE series_progress SET epoch = $4, slot = $5, last_ts = $6, last_outcome = $7, last_reason = $8, last_status = $9,
       last_rt = $10, since_slot = $11, count = $12, up = $13, degraded = $14, down = $15, missed = $16, codes = $17
     WHERE job_id = $1 AND location = $2 AND topic = $3`,
    [
      ...[jobId, location, topic, epoch, slot, lastTs, lastOutcome, lastReason, lastStatus, lastRt, sinceSlot],
      ...[count, up, degraded, down, missed, JSON.stringify(codes)],
    ],
  );
  for (const [table, column] of [
    ['metrics', 'dt'],
    ['results', 'at'],
  ]) {
    await tx.query(
      `DELETE FROM ${table} WHERE job_id = $1 AND location = $2 AND ${column} > to_timestamp($3 / 1e3::double precision)`,
      [jobId, location, latestMs],
    );
  }
  if (removed.length > 0) {
    await tx.query(
      `DELETE FROM results AS r
       USING unnest($4::int[], $5::bigint[], $6::bigint[], $7::bigint[], $8::int[])
         AS gone (partition, record_offset, slot, ts, slots)
       WHERE r.job_id = $1 AND r.location = $2 AND r.topic = $3 AND r.partition = gone.partition
         AND r.record_offset = gone.record_offset AND r.slot IS NOT DISTINCT FROM gone.slot AND r.ts = gone.ts
         AND r.slots = gone.slots AND r.at = to_timestamp(coalesce(gone.slot, gone.ts) / 1e3::double precision)`,
      [
        ...[jobId, location, topic],
        removed.map(({ partition }) => partition),
        removed.map(({ offset }) => offset),
        removed.map(({ slot }) => slot),
        removed.map(({ ts }) => ts),
        removed.map(({ slots }) => slots),
      ],
    );
  }
  for (const { chunks } of added) await copyResults(tx, chunks);
  await insertDeadLetters(tx, letters);
}
