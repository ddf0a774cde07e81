import { counterAggregate } from './counter-aggregate.ts';
import { fieldValue, scaleOf } from './field-value.ts';

/**
 * Log-linear histogram of whole numbers (microseconds, bytes): 64 sub-buckets per octave, exact below 128, beyond that
 * the middle of a bin is at most 1/128 (0.78 %) off. Merges by addition, so any order gives the same bins. A number below 0 has
 * the bin of its opposite, with a minus. People see percentiles.
 */
export const histogram = counterAggregate({
  name: 'histogram',
  fields: ['response_time', 'timings.*', 'bytes', 'values.*'],
  key: (columns, row, field) => {
    const value = fieldValue(columns, row, field);
    if (value === null) return null;
    return String(value < 0 ? -binOf(-value) : binOf(value));
  },
  columns: [{ name: 'rt_hist', type: 'bytea', field: 'response_time' }],
  toShown: (state, field, ranks) => {
    const wanted = ranks.length === 0 ? SHOWN_RANKS : ranks;
    const values = percentiles(Object.fromEntries(state), wanted);
    return Object.fromEntries(
      wanted.map((rank, at) => [String(rank), values[at] == null ? null : values[at] / scaleOf(field)]),
    );
  },
});

/** Where none are asked for. */
const SHOWN_RANKS = [50, 95, 99];

/** Bins of values below 2^53 are below this. */
export const BINS = 48 * 64;

/** The bin of a whole number >= 0. */
export function binOf(value: number): number {
  if (value < 128) return value;
  if (value < 2 ** 31) {
    const octave = 25 - Math.clz32(value);
    return octave * 64 + (value >>> octave);
  }
  const shifted = Math.floor(value / 2 ** 22);
  const octave = 25 - Math.clz32(shifted);
  return (octave + 22) * 64 + (shifted >>> octave);
}

/** The least and the greatest whole number of a bin. */
export function binRange(bin: number): { least: number; greatest: number } {
  if (bin < 128) return { least: bin, greatest: bin };
  const octave = Math.floor(bin / 64) - 1;
  const width = 2 ** octave;
  const least = (bin - octave * 64) * width;
  return { least, greatest: least + width - 1 };
}

/**
 * Returns percentiles (0 < p <= 100) of a stored histogram in the order asked for, by the nearest-rank rule: the value of
 * rank ceil(p/100 * n) in ascending order, as the middle of its bin. null where the histogram is empty.
 */
export function percentiles(
  stored: Readonly<Record<string, number>> | null,
  wanted: readonly number[],
): Array<number | null> {
  const bins = Object.entries(stored ?? {})
    .map(([bin, times]): [number, number] => [Number(bin), times])
    .sort((a, b) => a[0] - b[0]);
  const total = bins.reduce((sum, [, times]) => sum + times, 0);
  return wanted.map((p) => (total === 0 ? null : valueOfRank(bins, rankOf(p, total))));
}

function rankOf(p: number, total: number): number {
  if (!(p > 0 && p <= 100)) throw new RangeError(`percentile ${p}: more than 0, at most 100`);
  // 99.9 % of 1000 is 999.0000000000001 in floating point, and its rank 999.
  return Math.max(1, Math.ceil((p * total) / 100 - 1e-9 * total));
}

function valueOfRank(bins: ReadonlyArray<[number, number]>, rank: number): number {
  let below = 0;
  for (const [bin, times] of bins) {
    below += times;
    if (below >= rank) {
      const { least, greatest } = binRange(Math.abs(bin));
      const middle = Math.floor((least + greatest) / 2);
      return bin < 0 ? -middle : middle;
    }
  }
  throw new Error('The rank lies beyond the histogram');
}
