import { planMetrics } from '../aggregates/metrics-plan.ts';
import { createHousekeeping } from '../processor/housekeeping.ts';
import { createProcessor } from '../processor/processor.ts';
import { untilStreamThere } from './connections.ts';
import { type Counting, createCounting } from './counting.ts';
import type { Foundation } from './foundation.ts';

/** Starts the role `processor`: results are counted, and what is older than its retention goes. */
export async function startCounting(foundation: Foundation): Promise<Counting> {
  const { settings, logger, clock, lifecycle, database, driver, partitionsOf, instanceId, hooks } = foundation;
  const { retention } = settings.storage;
  const plans = planMetrics(settings.metrics);
  const counting = createCounting({
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
        ...(hooks ? { hooks } : {}),
      });
    },
  });
  lifecycle.defer(() => counting.stop());
  await untilStreamThere(() => counting.start(), foundation);

  const housekeeping = createHousekeeping({
    database,
    logger,
    clock,
    retention: {
      results: retention.resultsMs,
      metrics: Object.fromEntries(plans.map(({ name, durationMs }) => [name, keptFor(durationMs, retention)])),
      deadLetters: retention.deadLettersMs,
    },
  });
  housekeeping.start();
  lifecycle.defer(() => housekeeping.stop());
  return counting;
}

/** A granularity without a retention of its own is kept as long as the next finer one that has one. */
function keptFor(durationMs: number, retention: Foundation['settings']['storage']['retention']): number | null {
  if (durationMs >= 86_400_000) return retention.dayMs;
  return durationMs >= 3_600_000 ? retention.hourMs : retention.minuteMs;
}
