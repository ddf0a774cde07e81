import type { Database } from '../postgres/database.ts';
import type { StreamDriver } from './driver.ts';
import { pinPartitions } from './topics.ts';

export interface TopicRouter {
  /** The fixed number of partitions of a topic, which is made when it is missing and may be made. */
  (topic: string): Promise<number>;
  /** The tables were made again: topics in use are recorded in them when they are next used. */
  forget(): void;
}

/** How topics are made and which of them are counted. The settings have this shape. */
export interface TopicSettings {
  stream: { partitions: number; replication: number | null; retentionMs: number | null; createTopics: boolean };
  /** Topics of copies, which are not counted. */
  copyTopics: readonly string[];
}

export interface TopicRouterOptions {
  database: Database;
  driver: Pick<StreamDriver, 'ensureTopics'>;
  /** Called when a topic is used for the first time by this process. */
  onUsed?: (topic: string) => Promise<void>;
}

export function createTopicRouter(
  { stream, copyTopics }: TopicSettings,
  { database, driver, onUsed }: TopicRouterOptions,
): TopicRouter {
  const { partitions, replication, retentionMs, createTopics } = stream;
  const known = new Map<string, number>();
  const partitionsOf = async (topic: string) => {
    let pinned = known.get(topic);
    if (pinned === undefined) {
      pinned = await pinPartitions(database, topic, {
        counted: !copyTopics.includes(topic),
        make: async () => {
          const spec = {
            topic,
            partitions,
            ...(replication === null ? {} : { replication }),
            ...(retentionMs === null ? {} : { retentionMs }),
          };
          return (await driver.ensureTopics([spec], { create: createTopics })).get(topic) as number;
        },
      });
      await onUsed?.(topic);
      known.set(topic, pinned);
    }
    return pinned;
  };
  return Object.assign(partitionsOf, { forget: () => known.clear() });
}
