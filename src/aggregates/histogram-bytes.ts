import { BINS } from './histogram.ts';

/**
 * The stored form of a histogram (metrics.rt_hist): for each bin in ascending order its distance from the one before (the
 * first: from 0) and its count, as base-128 numbers, low digits first, the top bit set in all bytes of a number but its
 * last. The same numbers always give the same bytes; no bin gives none. PostgreSQL reads it with histogram_bins().
 */
export function encodeBins(bins: Iterable<readonly [bin: number, count: number]>): Buffer {
  const bytes: number[] = [];
  let last = 0;
  for (const [bin, count] of [...bins].sort((a, b) => a[0] - b[0])) {
    for (let number of [bin - last, count]) {
      for (; number > 127; number = Math.floor(number / 128)) bytes.push(128 + (number % 128));
      bytes.push(number);
    }
    last = bin;
  }
  return Buffer.from(bytes);
}

/** Several stored histograms added up, by bin. Throws RangeError when one of them is not in the stored form. */
export function sumBins(histograms: Iterable<Uint8Array>): Record<string, number> {
  const sums = new Map<number, number>();
  for (const bytes of histograms) {
    for (let at = 0, bin = 0; at < bytes.length; ) {
      const numbers = [0, 0];
      for (const index of numbers.keys()) {
        let unit = 1;
        for (; bytes[at] > 127; at++, unit *= 128) numbers[index] += (bytes[at] - 128) * unit;
        if (at === bytes.length) throw new RangeError('A histogram ends within a number');
        numbers[index] += bytes[at++] * unit;
      }
      bin += numbers[0];
      if (bin >= BINS) throw new RangeError(`A histogram has no bin ${bin}`);
      sums.set(bin, (sums.get(bin) ?? 0) + numbers[1]);
    }
  }
  return Object.fromEntries(sums);
}
