import type { MetricDeltas } from '../aggregates/metric-deltas.ts';

/** The rows of several deltas in one list: entry n is row `row[n]` of `deltas[source[n]]`. */
export interface RowList {
  deltas: readonly MetricDeltas[];
  source: Int32Array;
  row: Int32Array;
}

export function listRows(deltas: readonly MetricDeltas[]): RowList {
  const length = deltas.reduce((sum, one) => sum + one.length, 0);
  const list = { deltas, source: new Int32Array(length), row: new Int32Array(length) };
  let entry = 0;
  for (const [source, { length: rows }] of deltas.entries()) {
    for (let row = 0; row < rows; row++, entry++) {
      list.source[entry] = source;
      list.row[entry] = row;
    }
  }
  return list;
}

/**
 * The entries of a list in the order of their keys (granularity, job, location, bucket): whoever writes in this order can
 * wait for another writer, but never in a circle. A key occurs once in each of the answered parts; there is more than one
 * only when several deltas have a row of the same key.
 */
export function orderByKey(list: RowList): Int32Array[] {
  const { keys, buckets } = sortKeys(list);
  const order = Int32Array.from(keys.keys());
  order.sort((a, b) => keys[a] - keys[b] || buckets[a] - buckets[b]);
  const parts: number[][] = [];
  let repeated = 0;
  for (let at = 0; at < order.length; at++) {
    const [entry, before] = [order[at], order[at - 1]];
    repeated = at > 0 && keys[entry] === keys[before] && buckets[entry] === buckets[before] ? repeated + 1 : 0;
    if (repeated > 0) {
      parts[repeated - 1] ??= [];
      parts[repeated - 1].push(entry);
    }
  }
  if (parts.length === 0) return [order];
  const again = new Set(parts.flat());
  return [order.filter((entry) => !again.has(entry)), ...parts.map((part) => Int32Array.from(part))];
}

/** Granularity, job and location of each entry in one number: 2^53 is far beyond 2^31 jobs at thousands of locations. */
function sortKeys({ deltas, source, row }: RowList): { keys: Float64Array; buckets: Float64Array } {
  const granularities = ranks(deltas.flatMap(({ arrays }) => arrays.plans.map((plan) => plan.name)));
  const locations = ranks(deltas.flatMap(({ arrays }) => arrays.locations));
  const keys = new Float64Array(row.length);
  const buckets = new Float64Array(row.length);
  let entry = 0;
  for (; entry < row.length; ) {
    const { arrays } = deltas[source[entry]];
    const levelRank = arrays.plans.map((plan) => granularities.get(plan.name) ?? 0);
    const locationRank = arrays.locations.map((name) => locations.get(name) ?? 0);
    for (const of = source[entry]; entry < row.length && source[entry] === of; entry++) {
      const at = row[entry];
      const series = levelRank[arrays.level[at]] * 2_147_483_648 + arrays.jobId[at];
      keys[entry] = series * locations.size + locationRank[arrays.location[at]];
      buckets[entry] = arrays.bucketMs[at];
    }
  }
  return { keys, buckets };
}

function ranks(names: readonly string[]): Map<string, number> {
  return new Map([...new Set(names)].sort().map((name, rank) => [name, rank]));
}
