import type { GranularityPlan } from '../metrics-plan.ts';
import type { RowExtras } from './extra-states.ts';
import { STRIDE } from './layout.ts';

/** The arrays of MetricDeltas; see there. */
export interface DeltaArrays {
  plans: readonly GranularityPlan[];
  length: number;
  level: Int32Array;
  jobId: Int32Array;
  location: Int32Array;
  locations: readonly string[];
  bucketMs: Float64Array;
  /** STRIDE numbers a row. */
  values: Float64Array;
  cellStart: Int32Array;
  cellEnd: Int32Array;
  cellCode: Int32Array;
  cellCount: Float64Array;
  statuses: readonly string[];
  /** Per row, what aggregates without a column have of it; rows that keep none may be left out at the end. */
  extras: ReadonlyArray<RowExtras | undefined>;
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

  /** The rows that `isWanted`; itself when that is all of them. */
  filter(isWanted: (level: number, bucketMs: number) => boolean): MetricDeltas {
    const { arrays } = this;
    const rows = [...Array(arrays.length).keys()].filter((row) =>
      isWanted(arrays.level[row] as number, arrays.bucketMs[row] as number),
    );
    if (rows.length === arrays.length) return this;
    const values = new Float64Array(rows.length * STRIDE);
    rows.forEach((row, at) => {
      values.set(arrays.values.subarray(row * STRIDE, (row + 1) * STRIDE), at * STRIDE);
    });
    const pick = (column: Int32Array) => Int32Array.from(rows, (row) => column[row] as number);
    return new MetricDeltas({
      ...arrays,
      length: rows.length,
      level: pick(arrays.level),
      jobId: pick(arrays.jobId),
      location: pick(arrays.location),
      bucketMs: Float64Array.from(rows, (row) => arrays.bucketMs[row] as number),
      values,
      cellStart: pick(arrays.cellStart),
      cellEnd: pick(arrays.cellEnd),
      extras: arrays.extras.length === 0 ? arrays.extras : rows.map((row) => arrays.extras[row]),
    });
  }
}
