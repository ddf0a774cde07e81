import { encodeBins } from '../aggregates/histogram-bytes.ts';
import {
  type MetricDeltas,
  REASON_CODE,
  RT_COUNT,
  RT_MAX,
  RT_MIN,
  RT_SUM,
  STATUS_CODE,
  STRIDE,
} from '../aggregates/metric-deltas.ts';
import { REASONS } from '../messages/check-result.ts';
import { CopyBuffer } from './copy-buffer.ts';
import type { RowList } from './metric-order.ts';

/** The columns of `metrics` in the order of copyRows. An empty JSONB object is NULL there. */
export const METRIC_COLUMNS = [
  'granularity',
  'job_id',
  'location',
  'dt',
  'count',
  'up',
  'degraded',
  'down',
  'missed',
  'rt_count',
  'rt_min',
  'rt_max',
  'rt_sum',
  'data',
  'reasons',
  'rt_hist',
  'extra',
] as const;

/**
 * The rows that `order` names (entries of `list`, in that order), as chunks for a binary COPY into METRIC_COLUMNS.
 */
export function* copyRows(list: RowList, order: Int32Array): Generator<Buffer> {
  const buffer = new CopyBuffer();
  const encoders = list.deltas.map((deltas) => new RowEncoder(deltas, buffer));
  for (const entry of order) {
    const full = buffer.row(METRIC_COLUMNS.length);
    if (full) yield full;
    encoders[list.source[entry]].encode(list.row[entry]);
  }
  yield buffer.end();
}

class RowEncoder {
  readonly #deltas: MetricDeltas;
  readonly #buffer: CopyBuffer;
  readonly #names: Buffer[];
  readonly #locations: Buffer[];
  readonly #statusKeys: Buffer[];

  constructor(deltas: MetricDeltas, buffer: CopyBuffer) {
    const { plans, locations, statuses } = deltas.arrays;
    this.#deltas = deltas;
    this.#buffer = buffer;
    this.#names = plans.map((plan) => Buffer.from(plan.name));
    this.#locations = locations.map((name) => Buffer.from(name));
    this.#statusKeys = statuses.map((status) => Buffer.from(`${JSON.stringify(status)}:`));
  }

  encode(row: number): void {
    const buffer = this.#buffer;
    const { plans, level, jobId, location, bucketMs, values } = this.#deltas.arrays;
    const { columns, extras } = plans[level[row]];
    const at = row * STRIDE;
    const responses = values[at + RT_COUNT];
    buffer.bytes(this.#names[level[row]]);
    buffer.int4(jobId[row]);
    buffer.bytes(this.#locations[location[row]]);
    buffer.timestamp(bucketMs[row]);
    buffer.int8(values[at] + values[at + 1] + values[at + 2] + values[at + 3]);
    for (let outcome = 0; outcome < 4; outcome++) buffer.int8(values[at + outcome]);
    buffer.int8(columns.has('rt_count') ? responses : 0);
    if (responses > 0 && columns.has('rt_min')) buffer.int8(values[at + RT_MIN]);
    else buffer.null();
    if (responses > 0 && columns.has('rt_max')) buffer.int8(values[at + RT_MAX]);
    else buffer.null();
    buffer.int8(columns.has('rt_sum') ? values[at + RT_SUM] : 0);
    this.#cells(row, STATUS_CODE, Number.POSITIVE_INFINITY, columns.has('data'), this.#statusKeys);
    this.#cells(row, REASON_CODE, STATUS_CODE, columns.has('reasons'), REASON_KEYS);
    buffer.bytes(encodeBins(Object.entries(this.#deltas.row(row).rtHist).map(([bin, times]) => [Number(bin), times])));
    if (extras.length === 0) buffer.null();
    else buffer.bytes(Buffer.from(`\u0001${JSON.stringify(this.#deltas.extraOf(row))}`));
  }

  /** The cells with codes in [from, to) as one object; null without any. `keys` are their names, null for the number itself. */
  #cells(row: number, from: number, to: number, wanted: boolean, keys: readonly Buffer[] | null): void {
    const { cellStart, cellEnd, cellCode, cellCount } = this.#deltas.arrays;
    const buffer = this.#buffer;
    let start = -1;
    for (let cell = cellStart[row]; wanted && cell < cellEnd[row]; cell++) {
      const code = cellCode[cell];
      if (code < from || code >= to) continue;
      if (start < 0) start = buffer.beginObject();
      if (keys) buffer.counter(keys[code - from], cellCount[cell]);
      else buffer.numberedCounter(code, cellCount[cell]);
    }
    if (start < 0) buffer.null();
    else buffer.endObject(start);
  }
}

const REASON_KEYS = REASONS.map((reason) => Buffer.from(`"${reason}":`));
