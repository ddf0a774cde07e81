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
    let at = 0;
    const readNumber = (): number => {
      let number = 0;
      for (let unit = 1; at < bytes.length; unit *= 128) {
        const byte = bytes[at++] as number;
        if (byte < 128) return number + byte * unit;
        number += (byte - 128) * unit;
      }
      throw new RangeError('A histogram ends within a number');
    };
    for (let bin = 0; at < bytes.length; ) {
      bin += readNumber();
      const count = readNumber();
      if (bin >= BINS) throw new RangeError(`A histogram has no bin ${bin}`);
      sums.set(bin, (sums.get(bin) ?? 0) + count);
    }
  }
  return Object.fromEntries(sums);
}
