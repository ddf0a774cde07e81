import type { Settings } from '../settings.ts';
import type { Database } from '../storage/database.ts';
import { pinPartitions } from '../storage/stream-topics.ts';
import type { StreamDriver } from '../streaming/driver.ts';

/** Answers the fixed number of partitions of a topic, making the topic when it is missing and may be made. */
export function createTopicRouter(
  settings: Settings,
  { database, driver }: { database: Database; driver: StreamDriver },
): (topic: string) => Promise<number> {
  const { partitions, replication, retentionMs, createTopics } = settings.stream;
  const known = new Map<string, number>();
  return async (topic) => {
    let pinned = known.get(topic);
    if (pinned === undefined) {
      pinned = await pinPartitions(database, topic, {
        counted: topic !== settings.topics.failures,
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
      known.set(topic, pinned);
    }
    return pinned;
  };
}
