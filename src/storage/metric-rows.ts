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

/** The columns of `metrics` in the order of copyRows. */
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

/** The rows of `deltas` in the order of `order`, as chunks for a binary COPY into METRIC_COLUMNS. */
export function* copyRows(deltas: MetricDeltas, order: Int32Array): Generator<Buffer> {
  const { plans, level, jobId, location, locations, bucketMs, values, cellStart, cellEnd, cellCode, cellCount } =
    deltas.arrays;
  const buffer = new CopyBuffer();
  const names = plans.map((plan) => Buffer.from(plan.name));
  const places = locations.map((name) => Buffer.from(name));
  const statusKeys = deltas.arrays.statuses.map((status) => Buffer.from(`${JSON.stringify(status)}:`));
  for (const row of order) {
    const { columns, extras } = plans[level[row]];
    const at = row * STRIDE;
    const responses = values[at + RT_COUNT];
    const full = buffer.row(METRIC_COLUMNS.length);
    if (full) yield full;
    buffer.bytes(names[level[row]]);
    buffer.int4(jobId[row]);
    buffer.bytes(places[location[row]]);
    buffer.timestamp(bucketMs[row]);
    buffer.int8(values[at] + values[at + 1] + values[at + 2] + values[at + 3]);
    for (let outcome = 0; outcome < 4; outcome++) buffer.int8(values[at + outcome]);
    buffer.int8(columns.has('rt_count') ? responses : 0);
    if (responses > 0 && columns.has('rt_min')) buffer.int8(values[at + RT_MIN]);
    else buffer.null();
    if (responses > 0 && columns.has('rt_max')) buffer.int8(values[at + RT_MAX]);
    else buffer.null();
    buffer.int8(columns.has('rt_sum') ? values[at + RT_SUM] : 0);
    const first = cellStart[row];
    const end = cellEnd[row];

    const data = buffer.beginObject();
    if (columns.has('data')) {
      for (let cell = first; cell < end; cell++) {
        const code = cellCode[cell];
        if (code >= STATUS_CODE) buffer.counter(statusKeys[code - STATUS_CODE], cellCount[cell]);
      }
    }
    buffer.endObject(data);

    const reasons = buffer.beginObject();
    if (columns.has('reasons')) {
      for (let cell = first; cell < end; cell++) {
        const code = cellCode[cell];
        if (code >= REASON_CODE && code < STATUS_CODE) buffer.counter(REASON_KEYS[code - REASON_CODE], cellCount[cell]);
      }
    }
    buffer.endObject(reasons);

    const histogram = buffer.beginObject();
    if (columns.has('rt_hist')) {
      for (let cell = first; cell < end; cell++) {
        if (cellCode[cell] < REASON_CODE) buffer.numberedCounter(cellCode[cell], cellCount[cell]);
      }
    }
    buffer.endObject(histogram);
    buffer.bytes(extras.length === 0 ? EMPTY_OBJECT : Buffer.from(`\u0001${JSON.stringify(deltas.extraOf(row))}`));
  }
  yield buffer.end();
}

const REASON_KEYS = REASONS.map((reason) => Buffer.from(`"${reason}":`));
/** JSONB in binary: its version, then the text. */
const EMPTY_OBJECT = Buffer.from('\u0001{}');

/** The rows by key: whoever writes them in this order can wait for another writer, but not in a circle. */
export function rowsByKey(deltas: MetricDeltas): Int32Array {
  const { plans, level, jobId, location, locations, bucketMs } = deltas.arrays;
  const levelRank = ranks(plans.map((plan) => plan.name));
  const locationRank = ranks(locations);
  const width = locations.length;
  // Granularity, job and location in one number: 2^53 is far away for 2^31 jobs, some granularities and 4096 locations.
  const keys = new Float64Array(deltas.length);
  for (let row = 0; row < deltas.length; row++) {
    keys[row] = (levelRank[level[row]] * 2_147_483_648 + jobId[row]) * width + locationRank[location[row]];
  }
  const order = new Int32Array(deltas.length);
  for (let row = 0; row < order.length; row++) order[row] = row;
  return order.sort((a, b) => keys[a] - keys[b] || bucketMs[a] - bucketMs[b]);
}

function ranks(names: readonly string[]): number[] {
  const sorted = [...names].sort();
  const rankOf = new Map(sorted.map((name, rank) => [name, rank]));
  return names.map((name) => rankOf.get(name) ?? 0);
}
