import { opensslCost } from '../core/openssl.ts';
import { createPublisher } from '../scheduler/publishing/publisher.ts';
import { createScheduler } from '../scheduler/scheduler.ts';
import { publisherOptions } from './publisher.ts';
import type { Scheduling, Services } from './services.ts';

const PUBLISHER_GRACE_MS = 1_000;

/** The role `scheduler`: checks are made, once it is started, and their results published to the stream. */
export function createScheduling(services: Services): Scheduling {
  const { settings, logger, clock, database, driver, partitionsOf, jobs, instanceId } = services;
  const publisher = createPublisher({ ...publisherOptions(settings, { driver, logger, partitionsOf }), clock });
  const scheduler = createScheduler({
    clock,
    logger,
    database,
    instanceId,
    jobStore: jobs.store,
    prepare: jobs.rules.prepare,
    hostOf: jobs.rules.hostOf,
    publisher,
    location: settings.location,
    topic: settings.topics.results,
    concurrency: settings.scheduler.concurrency,
    concurrencyPerHost: settings.scheduler.concurrencyPerHost,
    lateLimitMs: settings.scheduler.lateLimitMs,
    leaseMs: settings.scheduler.leaseMs,
    progressMs: settings.scheduler.progressIntervalMs,
  });
  return { scheduler, publisher, startedAt: clock.wallMs() };
}

export async function startScheduling(scheduling: Scheduling, { lifecycle, clock, logger }: Services): Promise<void> {
  const { scheduler, publisher } = scheduling;
  const cost = opensslCost();
  if (cost !== null) logger.info(cost);
  // The scheduler has waited for its results before.
  lifecycle.defer(() => publisher.close(PUBLISHER_GRACE_MS));
  lifecycle.defer(() => scheduler.stop());
  scheduling.startedAt = clock.wallMs();
  await scheduler.start();
}
