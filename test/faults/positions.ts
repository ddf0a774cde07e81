import { type Admin, Kafka, logLevel } from 'kafkajs';
import type { Test } from 'tap';
import type { Database } from '../../src/postgres/database.ts';
import type { Position } from './standstill.ts';

/** Reads how far each partition is counted, from the tables, and where its log ends, from the log. */
export type ReadPositions = () => Promise<Position[]>;

const COUNTED = `SELECT topic, partition, coalesce(next_offset, 0) AS next FROM stream_offsets`;
const HEADS = `SELECT topic, partition, next_offset AS end FROM stream_heads`;

export function positionsOfEmbedded(database: Database): ReadPositions {
  return async () => {
    const { rows } = await database.query<{ topic: string; partition: number; end: number }>(HEADS);
    return join(database, new Map(rows.map(({ topic, partition, end }) => [`${topic}/${partition}`, end])));
  };
}

/** With a stock client. */
export async function positionsOfKafka(
  t: Test,
  database: Database,
  servers: readonly string[],
  topics: readonly string[],
): Promise<ReadPositions> {
  const admin = new Kafka({ brokers: [...servers], clientId: 'watch', logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  t.teardown(() => admin.disconnect());
  return async () => join(database, await endsOf(admin, topics));
}

/** Whether everything in the log is counted. */
export function isCounted(positions: readonly Position[]): boolean {
  return positions.length > 0 && positions.every(({ next, end }) => next >= end);
}

async function endsOf(admin: Admin, topics: readonly string[]): Promise<Map<string, number>> {
  const ends = new Map<string, number>();
  for (const topic of topics) {
    for (const { partition, high } of await admin.fetchTopicOffsets(topic))
      ends.set(`${topic}/${partition}`, Number(high));
  }
  return ends;
}

/** The ends were read before: a partition may seem to be counted beyond its end, never the other way round. */
async function join(database: Database, ends: ReadonlyMap<string, number>): Promise<Position[]> {
  const { rows } = await database.query<{ topic: string; partition: number; next: number }>(COUNTED);
  const next = new Map(rows.map((row) => [`${row.topic}/${row.partition}`, row.next]));
  return [...ends].map(([partition, end]) => ({ partition, end, next: next.get(partition) ?? 0 }));
}
