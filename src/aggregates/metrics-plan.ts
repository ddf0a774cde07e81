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
  /** Only jobs of one of these monitor types have them. */
  types?: readonly string[];
  /** Only jobs with one of these tags have them. */
  tags?: readonly string[];
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

/** The function of a name as written: percentiles are what people see of a histogram. */
export function functionNamed(name: string): string {
  return name === 'percentiles' ? 'histogram' : name;
}

/** Whether the metrics of an entry are those of some jobs only. */
export function isSelective({ types, tags }: Pick<MetricSetting, 'types' | 'tags'>): boolean {
  return types !== undefined || tags !== undefined;
}

/** The entries that hold for all jobs: the built-in ones when there are none. */
export function metricsOfAll(settings: readonly MetricSetting[]): readonly MetricSetting[] {
  const found = settings.filter((setting) => !isSelective(setting));
  return found.length === 0 ? BUILT_IN_METRICS : found;
}

/** Every problem of a `metrics` setting, with its path from that setting. */
export function checkMetrics(
  settings: readonly MetricSetting[],
  registry: Registry<Aggregate> = aggregates,
): Problem[] {
  const names = metricsOfAll(settings).flatMap(({ granularity }) => nameOf(granularity) ?? []);
  const problems: Problem[] = [];
  const seen = new Set<string>();
  settings.forEach((setting, at) => {
    const { granularity } = setting;
    const name = nameOf(granularity);
    const refuse = (accepted: string) => problems.push({ path: `[${at}].granularity`, given: granularity, accepted });
    if (isSelective(setting)) {
      if (name === null || !names.includes(name)) refuse(keptGranularities(names));
    } else if (name === null) {
      refuse('minute, hour, day or a duration such as 30s, 5m, 12h, 7d');
    } else if (seen.has(name)) {
      refuse('each granularity once');
    } else {
      seen.add(name);
    }
    problems.push(...aggregateProblems(setting, `[${at}]`, registry));
  });
  return problems;
}

/** Every problem of the metrics of one job. `settings` are those of the setting `metrics`. */
export function checkJobMetrics(
  metrics: readonly MetricSetting[],
  settings: readonly MetricSetting[],
  registry: Registry<Aggregate> = aggregates,
): Problem[] {
  const names = metricsOfAll(settings).flatMap(({ granularity }) => nameOf(granularity) ?? []);
  return metrics.flatMap((metric, at) => {
    const isKept = names.includes(nameOf(metric.granularity) ?? '');
    const path = `[${at}].granularity`;
    const unkept = isKept ? [] : [{ path, given: metric.granularity, accepted: keptGranularities(names) }];
    return [...unkept, ...aggregateProblems(metric, `[${at}]`, registry)];
  });
}

function keptGranularities(names: readonly string[]): string {
  return `one of ${names.join(', ')}: the granularities that are counted for all jobs`;
}

function aggregateProblems(
  { aggregates: wanted }: MetricSetting,
  at: string,
  registry: Registry<Aggregate>,
): Problem[] {
  return wanted.flatMap((metric, index) => {
    const path = `${at}.aggregates[${index}]`;
    const name = functionNamed(metric.function);
    if (!registry.has(name)) {
      const accepted = `one of ${registry.names().join(', ')}`;
      return [{ path: `${path}.function`, given: metric.function, accepted }];
    }
    const { fields } = registry.get(name);
    if (fields.some((field) => fitsField(field, metric.field))) return [];
    return [{ path: `${path}.field`, given: metric.field, accepted: `one of ${acceptedFields(fields)}` }];
  });
}

/** The plans of all granularities, shortest first. Throws RangeError for settings that checkMetrics finds wrong. */
export function planMetrics(
  settings: readonly MetricSetting[] = BUILT_IN_METRICS,
  registry: Registry<Aggregate> = aggregates,
): GranularityPlan[] {
  const [problem] = checkMetrics(settings, registry);
  if (problem) throw new RangeError(`metrics${problem.path}: accepted: ${problem.accepted}`);
  return metricsOfAll(settings)
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

/** What columns must keep for metrics, at a cost for each result. */
export function columnsFor(extras: readonly ExtraMetric[]): { timings: boolean; offsets: boolean } {
  return {
    timings: extras.some(({ field }) => field.startsWith('timings.')),
    offsets: extras.some(({ aggregate }) => aggregate === last),
  };
}
