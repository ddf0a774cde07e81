import { ResultDecoder } from '../messages/decode.ts';
import type { ResultColumns } from '../messages/result-columns.ts';
import type { Database } from '../storage/database.ts';
import { readDatabaseClock } from '../storage/database-clock.ts';
import { type DeadLetter, readRefusedLines } from '../storage/processor-dead-letters.ts';
import {
  readLastSlot,
  readSeriesOfJob,
  repairSeries,
  type SeriesRepair,
  type StoredSeries,
} from '../storage/processor-repair.ts';
import { readCountedOffsets } from '../storage/processor-verify.ts';
import type { StreamDriver } from '../streaming/driver.ts';
import type { ReadLeaseEpochs } from './bounds.ts';
import { splitLines } from './lines.ts';

export type { SeriesRepair, StoredSeries } from '../storage/processor-repair.ts';

export interface RepairOptions {
  database: Database;
  driver: StreamDriver;
  leaseEpochs: ReadLeaseEpochs;
  jobId: number;
  location?: string | undefined;
  topic?: string | undefined;
  signal?: AbortSignal;
}

export interface RepairPlan {
  /** Series of the job that were looked at. */
  series: StoredSeries[];
  repairs: SeriesRepair[];
  /** Times beyond were never to be counted, ms since the epoch. */
  latestMs: number;
}

/** As the processor has it; here also how far the clocks of a writer and of the stream may be apart. */
const AHEAD_MS = 60_000;

/**
 * Finds the series of a job whose progress no scheduler can have made: an epoch beyond that of the lease, or a time to
 * come. What they should be is what they would be without the lines that did it: the epoch of the lease, and the greatest
 * slot of the other lines that the stream still has; where it has none, that of the raw results, or the end of the last
 * minute counted. Writes nothing.
 */
export async function planRepair(options: RepairOptions): Promise<RepairPlan> {
  const { database, leaseEpochs } = options;
  const latestMs = (await readDatabaseClock(database)) + AHEAD_MS;
  const series = await readSeriesOfJob(database, options);
  const epochOf = await leaseEpochs(series.map(({ location }) => location));
  const repairs: SeriesRepair[] = [];
  for (const one of series) {
    const highest = epochOf(one.location, one.jobId);
    if (one.epoch <= highest && one.slot <= latestMs && (one.lastTs ?? 0) <= latestMs) continue;
    // A series of foreign lines alone has neither.
    if (one.epoch < 0 && one.slot < 0 && (one.lastTs ?? 0) <= latestMs) continue;
    const { letters, slot, more } = await readLines(options, one, highest, latestMs);
    repairs.push({
      series: one,
      epoch: Math.min(one.epoch, highest),
      slot: one.slot < 0 ? one.slot : slot >= 0 ? slot : await readLastSlot(database, one, latestMs),
      letters,
      more,
    });
  }
  return { series, repairs, latestMs };
}

/** Writes a plan in one transaction; false when a series has moved meanwhile: then nothing is written. */
export async function applyRepair(database: Database, { repairs, latestMs }: RepairPlan): Promise<boolean> {
  class MovedError extends Error {}
  try {
    await database.transaction(async (tx) => {
      for (const repair of repairs) if (!(await repairSeries(tx, repair, latestMs))) throw new MovedError();
    });
    return true;
  } catch (error) {
    if (error instanceof MovedError) return false;
    throw error;
  }
}

/**
 * The lines of the series that never should have counted, the greatest slot of the others (-1 for none), and how many more
 * results there are without them.
 */
async function readLines(
  { database, driver, signal }: RepairOptions,
  series: StoredSeries,
  highest: number,
  latestMs: number,
): Promise<Pick<SeriesRepair, 'letters' | 'slot' | 'more'>> {
  const { topic } = series;
  const known = new Set(
    (await readRefusedLines(database, [topic])).map(({ partition, offset, line }) => `${partition} ${offset} ${line}`),
  );
  const lows = new Map((await driver.ranges(topic)).map(({ partition, low }) => [partition, low]));
  const stretches = (await readCountedOffsets(database, [topic])).flatMap(({ partition, nextOffset, firstOffset }) => {
    const from = Math.max(lows.get(partition) ?? 0, firstOffset);
    return nextOffset === null || nextOffset <= from ? [] : [{ partition, from, to: nextOffset }];
  });
  const decoder = new ResultDecoder();
  const letters: DeadLetter[] = [];
  const more = new Map<number, number>();
  const counted = new Progress();
  const right = new Progress();
  for await (const { partition, records } of driver.read(topic, stretches, signal)) {
    for (const { value, offset, timestamp } of records) {
      decoder.reset();
      decoder.decodeRecord(value, () => undefined);
      const { columns } = decoder;
      for (let row = 0; row < columns.length; row++) {
        if (columns.jobId[row] !== series.jobId || columns.locations[columns.location[row]] !== series.location)
          continue;
        const [slot, epoch] = [columns.slot[row], columns.epoch[row]];
        const ahead = Math.max(slot, columns.ts[row]) > Math.min(latestMs, timestamp + AHEAD_MS);
        const isRight = !ahead && epoch <= highest;
        const start = columns.lineStart[row];
        const line = isRight && known.size === 0 ? -1 : splitLines(value).findIndex((at) => at.start === start);
        if (known.has(`${partition} ${offset} ${line}`)) continue;
        const difference = (isRight ? right.count(columns, row) : 0) - counted.count(columns, row);
        more.set(partition, (more.get(partition) ?? 0) + difference);
        if (isRight) continue;
        const bytes = Buffer.from(value.subarray(start, columns.lineEnd[row]));
        const error = ahead
          ? `counted by mistake: slot ${slot} and ts ${columns.ts[row]}, in the stream since ${timestamp}`
          : `counted by mistake: epoch ${epoch}, the lease of the job's shard has ${highest}`;
        letters.push({ kind: 'repaired', topic, partition, offset, line, bytes, error });
      }
    }
  }
  return { letters, slot: right.slot, more };
}

/** Rule 4 for one series: what of its lines counts. */
class Progress {
  slot = -1;
  #epoch = -1;

  count({ slot, slots, periodMs, epoch }: ResultColumns, row: number): number {
    const last = slot[row];
    if (last < 0) return 1;
    if (epoch[row] < this.#epoch) return 0;
    this.#epoch = epoch[row];
    const before = this.slot;
    this.slot = Math.max(before, last);
    if (last <= before) return 0;
    return slots[row] <= 1 ? slots[row] : Math.min(slots[row], Math.ceil((last - before) / periodMs[row]));
  }
}
