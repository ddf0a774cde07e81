import type { GranularityPlan } from '../aggregates/metrics-plan.ts';
import type { KeptFor } from './counting/bounds.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Retention in ms; null: for ever. */
export interface Retention {
  minuteMs: number | null;
  hourMs: number | null;
  dayMs: number | null;
  resultsMs: number | null;
}

/** A granularity without a retention of its own is kept as long as the next finer one that has one. */
export function keptFor(plans: readonly GranularityPlan[], retention: Retention): KeptFor {
  const keptMs = (durationMs: number) => {
    if (durationMs >= DAY_MS) return retention.dayMs;
    return durationMs >= HOUR_MS ? retention.hourMs : retention.minuteMs;
  };
  return {
    results: retention.resultsMs,
    metrics: Object.fromEntries(plans.map(({ name, durationMs }) => [name, keptMs(durationMs)])),
  };
}
