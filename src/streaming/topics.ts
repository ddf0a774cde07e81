import { firstOf } from '../core/first-of.ts';
import type { Database } from '../postgres/database.ts';
import type { StreamDriver, TopicPartition } from './driver.ts';

const CHANNEL = 'vedette_topics';

/**
 * The number of partitions by which results of `topic` are routed. It is fixed at first use, when `make` returns the real
 * one: a series may not change its partition while results of it wait in the old one.
 */
export async function pinPartitions(
  database: Database,
  topic: string,
  options: { counted: boolean; make: () => Promise<number> },
): Promise<number> {
  const partitions = await options.make();
  const { rowCount } = await database.query(
    'INSERT INTO stream_topics (topic, partitions, counted) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
    [topic, partitions, options.counted],
  );
  if (rowCount > 0) await database.notify(CHANNEL, topic);
  const { rows } = await database.query<{ partitions: number }>(
    'SELECT partitions FROM stream_topics WHERE topic = $1',
    [topic],
  );
  return firstOf(rows).partitions;
}

/** Every topic that is counted, `first` among them, in a stable order. Copies of failures are not. */
export async function readCountedTopics(database: Database, first: string): Promise<string[]> {
  const { rows } = await database.query<{ topic: string }>(
    'SELECT topic FROM stream_topics WHERE counted ORDER BY topic',
  );
  return [...new Set([first, ...rows.map(({ topic }) => topic)])];
}

/** The first retained offset of every partition of these topics. */
export async function readLowOffsets(
  driver: Pick<StreamDriver, 'ranges'>,
  topics: readonly string[],
): Promise<Array<TopicPartition & { low: number }>> {
  const ofTopics = topics.map(async (topic) =>
    (await driver.ranges(topic)).map(({ partition, low }) => ({ topic, partition, low })),
  );
  return (await Promise.all(ofTopics)).flat();
}

/** Calls back when a topic was used for the first time, and after every reconnect. The returned function stops it. */
export function watchTopics(database: Database, onChange: () => void): Promise<() => Promise<void>> {
  return database.listen(CHANNEL, onChange);
}
