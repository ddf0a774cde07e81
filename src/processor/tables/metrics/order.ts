import type { MetricDeltas } from '../../../aggregates/accumulator/deltas.ts';

/** The rows of several deltas in one list: entry n is row `row[n]` of `deltas[source[n]]`. */
export interface RowList {
  source: Int32Array;
  row: Int32Array;
  /** The entries of key n are those from starts[n] on and before starts[n + 1]. */
  starts: Int32Array;
}

/**
 * All rows in the order of their keys (granularity, job, location, bucket). Writers that keep this order may
 * wait for each other, but never in a circle.
 */
export function orderRows(deltas: readonly MetricDeltas[]): RowList {
  const length = deltas.reduce((sum, one) => sum + one.length, 0);
  const { source, row, keys, buckets } = listRows(deltas, length);
  const order = sorted(keys, buckets);
  const starts: number[] = [];
  for (let at = 0; at < length; at++) {
    const entry = order[at] as number;
    const before = order[at - 1] as number;
    if (at === 0 || keys[entry] !== keys[before] || buckets[entry] !== buckets[before]) starts.push(at);
  }
  return {
    source: order.map((entry) => source[entry] as number),
    row: order.map((entry) => row[entry] as number),
    starts: Int32Array.from([...starts, length]),
  };
}

/** The numbers of the entries in the order of their keys, then of their buckets. */
function sorted(keys: Float64Array, buckets: Float64Array): Int32Array {
  const { length } = keys;
  const ranks = new Map([...new Set(buckets)].sort((a, b) => a - b).map((bucketMs, rank) => [bucketMs, rank]));
  let greatest = 0;
  for (let entry = 0; entry < length; entry++) greatest = Math.max(greatest, keys[entry] as number);
  // Everything in one number, if there is room for it: sorting by a function takes many times as long.
  if ((greatest + 1) * ranks.size * length <= Number.MAX_SAFE_INTEGER) {
    const all = new Float64Array(length);
    for (let entry = 0; entry < length; entry++) {
      const rank = ranks.get(buckets[entry] as number) as number;
      all[entry] = ((keys[entry] as number) * ranks.size + rank) * length + entry;
    }
    all.sort();
    const order = new Int32Array(length);
    for (let at = 0; at < length; at++) {
      const one = all[at] as number;
      order[at] = one - Math.floor(one / length) * length;
    }
    return order;
  }
  const order = Int32Array.from(keys.keys());
  return order.sort(
    (a, b) => (keys[a] as number) - (keys[b] as number) || (buckets[a] as number) - (buckets[b] as number),
  );
}

/** `keys`: granularity, job and location in one number: 2^53 is far beyond 2^31 jobs at thousands of locations. */
function listRows(deltas: readonly MetricDeltas[], length: number) {
  const granularities = ranks(deltas.flatMap(({ arrays }) => arrays.plans.map((plan) => plan.name)));
  const locations = ranks(deltas.flatMap(({ arrays }) => arrays.locations));
  const jobs = deltas.reduce((most, { arrays }) => arrays.jobId.reduce((a, b) => Math.max(a, b), most), 0) + 1;
  const list = { source: new Int32Array(length), row: new Int32Array(length) };
  const keys = new Float64Array(length);
  const buckets = new Float64Array(length);
  let entry = 0;
  for (const [source, { arrays }] of deltas.entries()) {
    const levelRank = Int32Array.from(arrays.plans, (plan) => granularities.get(plan.name) ?? 0);
    const locationRank = Int32Array.from(arrays.locations, (name) => locations.get(name) ?? 0);
    for (let row = 0; row < arrays.length; row++, entry++) {
      list.source[entry] = source;
      list.row[entry] = row;
      const series = (levelRank[arrays.level[row] as number] as number) * jobs + (arrays.jobId[row] as number);
      keys[entry] = series * locations.size + (locationRank[arrays.location[row] as number] as number);
      buckets[entry] = arrays.bucketMs[row] as number;
    }
  }
  return { ...list, keys, buckets };
}

function ranks(names: readonly string[]): Map<string, number> {
  return new Map([...new Set(names)].sort().map((name, rank) => [name, rank]));
}
