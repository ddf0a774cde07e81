import { binOf } from '../../aggregates/histogram.ts';
import { encodeBins } from '../../aggregates/histogram-bytes.ts';
import type { GranularityPlan } from '../../aggregates/metrics-plan.ts';
import { OUTCOMES, REASONS } from '../../messages/check-result.ts';
import { NO_REASON, NO_STATUS, type ResultColumns } from '../../messages/result-columns.ts';
import type { StoredMetricRow } from './stored-rows.ts';

/** One granularity of the proof: the buckets in [fromMs, toMs), both of them bounds of buckets. */
export interface ShadowRange {
  plan: GranularityPlan;
  fromMs: number;
  toMs: number;
}

/** A row counted anew; configured aggregates are still open in `states`. */
interface ShadowRow {
  row: StoredMetricRow;
  bins: Map<number, number>;
  plan: GranularityPlan;
  states: unknown[];
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

/** The columns of `metrics`, as people know them. */
const COLUMNS = {
  count: 'count',
  up: 'up',
  degraded: 'degraded',
  down: 'down',
  missed: 'missed',
  rtCount: 'rt_count',
  rtMin: 'rt_min',
  rtMax: 'rt_max',
  rtSum: 'rt_sum',
  data: 'data',
  reasons: 'reasons',
  rtHist: 'rt_hist',
  extra: 'extra',
} as const satisfies Partial<Record<keyof StoredMetricRow, string>>;

/** Rows of metrics, added up one result at a time in plain objects. */
export class ShadowRows {
  readonly #rows = new Map<string, ShadowRow>();
  readonly #ranges: readonly ShadowRange[];

  constructor(ranges: readonly ShadowRange[]) {
    this.#ranges = ranges;
  }

  /** Nothing before counts for any row, ms since the epoch. */
  get fromMs(): number {
    return Math.min(...this.#ranges.map((range) => range.fromMs));
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

  /** What is wrong with a stored row, or null. It counts as seen: `rest` no longer has it. */
  compare(stored: StoredMetricRow): Mismatch | null {
    const key = keyOf(stored);
    const expected = this.#rows.get(key);
    this.#rows.delete(key);
    const place = placeOf(stored);
    if (!expected) {
      const extra = { ...place, kind: 'extra row', column: null, stored: summary(stored), expected: null } as const;
      return { stored, expected: null, differences: [extra] };
    }
    const row = finished(expected);
    const differences: Difference[] = [];
    for (const [property, column] of Object.entries(COLUMNS)) {
      const [is, ought] = [stored[property as keyof StoredMetricRow], row[property as keyof StoredMetricRow]];
      if (canonical(is) === canonical(ought)) continue;
      differences.push({ ...place, kind: 'value', column, stored: is, expected: ought });
    }
    return differences.length === 0 ? null : { stored, expected: row, differences };
  }

  /** Rows that no stored one was compared with. */
  *rest(): Generator<Mismatch> {
    for (const expected of this.#rows.values()) {
      const row = finished(expected);
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
    const jobId = columns.jobId[row];
    const location = columns.locations[columns.location[row]];
    const place = { granularity: plan.name, jobId, location, dtMs: atMs - (atMs % plan.durationMs) };
    const key = keyOf(place);
    let found = this.#rows.get(key);
    if (!found) {
      found = {
        row: emptyRow(place),
        bins: new Map(),
        plan,
        states: plan.extras.map(({ aggregate }) => aggregate.create()),
      };
      this.#rows.set(key, found);
    }
    return found;
  }

  #addTo({ row: into, bins, plan, states }: ShadowRow, columns: ResultColumns, row: number): void {
    into.count++;
    into[OUTCOMES[columns.outcome[row]]]++;
    const reason = columns.reason[row];
    if (reason !== NO_REASON && plan.columns.has('reasons')) increase(into.reasons, REASONS[reason]);
    const status = columns.status[row];
    if (status !== NO_STATUS && plan.columns.has('data')) increase(into.data, columns.statuses[status]);
    plan.extras.forEach(({ aggregate, field }, index) => {
      states[index] = aggregate.add(states[index], columns, row, 1, field);
    });
    const rt = columns.rtMicros[row];
    if (rt < 0) return;
    if (plan.columns.has('rt_count')) into.rtCount++;
    if (plan.columns.has('rt_sum')) into.rtSum += rt;
    if (plan.columns.has('rt_min') && (into.rtMin === null || rt < into.rtMin)) into.rtMin = rt;
    if (plan.columns.has('rt_max') && (into.rtMax === null || rt > into.rtMax)) into.rtMax = rt;
    if (plan.columns.has('rt_hist')) bins.set(binOf(rt), 1 + (bins.get(binOf(rt)) ?? 0));
  }
}

type Place = Pick<StoredMetricRow, 'granularity' | 'jobId' | 'location' | 'dtMs'>;

function emptyRow(place: Place): StoredMetricRow {
  const counts = { count: 0, up: 0, degraded: 0, down: 0, missed: 0, rtCount: 0, rtMin: null, rtMax: null, rtSum: 0 };
  return { ...place, ...counts, data: counters(), reasons: counters(), rtHist: '', extra: {}, writes: 0 };
}

/** Without a prototype: a status may be any text. */
function counters(): Record<string, number> {
  return Object.create(null);
}

function finished({ row, bins, plan, states }: ShadowRow): StoredMetricRow {
  const extra: Record<string, unknown> = {};
  plan.extras.forEach(({ key, aggregate }, index) => {
    const value = aggregate.toStored(states[index]);
    if (value !== null) extra[key] = value;
  });
  return { ...row, rtHist: encodeBins(bins).toString('hex'), extra };
}

function increase(counters: Record<string, number>, key: string): void {
  counters[key] = (counters[key] ?? 0) + 1;
}

/** Equal texts for equal values; PostgreSQL orders the keys of JSONB in its own way. */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join()}}`;
}

function placeOf({ granularity, jobId, location, dtMs }: Place): Place {
  return { granularity, jobId, location, dtMs };
}

function keyOf({ granularity, jobId, location, dtMs }: Place): string {
  return `${granularity} ${jobId} ${dtMs} ${location}`;
}

function summary({ count, up, degraded, down, missed }: StoredMetricRow): Record<string, number> {
  return { count, up, degraded, down, missed };
}
