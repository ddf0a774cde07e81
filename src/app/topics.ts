import type { Logger } from '../core/logger.ts';
import type { Settings } from '../settings.ts';
import type { Database } from '../storage/database.ts';
import { isRetryable } from '../storage/retryable.ts';
import { pinPartitions } from '../storage/stream-topics.ts';
import { ensureTopicView } from '../storage/topic-views.ts';
import type { StreamDriver } from '../streaming/driver.ts';

/** Answers the fixed number of partitions of a topic, making the topic when it is missing and may be made. */
export function createTopicRouter(
  settings: Settings,
  { database, driver, logger }: { database: Database; driver: StreamDriver; logger: Logger },
): (topic: string) => Promise<number> {
  const { partitions, replication, retentionMs, createTopics } = settings.stream;
  const known = new Map<string, number>();
  return async (topic) => {
    let pinned = known.get(topic);
    if (pinned === undefined) {
      pinned = await pinPartitions(database, topic, {
        counted: topic !== settings.topics.success && topic !== settings.topics.failures,
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
      if (settings.storage.topicViews) await showTopic(database, topic, logger);
      known.set(topic, pinned);
    }
    return pinned;
  };
}

/** A view is for people who read: without one, results are counted all the same. */
async function showTopic(database: Database, topic: string, logger: Logger): Promise<void> {
  let problem: unknown;
  try {
    problem = await ensureTopicView(database, topic);
  } catch (error) {
    if (isRetryable(error)) throw error;
    problem = (error as Error).message;
  }
  if (problem) logger.warn({ topic, problem }, 'the topic has no view of its name; its results are in check_results');
}
