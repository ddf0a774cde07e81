import {
  BUILT_IN_AGGREGATES,
  checkMetrics,
  functionNamed,
  isSelective,
  type MetricSetting,
} from '../aggregates/metrics-plan.ts';
import { type SettingProblem, showValue } from './problems.ts';

/** An aggregate as written: its function has two names. */
interface GivenAggregate {
  function?: string;
  aggregate_function?: string;
  field: string;
}

interface GivenMetric {
  granularity: string;
  aggregates?: readonly GivenAggregate[];
  types?: readonly string[];
  tags?: readonly string[];
}

/** Fills in the built-in functions where none are named, and checks that functions and fields exist. */
export function resolveMetrics(
  given: readonly GivenMetric[],
  source: string | undefined,
  problems: SettingProblem[],
): MetricSetting[] {
  const report = (path: string, value: unknown, accepted: string) => {
    const shown = value === undefined ? {} : { given: showValue(value) };
    problems.push({ path: `metrics${path}`, ...shown, ...(source ? { source } : {}), accepted });
  };
  const metrics = given.map(({ aggregates, ...entry }, at) => {
    if (aggregates === undefined && isSelective(entry)) {
      report(`[${at}].aggregates`, undefined, 'a list of functions of fields, beside types or tags');
    }
    const wanted = aggregates?.map((aggregate, index) => {
      const { function: name, aggregate_function: other, field } = aggregate;
      const isOne = (name === undefined) !== (other === undefined);
      if (!isOne) report(`[${at}].aggregates[${index}]`, aggregate, 'function or aggregate_function, one of them');
      return isOne ? [{ function: functionNamed(name ?? other ?? ''), field }] : [];
    });
    return { ...entry, aggregates: wanted?.flat() ?? BUILT_IN_AGGREGATES };
  });
  for (const { path, given: value, accepted } of checkMetrics(metrics)) report(path, value, accepted);
  return metrics;
}
