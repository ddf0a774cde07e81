import { CronSlots, type Run } from './cron/cron-slots.ts';

export { SHARDS, shardOf } from '../jobs/shard.ts';

/** When a job is due. Slots are whole ms since the epoch, UTC, ascending. */
export interface Schedule {
  /** Distance of the slots; null for a cron expression. */
  readonly periodMs: number | null;
  readonly phaseMs: number | null;
  /** The first slot after `afterMs`; Infinity when there is none any more. */
  next(afterMs: number): number;
  /** The last slot in [fromMs, toMs]; null when there is none. */
  last(fromMs: number, toMs: number): number | null;
  /** How many slots lie in [fromMs, toMs]. */
  count(fromMs: number, toMs: number): number;
  /** Slots of one distance, from slot `first` on and not after `toMs`: as many as can be told at a small cost. */
  run(first: number, toMs: number): Run;
}

/** The fields of a job or of a span that define its slots. */
export interface Timing {
  jobId: number;
  periodMs: number | null;
  cron: string | null;
  cronTimezone: string | null;
  /** Of a span; a job's follows from its id. */
  phaseMs?: number | null;
}

/**
 * The schedule of a job or span. Schedules of one cron expression are shared. Throws when a cron expression or its time
 * zone cannot be read.
 */
export function scheduleOf(timing: Timing): Schedule {
  if (timing.periodMs !== null) {
    return new Grid(timing.periodMs, timing.phaseMs ?? phaseOf(timing.jobId, timing.periodMs));
  }
  if (timing.cron === null) throw new Error(`Job ${timing.jobId} has neither a period nor a cron expression`);
  const key = `${timing.cronTimezone ?? 'UTC'} ${timing.cron}`;
  let schedule = cronSchedules.get(key);
  if (!schedule) {
    schedule = new CronSchedule(timing.cron, timing.cronTimezone);
    if (cronSchedules.size >= MAX_SHARED) cronSchedules.clear();
    cronSchedules.set(key, schedule);
  }
  return schedule;
}

/** The offset of a job's slots within its period: spread evenly over jobs, the same at every start. */
export function phaseOf(jobId: number, periodMs: number): number {
  let hash = jobId ^ 0x5bf03635;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % periodMs;
}

/** How many slots a cron expression has in [fromMs, toMs], both included. */
export function countCronSlots(cron: string, timezone: string | null, fromMs: number, toMs: number): number {
  return scheduleOf({ jobId: 0, periodMs: null, cron, cronTimezone: timezone }).count(fromMs, toMs);
}

class Grid implements Schedule {
  readonly periodMs: number;
  readonly phaseMs: number;

  constructor(periodMs: number, phaseMs: number) {
    this.periodMs = periodMs;
    this.phaseMs = phaseMs;
  }

  next(afterMs: number): number {
    return this.phaseMs + (Math.floor((afterMs - this.phaseMs) / this.periodMs) + 1) * this.periodMs;
  }

  last(fromMs: number, toMs: number): number | null {
    const slot = this.phaseMs + Math.floor((toMs - this.phaseMs) / this.periodMs) * this.periodMs;
    return slot >= fromMs ? slot : null;
  }

  count(fromMs: number, toMs: number): number {
    const first = Math.ceil((fromMs - this.phaseMs) / this.periodMs);
    const last = Math.floor((toMs - this.phaseMs) / this.periodMs);
    return Math.max(0, last - first + 1);
  }

  run(first: number, toMs: number): Run {
    return { slots: this.count(first, toMs), periodMs: this.periodMs };
  }
}

class CronSchedule implements Schedule {
  readonly periodMs = null;
  readonly phaseMs = null;
  readonly #slots: CronSlots;

  constructor(cron: string, timezone: string | null) {
    this.#slots = new CronSlots(cron, timezone);
  }

  next(afterMs: number): number {
    return this.#slots.next(afterMs) ?? Number.POSITIVE_INFINITY;
  }

  last(fromMs: number, toMs: number): number | null {
    return this.#slots.last(toMs, fromMs);
  }

  count(fromMs: number, toMs: number): number {
    return this.#slots.count(fromMs, toMs);
  }

  run(first: number, toMs: number): Run {
    return this.#slots.run(first, toMs);
  }
}

const cronSchedules = new Map<string, Schedule>();
const MAX_SHARED = 10_000;
