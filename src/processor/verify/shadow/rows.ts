import { COLUMNS } from '../../../aggregates/columns.ts';
import { type CounterMap, increase } from '../../../aggregates/counter-aggregate.ts';
import { fieldText, fieldValue } from '../../../aggregates/field-value.ts';
import { binOf } from '../../../aggregates/histogram.ts';
import { encodeBins } from '../../../aggregates/histogram-bytes.ts';
import { columnsFor, type ExtraMetric, type GranularityPlan } from '../../../aggregates/metrics-plan.ts';
import { addAmount, amountOf, EMPTY } from '../../../aggregates/number-aggregate.ts';
import { type JobSelections, metricOf } from '../../../aggregates/selection.ts';
import { elementAt } from '../../../core/element-at.ts';
import type { KeptColumns } from '../../../messages/column-buffer.ts';
import { locationOf, type ResultColumns } from '../../../messages/result-columns.ts';
import type { StoredMetricRow } from '../stored-rows.ts';

/** One granularity of the proof: the buckets in [fromMs, toMs), both of them bounds of buckets. */
export interface ShadowRange {
  plan: GranularityPlan;
  fromMs: number;
  toMs: number;
}

/** A row that is being counted again. */
interface ShadowRow {
  place: Place;
  plan: GranularityPlan;
  /** In the order of COLUMNS: a number, or how often each text or bin came. */
  values: Array<number | CounterMap>;
  /** Those of the plan, then those of some jobs only. */
  extras: readonly ExtraMetric[];
  /** In the order of `extras`. */
  states: unknown[];
}

/** Which metrics without a column rows are counted again for, beside those of all jobs. */
export interface ExtrasExpected {
  /** What stored rows say that they keep, by `granularity job_id dt location`. */
  recorded?: ReadonlyMap<string, readonly string[]>;
  /** What rows keep that have to be made. */
  selections?: JobSelections | undefined;
  /** The key of a metric that is expected in every row of the jobs that have it, whatever the rows say. */
  filled?: string | undefined;
}

/** Where a stored row is not what the log says. `column` is null when the whole row is missing or too many. */
export interface Difference {
  granularity: string;
  jobId: number;
  location: string;
  dtMs: number;
  kind: 'missing row' | 'extra row' | 'value';
  column: string | null;
  stored: unknown;
  expected: unknown;
}

/** A row that is not what the log says: at least one of the two is there. */
export interface Mismatch {
  stored: StoredMetricRow | null;
  expected: StoredMetricRow | null;
  differences: Difference[];
}

/** Rows of metrics, added up one result at a time in plain objects. */
export class ShadowRows {
  readonly #rows = new Map<string, ShadowRow>();
  readonly #ranges: readonly ShadowRange[];
  readonly #extras: ExtrasExpected;
  /** Of some jobs only, by their keys. */
  readonly #metrics = new Map<string, ExtraMetric | null>();

  constructor(ranges: readonly ShadowRange[], extras: ExtrasExpected = {}) {
    this.#ranges = ranges;
    this.#extras = extras;
    for (const keys of new Set(extras.recorded?.values())) for (const key of keys) this.#metricOf(key);
  }

