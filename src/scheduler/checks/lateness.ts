import type { Clock } from '../../core/clock.ts';
import { elementAt } from '../../core/element-at.ts';
import { LastMinutes } from './last-minutes.ts';

/** How late checks began, in ms after their slot. */
export interface LatenessStats {
  /** Upper bounds of the buckets in ms; the last bucket, without a bound, has the rest. */
  boundsMs: readonly number[];
  /** Checks per bucket since the start, one more than bounds; not cumulative. */
  counts: number[];
  count: number;
  sumMs: number;
  maxMs: number;
  /** Of the last one to two minutes; percentiles are the upper bounds of buckets a quarter octave wide. */
  recent: { p50: number; p99: number; max: number };
}

/** Counts how late checks begin: since the start in a few buckets, and for the last minutes in fine ones. */
export class Lateness {
  readonly #counts = new Array<number>(BOUNDS_MS.length + 1).fill(0);
  #sumMs = 0;
  #maxMs = 0;
  readonly #minutes: LastMinutes<Window>;

  constructor(clock: Clock) {
    this.#minutes = new LastMinutes(clock, () => new Window());
  }

  add(lateMs: number): void {
    const within = BOUNDS_MS.findIndex((boundMs) => lateMs <= boundMs);
    const bucket = within === -1 ? BOUNDS_MS.length : within;
    this.#counts[bucket] = elementAt(this.#counts, bucket) + 1;
    this.#sumMs += lateMs;
    if (lateMs > this.#maxMs) this.#maxMs = lateMs;
    this.#minutes.now().recent.add(lateMs);
  }

  stats(): LatenessStats {
    const { recent: lately, before } = this.#minutes.now();
    const count = this.#counts.reduce((sum, n) => sum + n, 0);
    const recent = lately.merged(before);
    return { boundsMs: BOUNDS_MS, counts: [...this.#counts], count, sumMs: this.#sumMs, maxMs: this.#maxMs, recent };
  }
}

class Window {
  readonly #counts = new Uint32Array(FINE);
  #max = 0;

  add(lateMs: number): void {
    const bucket = Math.max(0, Math.min(FINE - 1, Math.ceil(Math.log2(lateMs) * 4)));
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    if (lateMs > this.#max) this.#max = lateMs;
  }

  merged(other: Window): { p50: number; p99: number; max: number } {
    const counts = this.#counts.map((n, index) => n + (other.#counts[index] as number));
    const total = counts.reduce((sum, n) => sum + n, 0);
    const max = Math.max(this.#max, other.#max);
    const quantile = (share: number) => {
      let seen = 0;
      const bucket = counts.findIndex((n) => {
        seen += n;
        return seen >= total * share;
      });
      return Math.min(max, Math.round(2 ** (bucket / 4) * 100) / 100);
    };
    return total === 0 ? { p50: 0, p99: 0, max: 0 } : { p50: quantile(0.5), p99: quantile(0.99), max };
  }
}

const BOUNDS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] as const;
/** Quarter octaves from 1 ms up to over an hour. */
const FINE = 90;
