import type { Registry } from '../core/registry.ts';
import type { Aggregate, AggregateField } from './aggregate.ts';
import { COLUMNS_BY_METRIC, metricKey } from './columns.ts';
import { fitsField } from './field-value.ts';
import { readGranularity } from './granularity.ts';
import { aggregates } from './index.ts';
import {
  type ExtraMetric,
  functionNamed,
  type GranularityPlan,
  isSelective,
  type MetricSetting,
} from './metrics-plan.ts';

/** What decides which metrics a job has beside those of all. */
export interface SelectedJob {
  type: string;
  tags: readonly string[];
  /** Its own ones. */
  metrics: readonly MetricSetting[];
}

/**
 * The metrics without a column that a job has. Those of all jobs are in every selection. Of the others a row of `metrics`
 * records which it has, so that what is selected may change at any time: a row keeps a metric only if every result in it was
 * counted for it.
 */
export interface Selection {
  /** Of all granularities together, each once. States of a row are in this order. */
  readonly extras: readonly ExtraMetric[];
  /** By level (shortest granularity first): the ones that rows of it keep. */
  readonly levels: ReadonlyArray<readonly SelectedMetric[]>;
}

interface SelectedMetric {
  readonly metric: ExtraMetric;
  /** Index into `extras` of the selection. */
  readonly index: number;
  /** Whether all jobs have it. */
  readonly isOfAll: boolean;
}

/** Makes selections. Jobs with the same metrics have the same one. */
export class MetricSelector {
  /** Of a job without metrics beside those of all. */
  readonly base: Selection;
  readonly #plans: readonly GranularityPlan[];
  readonly #selective: readonly MetricSetting[];
  readonly #registry: Registry<Aggregate>;
  readonly #made = new Map<string, Selection>();

  /** `plans`: those of the same settings, shortest granularity first. */
  constructor(
    plans: readonly GranularityPlan[],
    settings: readonly MetricSetting[] = [],
    registry: Registry<Aggregate> = aggregates,
  ) {
    this.#plans = plans;
    this.#selective = settings.filter(isSelective);
    this.#registry = registry;
    this.base = selectionOf(plans.map(({ extras }) => extras.map((metric) => ({ metric, isOfAll: true }))));
  }

  /** Their names by level. */
  get granularities(): string[] {
    return this.#plans.map(({ name }) => name);
  }

  /** What this program does not know, or keeps no rows of, is left out. */
  select({ type, tags, metrics }: SelectedJob): Selection {
    const chosen = this.#selective.filter(
      (setting) =>
        (setting.types === undefined || setting.types.includes(type)) &&
        (setting.tags === undefined || setting.tags.some((tag) => tags.includes(tag))),
    );
    if (chosen.length === 0 && metrics.length === 0) return this.base;
    const levels = this.#plans.map(({ name, columns, extras }) => {
      const metricsOf = new Map(extras.map((metric) => [metric.key, { metric, isOfAll: true }]));
      for (const setting of [...chosen, ...metrics]) {
        if (readGranularity(setting.granularity)?.name !== name) continue;
        for (const { function: wanted, field } of setting.aggregates) {
          const metric = metricOf(metricKey(functionNamed(wanted), field), this.#registry);
          if (metric === null || metricsOf.has(metric.key) || hasColumns(metric.key, columns)) continue;
          metricsOf.set(metric.key, { metric, isOfAll: false });
        }
      }
      return [...metricsOf.values()];
    });
    if (levels.every((level) => level.every(({ isOfAll }) => isOfAll))) return this.base;
    const key = JSON.stringify(levels.map((level) => level.map(({ metric }) => metric.key)));
    const known = this.#made.get(key);
    if (known) return known;
    if (this.#made.size >= MAX_KNOWN) this.#made.clear();
    const selection = selectionOf(levels);
    this.#made.set(key, selection);
    return selection;
  }
}

/** The selections of jobs, as they were read last. */
export class JobSelections {
  readonly #extras = new Map<string, ExtraMetric>();
  #list: readonly ExtraMetric[] = [];
  readonly #selector: MetricSelector;
  /** Only of jobs with metrics beside those of all. */
  readonly #byJob = new Map<number, Selection>();

  constructor(selector: MetricSelector) {
    this.#selector = selector;
    for (const metric of selector.base.extras) this.#extras.set(metric.key, metric);
  }

  /** Of all selections that there ever were, each once: it only grows. */
  get extras(): readonly ExtraMetric[] {
    if (this.#list.length < this.#extras.size) this.#list = [...this.#extras.values()];
    return this.#list;
  }

  set(jobId: number, job: SelectedJob): void {
    const selection = this.#selector.select(job);
    if (selection === this.#selector.base) {
      this.#byJob.delete(jobId);
      return;
    }
    this.#byJob.set(jobId, selection);
    for (const metric of selection.extras) this.#extras.set(metric.key, metric);
  }

  of(jobId: number): Selection {
    return this.#byJob.get(jobId) ?? this.#selector.base;
  }

  /** Whether any job has a metric that not all have. */
  hasOfSome(key: string, granularity: string): boolean {
    return [...this.#byJob.keys()].some((jobId) =>
      this.ofSome(jobId, granularity).some((metric) => metric.key === key),
    );
  }

  /** Of a job and a granularity, those that not all jobs have. */
  ofSome(jobId: number, granularity: string): ExtraMetric[] {
    const selection = this.#byJob.get(jobId);
    const level = this.#selector.granularities.indexOf(granularity);
    return (selection?.levels[level] ?? []).flatMap(({ metric, isOfAll }) => (isOfAll ? [] : [metric]));
  }
}

/** The metric of a key of `metrics.extra`; null when this program does not know it. */
export function metricOf(key: string, registry: Registry<Aggregate> = aggregates): ExtraMetric | null {
  const end = key.indexOf('_');
  const name = key.slice(0, Math.max(0, end));
  const field = key.slice(end + 1);
  if (!registry.has(name)) return null;
  const aggregate = registry.get(name);
  if (!aggregate.fields.some((pattern) => fitsField(pattern, field))) return null;
  return { key, aggregate, field: field as AggregateField };
}

/** What both selections have, in the order of the first. */
export function commonSelection(a: Selection, b: Selection): Selection {
  if (a === b) return a;
  const keys = new Set(b.extras.map(({ key }) => key));
  return selectionOf(a.levels.map((level) => level.filter(({ metric }) => keys.has(metric.key))));
}

function selectionOf(levels: ReadonlyArray<ReadonlyArray<Omit<SelectedMetric, 'index'>>>): Selection {
  const extras = new Map<string, ExtraMetric>();
  for (const level of levels) for (const { metric } of level) extras.set(metric.key, metric);
  const indexes = new Map([...extras.keys()].map((key, index) => [key, index]));
  return {
    extras: [...extras.values()],
    levels: levels.map((level) => level.map((one) => ({ ...one, index: indexes.get(one.metric.key) ?? -1 }))),
  };
}

function hasColumns(key: string, columns: ReadonlySet<string>): boolean {
  return COLUMNS_BY_METRIC.get(key)?.every(({ name }) => columns.has(name)) ?? false;
}

/** Of jobs that each have other metrics, more are made again. */
const MAX_KNOWN = 10_000;
