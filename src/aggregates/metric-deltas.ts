import { REASONS } from '../messages/check-result.ts';
import { BINS } from './histogram.ts';
import type { GranularityPlan } from './metrics-plan.ts';

/** What is to be added to one row of `metrics`. Times in ms, response times in microseconds. */
export interface MetricRow {
  granularity: string;
  jobId: number;
  location: string;
  /** Start of the bucket, ms since the epoch, UTC. */
  bucketMs: number;
  count: number;
  up: number;
  degraded: number;
  down: number;
  missed: number;
  rtCount: number;
  /** null without any response. */
  rtMin: number | null;
  rtMax: number | null;
  rtSum: number;
  data: Record<string, number>;
  reasons: Record<string, number>;
  rtHist: Record<string, number>;
  extra: Record<string, number | Record<string, number>>;
}

/** Numbers per row in `values`: the four outcomes in their order, then these. */
export const RT_COUNT = 4;
export const RT_MIN = 5;
export const RT_MAX = 6;
export const RT_SUM = 7;
export const STRIDE = 8;

/** Cells count keys of a row. Their codes: bins of the histogram, then reasons, then statuses. */
export const REASON_CODE = BINS;
export const STATUS_CODE = BINS + 64;

/** The arrays of MetricDeltas; see there. */
export interface DeltaArrays {
  plans: readonly GranularityPlan[];
  length: number;
  level: Int32Array;
  jobId: Int32Array;
  location: Int32Array;
  locations: readonly string[];
  bucketMs: Float64Array;
  values: Float64Array;
  cellStart: Int32Array;
  cellEnd: Int32Array;
  cellCode: Int32Array;
  cellCount: Float64Array;
  statuses: readonly string[];
  /** Per row, the states of `extraKeys`; empty when no aggregate needs it. */
  extras: ReadonlyArray<readonly unknown[]>;
}

/** Everything one flush adds to `metrics`, as columns. Each row has another key. */
export class MetricDeltas {
  readonly arrays: DeltaArrays;

  constructor(arrays: DeltaArrays) {
    this.arrays = arrays;
  }

  get length(): number {
    return this.arrays.length;
  }

  /** Row `row` as an object: for comparing and showing; writing goes over the arrays. */
  row(row: number): MetricRow {
    const { plans, level, jobId, location, locations, bucketMs, values } = this.arrays;
    const { name, columns } = plans[level[row]];
    const at = row * STRIDE;
    const [up, degraded, down, missed] = values.subarray(at, at + 4);
    const responses = values[at + RT_COUNT];
    const cells = this.#cells(row);
    return {
      granularity: name,
      jobId: jobId[row],
      location: locations[location[row]],
      bucketMs: bucketMs[row],
      count: up + degraded + down + missed,
      up,
      degraded,
      down,
      missed,
      rtCount: columns.has('rt_count') ? responses : 0,
      rtMin: columns.has('rt_min') && responses > 0 ? values[at + RT_MIN] : null,
      rtMax: columns.has('rt_max') && responses > 0 ? values[at + RT_MAX] : null,
      rtSum: columns.has('rt_sum') ? values[at + RT_SUM] : 0,
      data: columns.has('data') ? cells.data : {},
      reasons: columns.has('reasons') ? cells.reasons : {},
      rtHist: columns.has('rt_hist') ? cells.rtHist : {},
      extra: this.extraOf(row),
    };
  }

  *rows(): Generator<MetricRow> {
    for (let row = 0; row < this.length; row++) yield this.row(row);
  }

  /** The stored values of a row's aggregates without a column of their own, by key; absent where there is none. */
  extraOf(row: number): Record<string, number | Record<string, number>> {
    const { plans, level, extras } = this.arrays;
    const stored: Record<string, number | Record<string, number>> = {};
    if (extras.length === 0) return stored;
    const union = extrasOf(plans);
    for (const { key } of plans[level[row]].extras) {
      const at = union.findIndex((extra) => extra.key === key);
      const value = union[at].aggregate.toStored(extras[row][at]);
      if (value !== null) stored[key] = value;
    }
    return stored;
  }

  #cells(row: number): Pick<MetricRow, 'data' | 'reasons' | 'rtHist'> {
    const { cellStart, cellEnd, cellCode, cellCount, statuses } = this.arrays;
    const data: Array<[string, number]> = [];
    const reasons: Array<[string, number]> = [];
    const rtHist: Array<[number, number]> = [];
    for (let cell = cellStart[row]; cell < cellEnd[row]; cell++) {
      const code = cellCode[cell];
      if (code < REASON_CODE) rtHist.push([code, cellCount[cell]]);
      else if (code < STATUS_CODE) reasons.push([REASONS[code - REASON_CODE], cellCount[cell]]);
      else data.push([statuses[code - STATUS_CODE], cellCount[cell]]);
    }
    // fromEntries makes own properties even of a status such as __proto__.
    return { data: Object.fromEntries(data), reasons: Object.fromEntries(reasons), rtHist: Object.fromEntries(rtHist) };
  }
}

/** The aggregates without a column of all granularities together, each once. */
export function extrasOf(plans: readonly GranularityPlan[]): GranularityPlan['extras'] {
  const all = plans.flatMap((plan) => plan.extras);
  return all.filter((extra, at) => all.findIndex((other) => other.key === extra.key) === at);
}
