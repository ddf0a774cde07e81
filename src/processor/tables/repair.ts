import { firstOf } from '../../core/first-of.ts';
import type { Queryable, Transaction } from '../../postgres/database.ts';
import { type DeadLetter, insertDeadLetters } from './dead-letters.ts';
import type { PartitionCounters } from './offsets.ts';
import { copyResults } from './results.ts';
import { type CountedSeries, replaceSeries } from './series.ts';

/** Where a raw result came from, as far as its row says. */
export interface ResultPlace {
  partition: number;
  offset: number;
  slot: number | null;
  ts: number;
  slots: number;
}

export interface SeriesRepair {
  series: CountedSeries;
  /** The series as it should be. */
  becomes: CountedSeries;
  /** Lines that were counted and never should have been. */
  letters: readonly DeadLetter[];
  /** By partition: how much its counters grow by. */
  growth: ReadonlyMap<number, PartitionCounters>;
  /** Raw results to store, in the binary form of COPY. */
  added: ReadonlyArray<{ chunks: readonly Buffer[]; slices: readonly number[] }>;
  /** Raw results to delete. */
  removed: readonly ResultPlace[];
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
  return firstOf(rows).slot ?? -1;
}

/**
 * Makes the series what it should be, with the counters and raw results of its lines. Rows of times to come go with it.
 * To be called while counting waits. The processors of these partitions read them again from the stored offsets.
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
  await replaceSeries(tx, becomes);
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
  await copyResults(
    tx,
    added.map(({ chunks }) => chunks),
  );
  await insertDeadLetters(tx, letters);
}
