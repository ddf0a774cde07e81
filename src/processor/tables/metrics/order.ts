import type { MetricDeltas } from '../../../aggregates/accumulator/deltas.ts';

/** The rows of several deltas in one list: entry n is row `row[n]` of `deltas[source[n]]`. */
export interface RowList {
  source: Int32Array;
  row: Int32Array;
  /** How many entries of the list have the same key as the one before them: 0 at the first of each key. */
  repeated: Int32Array;
}

/**
 * All rows in the order of their keys (granularity, job, location, bucket). Writers that keep this order may
 * wait for each other, but never in a circle.
 */
export function orderRows(deltas: readonly MetricDeltas[]): RowList {
  const length = deltas.reduce((sum, one) => sum + one.length, 0);
  const { source, row, keys, buckets } = listRows(deltas, length);
  const order = Int32Array.from(keys.keys());
  order.sort((a, b) => (keys[a] as number) - (keys[b] as number) || (buckets[a] as number) - (buckets[b] as number));
  const repeated = new Int32Array(length);
  for (let at = 1; at < length; at++) {
    const entry = order[at] as number;
    const before = order[at - 1] as number;
    if (keys[entry] === keys[before] && buckets[entry] === buckets[before])
      repeated[at] = (repeated[at - 1] as number) + 1;
  }
  return {
    source: order.map((entry) => source[entry] as number),
    row: order.map((entry) => row[entry] as number),
    repeated,
  };
}

/** `keys`: granularity, job and location in one number: 2^53 is far beyond 2^31 jobs at thousands of locations. */
function listRows(deltas: readonly MetricDeltas[], length: number) {
  const granularities = ranks(deltas.flatMap(({ arrays }) => arrays.plans.map((plan) => plan.name)));
  const locations = ranks(deltas.flatMap(({ arrays }) => arrays.locations));
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
      const series = (levelRank[arrays.level[row] as number] as number) * 2_147_483_648 + (arrays.jobId[row] as number);
      keys[entry] = series * locations.size + (locationRank[arrays.location[row] as number] as number);
      buckets[entry] = arrays.bucketMs[row] as number;
    }
  }
  return { ...list, keys, buckets };
}

function ranks(names: readonly string[]): Map<string, number> {
  return new Map([...new Set(names)].sort().map((name, rank) => [name, rank]));
}
