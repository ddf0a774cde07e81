import type { Logger } from '../core/logger.ts';
import type { PublisherOptions } from '../scheduler/publishing/publisher-options.ts';
import type { Settings } from '../settings.ts';
import type { StreamDriver } from '../streaming/driver.ts';
import type { TopicRouter } from '../streaming/topic-router.ts';

/** How results are published by the settings. */
export function publisherOptions(
  { stream, publisher, topics }: Settings,
  { driver, logger, partitionsOf }: { driver: StreamDriver; logger: Logger; partitionsOf: TopicRouter },
): Omit<PublisherOptions, 'clock'> {
  return {
    driver,
    logger,
    partitionsOf,
    format: stream.format,
    cloudEventsSource: stream.cloudeventsSource,
    lingerMs: publisher.lingerMs,
    maxBlockBytes: publisher.blockSizeBytes,
    maxQueueBytes: publisher.queueSizeBytes,
    successTopic: topics.success,
    failuresTopic: topics.failures,
  };
}
