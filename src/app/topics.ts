import type { Logger } from '../core/logger.ts';
import type { Database } from '../postgres/database.ts';
import { isRetryable } from '../postgres/retryable.ts';
import { ensureTopicView } from '../processor/tables/topic-views.ts';
import type { Settings } from '../settings.ts';
import type { StreamDriver } from '../streaming/driver.ts';
import { pinPartitions } from '../streaming/topics.ts';

export interface TopicRouter {
  /** The fixed number of partitions of a topic, which is made when it is missing and may be made. */
  (topic: string): Promise<number>;
  /** The tables were made anew: topics that are used are written down and shown in them again when they are next used. */
  forget(): void;
}

export function createTopicRouter(
  settings: Settings,
  { database, driver, logger }: { database: Database; driver: StreamDriver; logger: Logger },
): TopicRouter {
  const { partitions, replication, retentionMs, createTopics } = settings.stream;
  const known = new Map<string, number>();
  const partitionsOf = async (topic: string) => {
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
  return Object.assign(partitionsOf, { forget: () => known.clear() });
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
