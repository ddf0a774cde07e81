import type { Registry } from '../core/registry.ts';
import type { Problem } from '../core/validation.ts';
import { PHASES } from '../messages/check-result.ts';
import type { Aggregate, AggregateField, FieldPattern, Metric } from './aggregate.ts';
import { COLUMNS, COLUMNS_BY_METRIC, metricKey } from './columns.ts';
import { fitsField } from './field-value.ts';
import { type Granularity, parseGranularity } from './granularity.ts';
import { aggregates } from './index.ts';
import { last } from './last.ts';

/** One entry of the setting `metrics`. */
export interface MetricSetting {
  granularity: string;
  aggregates: readonly { function: string; field: string }[];
}

/** An aggregate without a column of its own; its value lies in `metrics.extra` under `key`. */
export interface ExtraMetric {
  key: string;
  aggregate: Aggregate;
  field: AggregateField;
}

/** The metrics of the buckets of one length. */
export interface GranularityPlan extends Granularity {
  /** The columns that are kept, by name, `extra` not included. */
  columns: ReadonlySet<string>;
  extras: readonly ExtraMetric[];
}

/** Everything that has a column. */
export const BUILT_IN_AGGREGATES: readonly Metric[] = aggregates
  .all()
  .flatMap(({ name, columns = [] }) =>
    [...new Set(columns.map(({ field }) => field))].map((field) => ({ function: name, field })),
  );

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
      if (fields.some((field) => fitsField(field, metric.field))) return;
      problems.push({ path: `${path}.field`, given: metric.field, accepted: `one of ${acceptedFields(fields)}` });
    });
  });
  return problems;
}

/** The plans of all granularities, shortest first. Throws RangeError for settings that checkMetrics finds wrong. */
export function planMetrics(
  settings: readonly MetricSetting[] = BUILT_IN_METRICS,
  registry: Registry<Aggregate> = aggregates,
): GranularityPlan[] {
  const [problem] = checkMetrics(settings, registry);
  if (problem) throw new RangeError(`metrics${problem.path}: accepted: ${problem.accepted}`);
  return settings
    .map(({ granularity, aggregates: wanted }) => {
      const columns = new Set(COLUMNS.flatMap(({ name, isAlwaysKept }) => (isAlwaysKept ? [name] : [])));
      const extras: ExtraMetric[] = [];
      for (const metric of wanted) {
        const key = metricKey(metric.function, metric.field);
        const found = COLUMNS_BY_METRIC.get(key);
        for (const { name } of found ?? []) columns.add(name);
        if (found || extras.some((extra) => extra.key === key)) continue;
        extras.push({ key, aggregate: registry.get(metric.function), field: metric.field as AggregateField });
      }
      return { ...parseGranularity(granularity), columns, extras };
    })
    .sort((a, b) => a.durationMs - b.durationMs);
}

function acceptedFields(fields: readonly FieldPattern[]): string {
  return fields.map((field) => (field === 'timings.*' ? `timings.{${PHASES.join(',')}}` : field)).join(', ');
}

function nameOf(granularity: string): string | null {
  try {
    return parseGranularity(granularity).name;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** What columns must keep for the metrics of plans, at a cost for each result. */
export function columnsFor(plans: readonly GranularityPlan[]): { timings: boolean; offsets: boolean } {
  const extras = plans.flatMap((plan) => plan.extras);
  return {
    timings: extras.some(({ field }) => field.startsWith('timings.')),
    offsets: extras.some(({ aggregate }) => aggregate === last),
  };
}
