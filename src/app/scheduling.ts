import { availableParallelism } from 'node:os';
import { opensslCost } from '../core/openssl.ts';
import { WAIT_MS } from '../push/reports.ts';
import { CheckThreads } from '../scheduler/checks/threads/check-threads.ts';
import { threadCount } from '../scheduler/checks/threads/thread-count.ts';
import { createPublisher } from '../scheduler/publishing/publisher.ts';
import { createScheduler } from '../scheduler/scheduler.ts';
import { secretPlaces } from './jobs.ts';
import { publisherOptions } from './publisher.ts';
import type { Scheduling, Services } from './services.ts';

const PUBLISHER_GRACE_MS = 1_000;

/** The role `scheduler`: checks are made, once it is started, and their results published to the stream. */
export function createScheduling(services: Services): Scheduling {
  const { settings, logger, clock, database, driver, partitionsOf, jobs, instanceId, older } = services;
  const publisher = createPublisher({
    ...publisherOptions(settings, { driver, logger, partitionsOf }),
    clock,
    sendsLaterFields: () => older.readAll,
  });
  const threads = createThreads(services);
  const scheduler = createScheduler({
    clock,
    logger,
    database,
    instanceId,
    jobStore: jobs.store,
    prepare: threads?.prepare ?? jobs.rules.prepare,
    hostOf: jobs.rules.hostOf,
    reports: {
      ...jobs.reports,
      waitMs: WAIT_MS,
      ruleOf(job) {
        const graceMs = jobs.rules.graceOf(job);
        return graceMs === null ? null : { graceMs };
      },
    },
    publisher,
    location: settings.location,
    topic: settings.topics.results,
    concurrency: settings.scheduler.concurrency,
    concurrencyPerHost: settings.scheduler.concurrencyPerHost,
    lateLimitMs: settings.scheduler.lateLimitMs,
    leaseMs: settings.scheduler.leaseMs,
    progressMs: settings.scheduler.progressIntervalMs,
  });
  return { scheduler, publisher, threads, startedAt: clock.wallMs() };
}

/** null: checks run on the main thread. */
function createThreads({ settings, logger, clock, exposure, jobs }: Services): CheckThreads | null {
  const count = threadCount(settings.scheduler.threads, availableParallelism());
  if (count === 0) return null;
  const { gate, userAgent } = settings.monitors;
  return new CheckThreads({
    count,
    clock,
    logger,
    prepare: jobs.rules.prepare,
    monitors: { gate, allow: settings.allowedNetworks, userAgent, secrets: secretPlaces(settings) },
    isPublic: () => exposure.isPublic,
    findSelf: jobs.self.find,
  });
}

export async function startScheduling(scheduling: Scheduling, { lifecycle, clock, logger }: Services): Promise<void> {
  const { scheduler, publisher, threads } = scheduling;
  const cost = opensslCost();
  if (cost !== null) logger.info(cost);
  // The scheduler has waited for its results before.
  lifecycle.defer(() => publisher.close(PUBLISHER_GRACE_MS));
  if (threads) {
    lifecycle.defer(() => threads.close());
    await threads.start();
    logger.info({ threads: threads.stats().length }, 'checks run on threads');
  }
  lifecycle.defer(() => scheduler.stop());
  scheduling.startedAt = clock.wallMs();
  await scheduler.start();
}
