import type { Logger } from '../core/logger.ts';
import type { Database } from '../postgres/database.ts';
import { showTopic } from '../processor/tables/topic-views.ts';
import type { Settings } from '../settings.ts';
import type { StreamDriver } from '../streaming/driver.ts';
import { createTopicRouter, type TopicRouter } from '../streaming/topic-router.ts';

/** The topics of the settings; each has a view of its name once it is used, if the settings want views. */
export function routeTopics(
  settings: Settings,
  { database, driver, logger }: { database: Database; driver: StreamDriver; logger: Logger },
): TopicRouter {
  return createTopicRouter(settings, {
    database,
    driver,
    ...(settings.storage.topicViews ? { onUsed: (topic: string) => showTopic(database, topic, logger) } : {}),
  });
}
