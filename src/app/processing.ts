import { expireAccess, expireAudit } from '../access/expiry.ts';
import { isSelective, planMetrics } from '../aggregates/metrics-plan.ts';
import { createMetricJobs } from '../jobs/metric-jobs.ts';
import { JobMetrics } from '../processor/counting/job-metrics.ts';
import { createHousekeeping } from '../processor/housekeeping.ts';
import { keptFor } from '../processor/kept-for.ts';
import { createProcessor, type Processor } from '../processor/processor.ts';
import { expirePushReports } from '../push/reports.ts';
import { readLeaseEpochs } from '../scheduler/tables/leases.ts';
import { untilStreamReachable } from '../streaming/open.ts';
import { TopicFollower } from '../streaming/topic-follower.ts';
import { readCountedTopics, readLowOffsets } from '../streaming/topics.ts';
import type { Services } from './services.ts';

/** The role `processor`: results are counted, once it is started. */
export function createProcessing(services: Services): TopicFollower<Processor> {
  const { settings, logger, clock, database, driver, partitionsOf, instanceId, hooks, lifecycle, jobs } = services;
  const plans = planMetrics(settings.metrics);
  const bySelection = settings.metrics.some(isSelective);
  const metricJobs = createMetricJobs({ database, toJob: jobs.rules.toJob, bySelection });
  const watch = (onChange: () => void) => jobs.store.watch(onChange);
  const jobMetrics = new JobMetrics(plans, settings.metrics, { ...metricJobs, watch });
  lifecycle.defer(() => jobMetrics.close());
  return new TopicFollower({
    database,
    logger,
    resultsTopic: settings.topics.results,
    create: async (topics) => {
      await Promise.all(topics.map(partitionsOf));
      await jobMetrics.follow();
      return createProcessor({
        database,
        driver,
        logger,
        clock,
        group: settings.processor.group,
        topics,
        plans,
        jobMetrics,
        resultsStore: settings.results.store,
        flushIntervalMs: settings.processor.flushIntervalMs,
        limits: { rows: settings.processor.flushRows },
        instanceId,
        keptFor: keptFor(plans, settings.storage.retention),
        leaseEpochs: (locations) => readLeaseEpochs(database, locations),
        ...(hooks ? { hooks } : {}),
      });
    },
  });
}

export async function startProcessing(processing: TopicFollower<Processor>, services: Services): Promise<void> {
  services.lifecycle.defer(() => processing.stop());
  await untilStreamReachable(() => processing.start(), services);
}

/** Removes everything that is older than its retention. */
export function startHousekeeping({ settings, logger, clock, lifecycle, database, driver }: Services): void {
  const { retention } = settings.storage;
  const housekeeping = createHousekeeping({
    database,
    logger,
    clock,
    retention: { ...keptFor(planMetrics(settings.metrics), retention), deadLetters: retention.deadLettersMs },
    further: {
      audit: (tx) => expireAudit(tx, retention.auditMs, clock.wallMs()),
      access: expireAccess,
      'push reports': expirePushReports,
    },
    lowOffsets: async () => readLowOffsets(driver, await readCountedTopics(database, settings.topics.results)),
  });
  housekeeping.start();
  lifecycle.defer(() => housekeeping.stop());
}