  /** Nothing before counts for any row, ms since the epoch. */
  get fromMs(): number {
    return Math.min(...this.#ranges.map((range) => range.fromMs));
  }

  /** What the decoder of the results must keep. */
  get wanted(): KeptColumns {
    const ofAll = this.#ranges.flatMap(({ plan }) => plan.extras);
    const ofSome = [...this.#metrics.values()].flatMap((metric) => metric ?? []);
    return columnsFor([...ofAll, ...ofSome, ...(this.#extras.selections?.extras ?? [])]);
  }

  get size(): number {
    return this.#rows.size;
  }

  /** Adds the result of `row` once, as of `atMs`, to its bucket of each granularity. */
  add(columns: ResultColumns, row: number, atMs: number): void {
    for (const { plan, fromMs, toMs } of this.#ranges) {
      if (atMs >= fromMs && atMs < toMs) this.#addTo(this.#find(plan, columns, row, atMs), columns, row);
    }
  }

  /** Compares a stored row; null when it is equal. `rest` no longer has it. */
  compare(stored: StoredMetricRow): Mismatch | null {
    const key = keyOf(stored);
    const expected = this.#rows.get(key);
    this.#rows.delete(key);
    const place = placeOf(stored);
    if (!expected) {
      const extra = { ...place, kind: 'extra row', column: null, stored: summary(stored), expected: null } as const;
      return { stored, expected: null, differences: [extra] };
    }
    const recorded = stored.values.extra as Readonly<Record<string, unknown>>;
    const { filled } = this.#extras;
    const row = finished(expected, (name) => name === filled || Object.hasOwn(recorded, name));
    const differences: Difference[] = [];
    for (const [column, ought] of Object.entries(row.values)) {
      const is = stored.values[column];
      if (
        column === 'extra' ? sameExtra(recorded, ought as typeof recorded, filled) : canonical(is) === canonical(ought)
      )
        continue;
      differences.push({ ...place, kind: 'value', column, stored: is, expected: ought });
    }
    return differences.length === 0 ? null : { stored, expected: row, differences };
  }

  /** Rows that no stored one was compared with. */
  *rest(): Generator<Mismatch> {
    for (const expected of this.#rows.values()) {
      const row = finished(expected, () => true);
      const missing = {
        ...placeOf(row),
        kind: 'missing row',
        column: null,
        stored: null,
        expected: summary(row),
      } as const;
      yield { stored: null, expected: row, differences: [missing] };
    }
  }

  #find(plan: GranularityPlan, columns: ResultColumns, row: number, atMs: number): ShadowRow {
    const jobId = columns.jobId[row] as number;
    const location = locationOf(columns, row);
    const place = { granularity: plan.name, jobId, location, dtMs: atMs - (atMs % plan.durationMs) };
    const key = keyOf(place);
    let found = this.#rows.get(key);
    if (!found) {
      const extras = [...plan.extras, ...this.#extrasOfSome(plan, jobId, key)];
      found = {
        place,
        plan,
        values: COLUMNS.map((column) => (column.type === 'bigint' ? EMPTY[column.merge] : new Map())),
        extras,
        states: extras.map(({ aggregate }) => aggregate.create()),
      };
      this.#rows.set(key, found);
    }
    return found;
  }

  #extrasOfSome(plan: GranularityPlan, jobId: number, key: string): ExtraMetric[] {
    const { recorded, selections } = this.#extras;
    const metrics = new Map<string, ExtraMetric>();
    for (const name of recorded?.get(key) ?? []) {
      const metric = this.#metricOf(name);
      if (metric) metrics.set(name, metric);
    }
    for (const metric of selections?.ofSome(jobId, plan.name) ?? []) metrics.set(metric.key, metric);
    return [...metrics.values()].filter(({ key: name }) => plan.extras.every((extra) => extra.key !== name));
  }

  #metricOf(key: string): ExtraMetric | null {
    const known = this.#metrics.get(key);
    if (known !== undefined) return known;
    const metric = metricOf(key);
    this.#metrics.set(key, metric);
    return metric;
  }

  #addTo({ plan, values, extras, states }: ShadowRow, columns: ResultColumns, row: number): void {
    for (const [index, column] of COLUMNS.entries()) {
      if (!plan.columns.has(column.name)) continue;
      const value = elementAt(values, index);
      if (column.type === 'bigint') {
        values[index] = addAmount(
          column.merge,
          value as number,
          amountOf(column.amount, columns, row, column.field),
          1,
        );
        continue;
      }
      const key = column.type === 'jsonb' ? fieldText(columns, row, column.field) : binKey(columns, row, column.field);
      if (key !== null) increase(value as CounterMap, key, 1);
    }
    extras.forEach(({ aggregate, field }, index) => {
      states[index] = aggregate.add(states[index], columns, row, 1, field);
    });
  }
}

function binKey(columns: ResultColumns, row: number, field: 'response_time' | 'bytes'): string | null {
  const value = fieldValue(columns, row, field);
  return value === null ? null : String(binOf(value));
}

type Place = Pick<StoredMetricRow, 'granularity' | 'jobId' | 'location' | 'dtMs'>;

/** `isKept`: whether the row keeps a metric of some jobs only. It says so even when there is no value. */
function finished(
  { place, plan, values, extras, states }: ShadowRow,
  isKept: (key: string) => boolean,
): StoredMetricRow {
  const extra: Record<string, unknown> = {};
  extras.forEach(({ key, aggregate }, index) => {
    const value = aggregate.toStored(states[index]);
    const isOfAll = index < plan.extras.length;
    if (isOfAll ? value !== null : isKept(key)) extra[key] = value;
  });
  const columns = COLUMNS.map(({ name, type }, index) => [name, storedForm(type, elementAt(values, index))] as const);
  return { ...place, writes: 0, values: { ...Object.fromEntries(columns), extra } };
}

function storedForm(type: 'bigint' | 'jsonb' | 'bytea', value: number | CounterMap): unknown {
  if (typeof value === 'number') return value < 0 ? null : value;
  // fromEntries makes own properties even of a status such as __proto__.
  if (type === 'jsonb') return Object.fromEntries(value);
  return encodeBins([...value].map(([bin, count]) => [Number(bin), count] as const)).toString('hex');
}

/** Equal texts for equal values; PostgreSQL orders the keys of JSONB in its own way. */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join()}}`;
}

/** That a row says of a metric that it has no value of it makes no difference, but where the metric is filled in. */
function sameExtra(
  is: Readonly<Record<string, unknown>>,
  ought: Readonly<Record<string, unknown>>,
  filled: string | undefined,
): boolean {
  if (filled !== undefined && Object.hasOwn(ought, filled) && !Object.hasOwn(is, filled)) return false;
  return [...new Set([...Object.keys(is), ...Object.keys(ought)])].every(
    (key) => canonical(is[key] ?? null) === canonical(ought[key] ?? null),
  );
}

function placeOf({ granularity, jobId, location, dtMs }: Place): Place {
  return { granularity, jobId, location, dtMs };
}

export function keyOf({ granularity, jobId, location, dtMs }: Place): string {
  return `${granularity} ${jobId} ${dtMs} ${location}`;
}

function summary({ values }: StoredMetricRow): Record<string, unknown> {
  const { count, up, degraded, down, missed } = values;
  return { count, up, degraded, down, missed };
}
