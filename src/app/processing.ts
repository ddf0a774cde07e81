import { planMetrics } from '../aggregates/metrics-plan.ts';
import type { KeptFor } from '../processor/counting/bounds.ts';
import { createHousekeeping } from '../processor/housekeeping.ts';
import { createProcessor } from '../processor/processor.ts';
import { readLeaseEpochs } from '../scheduler/tables/leases.ts';
import { readCountedTopics } from '../streaming/topics.ts';
import { untilStreamThere } from './connections.ts';
import { type Counting, createCounting } from './counting.ts';
import type { Foundation } from './foundation.ts';

/** The role `processor`: results are counted, once it is started. */
export function createProcessing(foundation: Foundation): Counting {
  const { settings, logger, clock, database, driver, partitionsOf, instanceId, hooks } = foundation;
  const plans = planMetrics(settings.metrics);
  return createCounting({
    database,
    logger,
    resultsTopic: settings.topics.results,
    create: async (topics) => {
      await Promise.all(topics.map(partitionsOf));
      return createProcessor({
        database,
        driver,
        logger,
        clock,
        group: settings.processor.group,
        topics,
        plans,
        resultsStore: settings.results.store,
        flushIntervalMs: settings.processor.flushIntervalMs,
        limits: { rows: settings.processor.flushRows },
        instanceId,
        keptFor: keptFor(settings),
        leaseEpochs: (locations) => readLeaseEpochs(database, locations),
        ...(hooks ? { hooks } : {}),
      });
    },
  });
}

export async function startCounting(counting: Counting, foundation: Foundation): Promise<void> {
  foundation.lifecycle.defer(() => counting.stop());
  await untilStreamThere(() => counting.start(), foundation);
}

/** What is older than its retention goes. */
export function startHousekeeping({ settings, logger, clock, lifecycle, database, driver }: Foundation): void {
  const housekeeping = createHousekeeping({
    database,
    logger,
    clock,
    retention: { ...keptFor(settings), deadLetters: settings.storage.retention.deadLettersMs },
    lowOffsets: async () => {
      const topics = await readCountedTopics(database, settings.topics.results);
      const ranges = await Promise.all(topics.map(async (topic) => ({ topic, ranges: await driver.ranges(topic) })));
      return ranges.flatMap(({ topic, ranges }) => ranges.map(({ partition, low }) => ({ topic, partition, low })));
    },
  });
  housekeeping.start();
  lifecycle.defer(() => housekeeping.stop());
}

/** A granularity without a retention of its own is kept as long as the next finer one that has one. */
function keptFor({ metrics, storage: { retention } }: Foundation['settings']): KeptFor {
  const keptMs = (durationMs: number) => {
    if (durationMs >= 86_400_000) return retention.dayMs;
    return durationMs >= 3_600_000 ? retention.hourMs : retention.minuteMs;
  };
  return {
    results: retention.resultsMs,
    metrics: Object.fromEntries(planMetrics(metrics).map(({ name, durationMs }) => [name, keptMs(durationMs)])),
  };
}
