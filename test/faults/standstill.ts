import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';

/** How far a partition is counted, and where its log ends. */
export interface Position {
  partition: string;
  next: number;
  end: number;
}

export interface Standstill {
  ms: number;
  /** Where, and how many records waited there at its end. */
  where: string;
  waiting: number;
  /** When it was seen last, ms since the watch began. */
  atMs: number;
}

export interface StandstillWatch {
  /** No partition at all moved although records waited. */
  longest(): Standstill;
  /** One partition did not move although its records waited. */
  longestOfPartition(): Standstill;
  /** The longest time from one look to the next. */
  longestGapMs(): number;
  stop(): Promise<void>;
}

const EVERY_MS = 250;
const NONE: Standstill = { ms: 0, where: '', waiting: 0, atMs: 0 };

/**
 * Looks at the positions until stopped. Time in which nobody could look counts as standing still when nothing has moved
 * after it. Nothing of Vedette is asked: the offsets are those in the database, the ends those of the log.
 */
export function watchStandstill(t: Test, read: () => Promise<Position[]>): StandstillWatch {
  const stillSince = new Map<string, { next: number; sinceMs: number }>();
  const all = 'any';
  let longest = NONE;
  let longestOfPartition = NONE;
  let longestGapMs = 0;
  const beganMs = performance.now();
  let lastLookMs = beganMs;
  const running = new AbortController();

  /** How long `key` has stood at `next`. */
  const standing = (key: string, next: number, waiting: number, nowMs: number): Standstill => {
    const known = stillSince.get(key);
    if (waiting > 0 && known?.next === next)
      return { ms: nowMs - known.sinceMs, where: key, waiting, atMs: nowMs - beganMs };
    stillSince.set(key, { next, sinceMs: nowMs });
    return NONE;
  };
  const look = async () => {
    const positions = await read();
    const nowMs = performance.now();
    longestGapMs = Math.max(longestGapMs, nowMs - lastLookMs);
    lastLookMs = nowMs;
    let next = 0;
    let waiting = 0;
    for (const position of positions) {
      const own = Math.max(0, position.end - position.next);
      next += position.next;
      waiting += own;
      longestOfPartition = longerOf(longestOfPartition, standing(position.partition, position.next, own, nowMs));
    }
    longest = longerOf(longest, standing(all, next, waiting, nowMs));
  };
  const watching = (async () => {
    while (!running.signal.aborted) {
      await look().catch(() => undefined); // Seen as a gap.
      await sleep(EVERY_MS, undefined, { signal: running.signal }).catch(() => undefined);
    }
  })();
  const stop = async () => {
    running.abort();
    await watching;
    // Its end is a look as well: one that could not be taken any more is a gap.
    await look().catch(() => {
      longestGapMs = Math.max(longestGapMs, performance.now() - lastLookMs);
    });
  };
  t.teardown(stop);
  return {
    longest: () => longest,
    longestOfPartition: () => longestOfPartition,
    longestGapMs: () => longestGapMs,
    stop,
  };
}

function longerOf(a: Standstill, b: Standstill): Standstill {
  return b.ms > a.ms ? b : a;
}
