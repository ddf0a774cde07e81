import { createPublisher } from '../scheduler/publisher.ts';
import { createScheduler } from '../scheduler/scheduler.ts';
import type { Foundation, Scheduling } from './foundation.ts';

const PUBLISHER_GRACE_MS = 1_000;

/** Starts the role `scheduler`: checks are made and their results brought into the stream. */
export async function startScheduling(foundation: Foundation): Promise<Scheduling> {
  const { settings, logger, clock, lifecycle, database, driver, partitionsOf, jobs, instanceId } = foundation;
  const publisher = createPublisher({
    driver,
    clock,
    logger,
    partitionsOf,
    format: settings.stream.format,
    lingerMs: settings.publisher.lingerMs,
    maxBlockBytes: settings.publisher.blockSizeBytes,
    maxQueueBytes: settings.publisher.queueSizeBytes,
    successTopic: settings.topics.success,
    failuresTopic: settings.topics.failures,
  });
  // The scheduler has waited for its results before.
  lifecycle.defer(() => publisher.close(PUBLISHER_GRACE_MS));
  const scheduler = createScheduler({
    clock,
    logger,
    database,
    instanceId,
    jobStore: jobs.store,
    prepare: jobs.rules.prepare,
    publisher,
    location: settings.location,
    topic: settings.topics.results,
    concurrency: settings.scheduler.concurrency,
    concurrencyPerHost: settings.scheduler.concurrencyPerHost,
    lateLimitMs: settings.scheduler.lateLimitMs,
    leaseMs: settings.scheduler.leaseMs,
    progressMs: settings.scheduler.progressIntervalMs,
  });
  lifecycle.defer(() => scheduler.stop());
  const startedAt = clock.wallMs();
  await scheduler.start();
  return { scheduler, publisher, startedAt };
}
