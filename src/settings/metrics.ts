import { BUILT_IN_AGGREGATES, checkMetrics, type MetricSetting } from '../aggregates/metrics-plan.ts';
import { type SettingProblem, showValue } from './problems.ts';

/** An aggregate as written: its function has two names. */
interface GivenAggregate {
  function?: string;
  aggregate_function?: string;
  field: string;
}

/** Fills in the built-in functions where none are named, and checks that functions and fields exist. */
export function resolveMetrics(
  given: ReadonlyArray<{ granularity: string; aggregates?: readonly GivenAggregate[] }>,
  source: string | undefined,
  problems: SettingProblem[],
): MetricSetting[] {
  const report = (path: string, value: unknown, accepted: string) =>
    void problems.push({ path: `metrics${path}`, given: showValue(value), ...(source ? { source } : {}), accepted });
  const metrics = given.map(({ granularity, aggregates }, at) => {
    const wanted = aggregates?.map((aggregate, index) => {
      const { function: name, aggregate_function: other, field } = aggregate;
      const isOne = (name === undefined) !== (other === undefined);
      if (!isOne) report(`[${at}].aggregates[${index}]`, aggregate, 'function or aggregate_function, one of them');
      return isOne ? [{ function: functionOf(name ?? other), field }] : [];
    });
    return { granularity, aggregates: wanted?.flat() ?? BUILT_IN_AGGREGATES };
  });
  for (const { path, given: value, accepted } of checkMetrics(metrics)) report(path, value, accepted);
  return metrics;
}

/** Percentiles are what people see of a histogram. */
function functionOf(name = ''): string {
  return name === 'percentiles' ? 'histogram' : name;
}
