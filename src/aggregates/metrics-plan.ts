import type { Registry } from '../core/registry.ts';
import type { Problem } from '../core/validation.ts';
import type { Aggregate, AggregateField, Metric } from './aggregate.ts';
import { type Granularity, parseGranularity } from './granularity.ts';
import { aggregates } from './index.ts';

/** One entry of the setting `metrics`. */
export interface MetricSetting {
  granularity: string;
  aggregates: readonly { function: string; field: string }[];
}

/** Columns of `metrics` that can be left out. The counts of results by outcome are always kept: coverage needs them. */
export type OptionalColumn = 'rt_count' | 'rt_min' | 'rt_max' | 'rt_sum' | 'data' | 'reasons' | 'rt_hist';

/** An aggregate without a column of its own; its value lies in `metrics.extra` under `key`. */
export interface ExtraMetric {
  key: string;
  aggregate: Aggregate;
  field: AggregateField;
}

/** What is kept for the buckets of one length. */
export interface GranularityPlan extends Granularity {
  columns: ReadonlySet<OptionalColumn>;
  extras: readonly ExtraMetric[];
}

/** Which function of which field has a column of its own. `null`: columns that are always kept. */
const COLUMNS: Readonly<Record<string, OptionalColumn | null>> = {
  count_result: null,
  outcomes_outcome: null,
  count_response_time: 'rt_count',
  min_response_time: 'rt_min',
  max_response_time: 'rt_max',
  sum_response_time: 'rt_sum',
  counters_status: 'data',
  reasons_reason: 'reasons',
  histogram_response_time: 'rt_hist',
};

export const BUILT_IN_AGGREGATES: readonly Metric[] = [
  { function: 'count', field: 'result' },
  { function: 'outcomes', field: 'outcome' },
  { function: 'count', field: 'response_time' },
  { function: 'min', field: 'response_time' },
  { function: 'max', field: 'response_time' },
  { function: 'sum', field: 'response_time' },
  { function: 'counters', field: 'status' },
  { function: 'reasons', field: 'reason' },
  { function: 'histogram', field: 'response_time' },
];

export const BUILT_IN_METRICS: readonly MetricSetting[] = ['minute', 'hour', 'day'].map((granularity) => ({
  granularity,
  aggregates: BUILT_IN_AGGREGATES,
}));

/** Every problem of a `metrics` setting, with its path from that setting. */
export function checkMetrics(
  settings: readonly MetricSetting[],
  registry: Registry<Aggregate> = aggregates,
): Problem[] {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  settings.forEach(({ granularity, aggregates: wanted }, at) => {
    const name = nameOf(granularity);
    if (name === null) {
      const accepted = 'minute, hour, day or a duration such as 30s, 5m, 12h, 7d';
      problems.push({ path: `[${at}].granularity`, given: granularity, accepted });
    } else if (seen.has(name)) {
      problems.push({ path: `[${at}].granularity`, given: granularity, accepted: 'each granularity once' });
    } else {
      seen.add(name);
    }
    wanted.forEach((metric, index) => {
      const path = `[${at}].aggregates[${index}]`;
      if (!registry.has(metric.function)) {
        const accepted = `one of ${registry.names().join(', ')}`;
        problems.push({ path: `${path}.function`, given: metric.function, accepted });
        return;
      }
      const { fields } = registry.get(metric.function);
      if (fields.some((field) => field === metric.field)) return;
      problems.push({ path: `${path}.field`, given: metric.field, accepted: `one of ${fields.join(', ')}` });
    });
  });
  return problems;
}

/** What to keep per granularity, shortest first. Settings that checkMetrics finds wrong make it throw. */
export function planMetrics(
  settings: readonly MetricSetting[] = BUILT_IN_METRICS,
  registry: Registry<Aggregate> = aggregates,
): GranularityPlan[] {
  const problems = checkMetrics(settings, registry);
  if (problems.length > 0) throw new RangeError(`metrics${problems[0].path}: accepted: ${problems[0].accepted}`);
  return settings
    .map(({ granularity, aggregates: wanted }) => {
      const columns = new Set<OptionalColumn>();
      const extras: ExtraMetric[] = [];
      for (const metric of wanted) {
        const key = `${metric.function}_${metric.field}`;
        const column = COLUMNS[key];
        const field = metric.field as AggregateField;
        if (column) columns.add(column);
        else if (column === undefined && !extras.some((extra) => extra.key === key)) {
          extras.push({ key, aggregate: registry.get(metric.function), field });
        }
      }
      return { ...parseGranularity(granularity), columns, extras };
    })
    .sort((a, b) => a.durationMs - b.durationMs);
}

function nameOf(granularity: string): string | null {
  try {
    return parseGranularity(granularity).name;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}
