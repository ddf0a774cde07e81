import { BUILT_IN_AGGREGATES, checkMetrics, type MetricSetting } from '../aggregates/metrics-plan.ts';
import { type SettingProblem, showValue } from './problems.ts';

/** Fills in the built-in functions where none are named, and checks that functions and fields exist. */
export function resolveMetrics(
  given: ReadonlyArray<{ granularity: string; aggregates?: MetricSetting['aggregates'] }>,
  source: string | undefined,
  problems: SettingProblem[],
): MetricSetting[] {
  const metrics = given.map(({ granularity, aggregates = BUILT_IN_AGGREGATES }) => ({ granularity, aggregates }));
  for (const { path, given: value, accepted } of checkMetrics(metrics)) {
    problems.push({ path: `metrics${path}`, given: showValue(value), ...(source ? { source } : {}), accepted });
  }
  return metrics;
}
