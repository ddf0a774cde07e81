/** How late checks began, in ms after their slot. */
export interface LatenessStats {
  /** Upper bounds of the buckets in ms; the last bucket, without a bound, has the rest. */
  boundsMs: readonly number[];
  /** Checks per bucket, one more than bounds; not cumulative. */
  counts: number[];
  count: number;
  sumMs: number;
  maxMs: number;
}

export class Lateness {
  readonly #counts = new Array<number>(BOUNDS_MS.length + 1).fill(0);
  #sumMs = 0;
  #maxMs = 0;

  add(lateMs: number): void {
    let bucket = 0;
    while (bucket < BOUNDS_MS.length && lateMs > BOUNDS_MS[bucket]) bucket++;
    this.#counts[bucket]++;
    this.#sumMs += lateMs;
    if (lateMs > this.#maxMs) this.#maxMs = lateMs;
  }

  stats(): LatenessStats {
    const count = this.#counts.reduce((sum, n) => sum + n, 0);
    return { boundsMs: BOUNDS_MS, counts: [...this.#counts], count, sumMs: this.#sumMs, maxMs: this.#maxMs };
  }
}

const BOUNDS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] as const;
