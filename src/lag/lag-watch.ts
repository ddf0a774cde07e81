import { type Clock, inStep } from '../core/clock.ts';
import { withDeadline } from '../core/deadline.ts';
import type { Logger } from '../core/logger.ts';
import {
  keyOf,
  type LagSource,
  type PartitionLag,
  type Positions,
  readLag,
  readPositions,
  readWaiting,
} from './lag.ts';
import { groupByReason, reasonOf } from './reasons.ts';

/** A partition that has records and has not moved for a while. */
export interface Stall {
  topic: string;
  partition: number;
  lag: number;
  stalledMs: number;
  /** The processor that claimed it last, alive or not. */
  owner: string | null;
  reason: string;
}

export interface LagStatus {
  /** Records that are not counted, over all partitions, as last known; null before the stream was asked once. */
  lag: number | null;
  /** Results counted since the tables exist, as last known. */
  counted: number;
  /** Lines put aside since the tables exist, as last known. */
  refused: number;
  partitions: readonly PartitionLag[];
  stalls: readonly Stall[];
  /** Why the stream or PostgreSQL could not be asked for longer than a moment; null when they can be. */
  unknown: string | null;
}

export interface LagWatchOptions extends LagSource {
  clock: Clock;
  logger: Logger;
  /** How often the stream is asked. Default 5,000. */
  intervalMs?: number;
  /** So long may a partition with records stand still. Default 30,000. */
  stalledAfterMs?: number;
}

const ASK_MS = 8_000;
/** Longer than any round takes. Time beyond it passed while this process was frozen. */
const LONGEST_ROUND_MS = 29_000;
/** A request waits no longer than this for newer numbers. */
const FRESH_WAIT_MS = 1_500;
const FRESH_MS = 1_000;
/** A lasting stall is logged again after this time. */
const REMIND_MS = 60_000;
const SHOWN = 5;

interface Track {
  next: number;
  settled: number;
  /** Observed time at which it was first seen to stand there with records behind it. */
  sinceMs: number;
  /** Whether a record is there to be counted; null until that had to be known. */
  waiting: boolean | null;
  end: number;
}

/**
 * Watches whether the results in the stream are counted: compares the ends of the log with the offsets committed in
 * PostgreSQL. It does not rely on processors, so it notices one that hangs and partitions without an owner, too.
 */
export class LagWatch {
  readonly #options: LagWatchOptions;
  readonly #stopping = new AbortController();
  readonly #tracks = new Map<string, Track>();
  #positions: Positions | undefined;
  #partitions: PartitionLag[] | null = null;
  #stalls: Stall[] = [];
  #failure: { reason: string; sinceMs: number } | null = null;
  #sampling: Promise<void> | undefined;
  #sampledMs = Number.NEGATIVE_INFINITY;
  #observedMs = 0;
  #observedAtMs: number;
  #cancel = () => {};
  #saidMs: number | null = null;

  constructor(options: LagWatchOptions) {
    this.#options = options;
    this.#observedAtMs = options.clock.monotonicMs();
  }

