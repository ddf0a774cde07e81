import type { OffsetRange, RecordBatch } from '../driver.ts';
import type { EmbeddedLog, Head, Position } from './log.ts';

interface Reading {
  position: Position;
  /** First offset not wanted any more; null: followed for ever. */
  end: number | null;
  head: Head;
}

/** Signals that records may have been appended. */
export interface Appends {
  /** Grows with every notification. */
  count(): number;
  /** Resolves when the count is another one, after a while anyway, and when the signal aborts. */
  untilAfter(count: number, signal?: AbortSignal): Promise<void>;
}

/** Reads ranges round robin, outside any group. Errors of the database are the caller's. */
export async function* readRanges(
  log: EmbeddedLog,
  topic: string,
  ranges: readonly OffsetRange[],
  appends: Appends,
  signal?: AbortSignal,
): AsyncGenerator<RecordBatch> {
  let seen = appends.count();
  let heads = new Map((await log.heads([topic])).map((head) => [head.partition, head]));
  let readings: Reading[] = [];
  for (const { partition, from, to } of ranges) {
    const head = heads.get(partition);
    if (!head) continue; // Nothing is retained of a partition that is not there.
    const end = to === undefined ? null : Math.min(to, head.nextOffset);
    readings.push({ position: { topic, partition, offset: from, seenAt: null }, end, head });
  }
  while (!signal?.aborted) {
    readings = readings.filter(({ position, end }) => end === null || position.offset < end);
    if (readings.length === 0) return;
    let delivered = false;
    for (const reading of readings) {
      if (signal?.aborted) return;
      const batch = await readNext(log, reading);
      if (!batch) continue;
      delivered = true;
      yield batch;
    }
    if (delivered || readings.some(({ end }) => end !== null)) continue;
    await appends.untilAfter(seen, signal);
    if (signal?.aborted) return;
    seen = appends.count();
    heads = new Map((await log.heads([topic])).map((head) => [head.partition, head]));
    for (const reading of readings) reading.head = heads.get(reading.position.partition) ?? reading.head;
  }
}

async function readNext(log: EmbeddedLog, reading: Reading): Promise<RecordBatch | null> {
  const { position, head } = reading;
  const end = reading.end ?? head.nextOffset;
  if (position.offset >= end) return null;
  const { records, next } = await log.fetch(position, head);
  const wanted = records.filter(({ offset }) => offset < end);
  // Nothing visible below the head: dropped by retention.
  reading.position = records.length > 0 ? next : { ...position, offset: Math.max(position.offset, end), seenAt: null };
  if (wanted.length === 0) return null;
  const { topic, partition } = position;
  return { topic, partition, records: wanted, highWatermark: Math.max(head.nextOffset, next.offset) };
}
