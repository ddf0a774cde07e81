import { firstOf } from '../core/first-of.ts';
import type { Database } from '../postgres/database.ts';
import type { StreamDriver } from '../streaming/driver.ts';
import { readCountedTopics } from '../streaming/topics.ts';
import { type CountedPosition, type KnownProcessor, readCountedPositions, readProcessors } from './positions.ts';

/** One partition: the end of the log, and the counted offset in PostgreSQL. */
export interface PartitionLag {
  topic: string;
  partition: number;
  /** The first offset that has not been counted, or the first that is retained when nothing has. */
  next: number;
  /** The offset the next record will get. */
  end: number;
  /** Records that are not counted. */
  lag: number;
  /** Grows with everything that is counted. */
  settled: number;
  /** The processor that claimed it last, alive or not. */
  owner: string | null;
  /** How long ago it moved or was claimed; null when it never was. */
  unchangedMs: number | null;
}

/** How far every partition of the counted topics is, and the processors there are. */
export interface Positions {
  topics: string[];
  positions: CountedPosition[];
  processors: KnownProcessor[];
}

export interface LagSource {
  database: Database;
  driver: StreamDriver;
  /** Topic that is counted whether or not it was used yet. */
  resultsTopic: string;
}

export async function readPositions({ database, resultsTopic }: LagSource): Promise<Positions> {
  const topics = await readCountedTopics(database, resultsTopic);
  const [positions, processors] = await Promise.all([readCountedPositions(database, topics), readProcessors(database)]);
  return { topics, positions, processors };
}

/** Reads the ends of all partitions from the stream itself, those without an owner included. */
export async function readLag(driver: StreamDriver, { topics, positions }: Positions): Promise<PartitionLag[]> {
  const lags = await Promise.all(
    topics.map((topic) =>
      readLagOf(
        driver,
        topic,
        positions.filter((position) => position.topic === topic),
      ),
    ),
  );
  return lags.flat();
}

async function readLagOf(
  driver: StreamDriver,
  topic: string,
  positions: readonly CountedPosition[],
): Promise<PartitionLag[]> {
  const known = new Map(positions.map((position) => [position.partition, position]));
  const ends = await driver.ends(topic).catch((error: unknown) => {
    // It was not used yet.
    if (positions.length === 0 && (error as { code?: unknown }).code === 'VED_TOPIC_MISSING')
      return new Map<number, number>();
    throw error;
  });
  const isNew = ([partition, end]: [number, number]) => end > 0 && (known.get(partition)?.nextOffset ?? null) === null;
  // A partition of which nothing was counted begins at the first retained offset.
  const ranges = [...ends].some(isNew) ? await driver.ranges(topic) : [];
  const lows = new Map(ranges.map(({ partition, low }) => [partition, low]));
  return [...ends].map(([partition, end]) => {
    const position = known.get(partition);
    const next = position?.nextOffset ?? lows.get(partition) ?? 0;
    return {
      ...{ topic, partition, next, end, lag: Math.max(0, end - next) },
      settled: position?.settled ?? 0,
      owner: position?.owner ?? null,
      unchangedMs: position?.unchangedMs ?? null,
    };
  });
}

/**
 * The partitions, as `topic partition`, in which a record is there to be counted, with the time of the first one, ms since
 * the epoch. Offsets alone do not show it: marks of transactions and records that have expired take some up, too.
 */
export async function readWaiting(
  driver: StreamDriver,
  partitions: readonly PartitionLag[],
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const waiting = new Map<string, number>();
  for (const topic of new Set(partitions.map((partition) => partition.topic))) {
    const wanted = partitions.filter((partition) => partition.topic === topic && partition.lag > 0);
    const ranges = wanted.map(({ partition, next, end }) => ({ partition, from: next, to: end }));
    const missing = new Set(wanted.map(({ partition }) => partition));
    for await (const { partition, records } of driver.read(topic, ranges, signal)) {
      if (missing.delete(partition)) waiting.set(`${topic} ${partition}`, firstOf(records).timestamp);
      if (missing.size === 0) break;
    }
  }
  return waiting;
}

export function keyOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic} ${partition}`;
}