  start(): void {
    const next = async () => {
      await this.sample();
      this.#say();
      if (this.#stopping.signal.aborted) return;
      const { clock, intervalMs = 5_000 } = this.#options;
      this.#cancel = clock.after(inStep(clock, intervalMs), next);
    };
    void next();
  }

  stop(): void {
    this.#stopping.abort();
    this.#cancel();
  }

  /** As last seen. */
  status(): LagStatus {
    const { stalledAfterMs = 30_000 } = this.#options;
    const failure = this.#failure;
    const failingMs = failure ? this.#now() - failure.sinceMs : 0;
    return {
      lag: this.#partitions?.reduce((sum, { lag }) => sum + lag, 0) ?? null,
      counted: this.#positions?.positions.reduce((sum, { counted }) => sum + counted, 0) ?? 0,
      refused: this.#positions?.positions.reduce((sum, { refused }) => sum + refused, 0) ?? 0,
      partitions: this.#partitions ?? [],
      stalls: this.#stalls,
      unknown:
        failure && failingMs >= stalledAfterMs
          ? `whether results are counted cannot be told for ${Math.round(failingMs / 1000)} s: ${failure.reason}`
          : null,
    };
  }

  /** As it is now, or as last seen when that takes long. */
  async read(): Promise<LagStatus> {
    if (this.#options.clock.monotonicMs() - this.#sampledMs > FRESH_MS) {
      await withDeadline(this.sample(), FRESH_WAIT_MS, 'not sampled').catch(() => undefined); // The last one will do.
    }
    return this.status();
  }

  /** Takes one sample; concurrent calls share it. Never rejects. */
  sample(): Promise<void> {
    this.#sampling ??= this.#sample().finally(() => {
      this.#sampling = undefined;
      this.#sampledMs = this.#options.clock.monotonicMs();
    });
    return this.#sampling;
  }

  /** Monotonic time without the times in which this process was frozen. */
  #now(): number {
    const passedMs = this.#options.clock.monotonicMs() - this.#observedAtMs;
    return this.#observedMs + Math.min(passedMs, LONGEST_ROUND_MS);
  }

  async #sample(): Promise<void> {
    const { clock, driver, logger } = this.#options;
    this.#observedMs = this.#now();
    this.#observedAtMs = clock.monotonicMs();
    let reason: string | null = null;
    try {
      this.#positions = await withDeadline(readPositions(this.#options), ASK_MS, 'no answer');
    } catch (error) {
      reason = `PostgreSQL cannot be asked: ${textOf(error)}`;
    }
    try {
      // With the last known positions while the database is away: the log may grow all the same.
      if (this.#positions) this.#partitions = await withDeadline(readLag(driver, this.#positions), ASK_MS, 'no answer');
    } catch (error) {
      reason ??= `the stream cannot be asked: ${textOf(error)}`;
    }
    if (reason === null) this.#failure = null;
    else if (this.#failure) this.#failure.reason = reason;
    else this.#failure = { reason, sinceMs: this.#now() };
    await this.#judge(reason).catch((error) => logger.debug({ err: error }, 'the lag could not be judged'));
  }

  async #judge(failure: string | null): Promise<void> {
    const { stalledAfterMs = 30_000 } = this.#options;
    const now = this.#now();
    const partitions = this.#partitions ?? [];
    const keys = new Set(partitions.map(keyOf));
    for (const key of this.#tracks.keys()) if (!keys.has(key)) this.#tracks.delete(key);
    for (const partition of partitions) this.#track(partition, now);
    const still = partitions.filter((partition) => {
      const track = this.#tracks.get(keyOf(partition));
      return track !== undefined && now - track.sinceMs >= stalledAfterMs;
    });
    await this.#look(still.filter((partition) => this.#tracks.get(keyOf(partition))?.waiting === null));
    this.#stalls = still.flatMap((partition) => {
      const track = this.#tracks.get(keyOf(partition));
      if (!track?.waiting) return [];
      const { topic, partition: number, lag, owner } = partition;
      const reason = failure ?? reasonOf(partition, this.#positions?.processors ?? []);
      return [{ topic, partition: number, lag, owner, reason, stalledMs: now - track.sinceMs }];
    });
    // Offsets without records are nothing that waits.
    this.#partitions = partitions.map((partition) =>
      this.#tracks.get(keyOf(partition))?.waiting === false ? { ...partition, lag: 0 } : partition,
    );
  }

  #track(partition: PartitionLag, now: number): void {
    const key = keyOf(partition);
    const { next, settled, end } = partition;
    const known = this.#tracks.get(key);
    if (end <= next) this.#tracks.delete(key);
    else if (!known || known.next !== next || known.settled !== settled) {
      this.#tracks.set(key, { next, settled, end, sinceMs: now, waiting: null });
    } else if (known.waiting === false && known.end !== end) {
      // There was nothing to count until now.
      this.#tracks.set(key, { next, settled, end, sinceMs: now, waiting: null });
    }
  }

  /** Finds out whether these partitions have records at all. When the stream cannot be read, its offsets count. */
  async #look(partitions: readonly PartitionLag[]): Promise<void> {
    if (partitions.length === 0) return;
    const { driver } = this.#options;
    const abort = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(ASK_MS)]);
    let waiting: Map<string, number> | null = null;
    try {
      waiting = await withDeadline(readWaiting(driver, partitions, abort), ASK_MS, 'no answer');
    } catch {
      // It cannot be read: that is part of what is wrong.
    }
    for (const partition of partitions) {
      const track = this.#tracks.get(keyOf(partition));
      if (track) track.waiting = abort.aborted || waiting === null || waiting.has(keyOf(partition));
    }
  }

  #say(): void {
    const { logger, clock } = this.#options;
    const { stalls, unknown, lag } = this.status();
    const now = clock.monotonicMs();
    if (stalls.length === 0 && unknown === null) {
      if (this.#saidMs !== null) logger.info({ lag }, 'results are counted again');
      this.#saidMs = null;
    } else if (this.#saidMs === null || now - this.#saidMs >= REMIND_MS) {
      this.#saidMs = now;
      logger.error({ problems: problemsOf(this.status()), lag }, 'results are not counted');
    }
  }
}

/** One sentence per problem, for people; stalls with the same reason share one. */
export function problemsOf({ stalls, unknown }: LagStatus): string[] {
  const problems = groupByReason(stalls)
    .slice(0, SHOWN)
    .map(({ reason, places, records, partitions }) => {
      const seconds = Math.round(Math.max(...partitions.map(({ stalledMs }) => stalledMs)) / 1000);
      return `results are not counted: ${places} stood still for ${seconds} s with ${records} records waiting: ${reason}`;
    });
  return unknown === null ? problems : [...problems, unknown];
}

function textOf(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string };
  return message || code || String(error);
}
