import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { Job } from '../jobs/definition.ts';
import type { CheckResult } from '../messages/check-result.ts';
import type { Probe } from '../monitors/monitor.ts';
import { CheckRun, type Lack, type SlotResult, Uncheckable } from './checks/check-run.ts';
import { Lateness, type LatenessStats } from './checks/lateness.ts';
import { Limiter } from './checks/limiter.ts';
import { Probes } from './checks/probes.ts';
import { StallShare } from './checks/stall-share.ts';
import { ThreadLost } from './checks/threads/thread-lost.ts';
import { Ticker } from './clock/ticker.ts';
import type { Timeline } from './clock/timeline.ts';
import { PendingMessages } from './publishing/pending-messages.ts';
import type { Publisher } from './publishing/publisher.ts';
import type { ReportPort } from './reports/report-port.ts';
import { ReportedSlots } from './reports/reported-slots.ts';
import { MISSED_REASONS, type MissedReason, type Series } from './series.ts';

export interface EngineOptions {
  clock: Clock;
  logger: Logger;
  timeline: Timeline;
  publisher: Publisher;
  location: string;
  prepare: (job: Job) => Probe;
  hostOf: (job: Job) => string;
  concurrency: number;
  concurrencyPerHost: number;
  lateLimitMs: number;
  reports: ReportPort;
  /** Whether the shard's lease allows a check to begin now. */
  mayCheck: (series: Series) => boolean;
  /** Whether it allows a slot to be closed by what was reported. */
  mayClose: (series: Series) => boolean;
  /** A held series is perhaps quiet now. */
  onQuiet: (series: Series) => void;
}

export interface EngineStats {
  inFlight: number;
  waiting: number;
  checks: number;
  /** Missed slots so far, by reason. */
  missed: Record<MissedReason, number>;
  lateness: LatenessStats;
  /** Why too many checks have no verdict; null when few are. */
  stallProblem: string | null;
}

/**
 * Runs the slots of series: each slot becomes one check or one missed slot, in order, and is published. It owns timers,
 * concurrency and time; it knows neither jobs nor leases nor spans.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly ticker: Ticker;
  readonly #limiter: Limiter<Series>;
  readonly #probes: Probes;
  readonly #lateness: Lateness;
  readonly #stallShare: StallShare;
  readonly #byId: Array<Series | undefined> = [];
  readonly #freeIds: number[] = [];
  readonly #pending: PendingMessages;
  readonly #reported: ReportedSlots;
  readonly #missed = Object.fromEntries(MISSED_REASONS.map((reason) => [reason, 0])) as Record<MissedReason, number>;
  #checks = 0;
  #unsettled = 0;
  #running = 0;
  /** The timeline jumped over the slots in between. */
  #jump = { from: 0, to: 0 };

  constructor(options: EngineOptions) {
    this.#options = options;
    const { clock, timeline, concurrency, concurrencyPerHost } = options;
    this.#probes = new Probes(options.prepare);
    this.#lateness = new Lateness(clock);
    this.#stallShare = new StallShare(clock);
    this.ticker = new Ticker({ clock, timeline, onDue: (id) => this.#due(id), isIdle: () => this.#unsettled === 0 });
    this.#limiter = new Limiter({
      limit: concurrency,
      perHost: concurrencyPerHost,
      onGranted: (series) => this.#granted(series),
    });
    const { publisher, location } = options;
    this.#pending = new PendingMessages({ clock, timeline, publisher, location });
    this.#reported = new ReportedSlots({
      port: options.reports,
      clock,
      logger: options.logger,
      timeline,
      mayClose: (series) => options.mayClose(series) && !this.#pending.isFull(series),
      publish: (series, result) => this.#publish(series, result),
      miss: (series, until, detail) => this.miss(series, until, 'scheduler_down', detail),
      setTimer: (series, atMs) => this.ticker.set(series.id, atMs),
    });
  }

  /** A number for the timer of a new series. */
  takeId(): number {
    return this.#freeIds.pop() ?? this.#byId.length;
  }

  add(series: Series): void {
    this.#byId[series.id] = series;
    series.onQuiet = this.#options.onQuiet;
  }

  /** Forgets the series; its check is aborted and not published. */
  remove(series: Series): void {
    this.hold(series);
    series.onQuiet = null;
    this.#pending.drop(series);
    const { run } = series;
    series.run = null;
    run?.abort();
    this.#probes.drop(series);
    if (this.#byId[series.id] !== series) return;
    this.ticker.clear(series.id);
    this.#byId[series.id] = undefined;
    this.#freeIds.push(series.id);
  }

  /** Slots are handled from `series.next` on. */
  resume(series: Series): void {
    if (!series.held) return;
    series.held = false;
    this.#running++;
    if (!series.run) this.ticker.set(series.id, series.next);
  }

  /** No further slot is begun; a check under way goes on. */
  hold(series: Series): void {
    if (!series.held) this.#running--;
    series.held = true;
    if (series.waiting) {
      series.waiting = false;
      this.#limiter.cancel(series);
    }
    this.#reported.drop(series);
    if (!series.run) this.ticker.clear(series.id);
  }

  /** Ends the check under way; its slot is missed(stopped). */
  abort(series: Series): void {
    const { run } = series;
    if (!run) return;
    series.run = null;
    this.ticker.clear(series.id);
    this.miss(series, series.next, 'stopped');
    run.abort();
  }

  /** The slots from `series.next` up to `until` are missed. Not to be called while one of them is being checked. */
  miss(series: Series, until: number, reason: MissedReason, detail?: string): void {
    const last = series.schedule.last(series.next, until);
    if (last === null) return;
    const count = last === series.next ? 1 : series.schedule.count(series.next, last);
    this.#missed[reason] += count;
    const missed = { first: series.next, last, count, reason, detail };
    series.next = last;
    series.advance();
    this.#pending.miss(series, missed);
  }

  /** A message of this epoch that counts nothing, so that results of an earlier epoch are dropped from now on. */
  fence(series: Series): void {
    this.#pending.fence(series);
  }

  /** The database was away for this time, and can be reached again. */
  databaseReturned(forMs: number): void {
    this.#reported.databaseReturned(forMs);
  }

  /** Reports are not looked at any more. */
  stopReports(): Promise<void> {
    return this.#reported.stop();
  }

  jumped(from: number, to: number): void {
    this.#jump = { from, to };
    this.ticker.wake();
  }

  /** Series of jobs that run: they take slots. */
  get running(): number {
    return this.#running;
  }

  /** Checks that have not ended, those that were given up included. */
  get unsettled(): number {
    return this.#unsettled;
  }

  stats(): EngineStats {
    return {
      inFlight: this.#limiter.active,
      waiting: this.#limiter.waiting,
      checks: this.#checks,
      missed: { ...this.#missed },
      lateness: this.#lateness.stats(),
      stallProblem: this.#stallShare.problem(),
    };
  }

  #due(id: number): void {
    const series = this.#byId[id];
    if (!series) return;
    if (series.run) {
      series.run.expire();
      return;
    }
    if (series.waiting) {
      series.waiting = false;
      this.#limiter.cancel(series);
      this.miss(series, series.next, 'overload');
    }
    this.#arrive(series);
  }

  /** Misses the slots that have passed, and begins the check of the last slot that is due if it is not too late for that. */
  #arrive(series: Series): void {
    if (series.held) return;
    const now = this.#options.timeline.now();
    const { id, schedule } = series;
    if (series.reported) {
      if (series.next <= now) this.#reported.look(series);
      else this.ticker.set(id, series.next);
      return;
    }
    if (series.next <= now) {
      const last = schedule.last(series.next, now) as number;
      if (last > series.next) this.#missPassed(series, last - 1);
      const latest = last + this.#lateLimitMs(series);
      if (now > latest) this.#missPassed(series, last);
      else if (!this.#options.mayCheck(series)) this.ticker.set(id, Math.min(now + LEASE_POLL_MS, latest + 1));
      else if (series.stuck || this.#pending.isFull(series)) this.miss(series, last, 'overload');
      else if (this.#limiter.acquire(series, this.#hostOf(series))) this.#begin(series, now);
      else {
        series.waiting = true;
        this.ticker.set(id, latest);
      }
    }
    if (series.next > now) this.ticker.set(id, series.next);
  }

  /** The slots up to `until` have passed; those that the timeline jumped over for another reason than those before. */
  #missPassed(series: Series, until: number): void {
    const { from } = this.#jump;
    if (series.next <= from && until > from) this.miss(series, from, this.#reasonOf(series));
    this.miss(series, until, this.#reasonOf(series));
  }

  #reasonOf(series: Series): MissedReason {
    const { next, gapUntil } = series;
    const down = next <= gapUntil || (next > this.#jump.from && next <= this.#jump.to);
    return down ? 'scheduler_down' : 'late';
  }

  #lateLimitMs(series: Series): number {
    const distanceMs = series.schedule.periodMs ?? series.schedule.next(series.next) - series.next;
    return Math.min(this.#options.lateLimitMs, distanceMs / 2);
  }

  #granted(series: Series): boolean {
    series.waiting = false;
    const now = this.#options.timeline.now();
    const may = this.#options.mayCheck(series);
    if (may) this.#begin(series, now);
    else this.ticker.set(series.id, now + LEASE_POLL_MS);
    return may;
  }

  #begin(series: Series, now: number): void {
    const { schedule, jobId } = series;
    const slot = series.next;
    const job = series.job as Job;
    const host = this.#hostOf(series);
    const distanceMs = schedule.next(slot) - slot;
    const guardMs = Math.min(GUARD_MS, distanceMs / 10);
    const { clock, timeline } = this.#options;
    this.#lateness.add(Math.max(0, now - slot));
    this.#checks++;
    this.#unsettled++;
    const probe = this.#probes.get(series);
    const run = new CheckRun({
      probe,
      slotTag: `${jobId}/${slot}`,
      timeoutMs: job.timeoutMs,
      retries: job.retries,
      retryPauseMs: job.retryPauseMs,
      deadline: slot + distanceMs - guardMs,
      clock,
      now: () => timeline.now(),
      stalledMs: () => this.ticker.stalledMs(),
      onConcluded: (result, detail) => this.#conclude(series, run, result, detail),
      onDefect: (error) => this.#defect(series, error),
      onSettled: () => this.#settled(series, host, probe),
    });
    series.run = run;
    // The probe ends by itself at the deadline; this is for one that does not.
    this.ticker.set(series.id, slot + distanceMs - guardMs / 2);
    run.begin();
  }

  #conclude(series: Series, run: CheckRun, found: SlotResult | Lack, detail: string | undefined): void {
    if (series.run !== run) return;
    series.run = null;
    series.stuck = true;
    this.#stallShare.add(found === 'stalled');
    if (typeof found === 'string') {
      this.miss(series, series.next, found, detail);
    } else if (!this.#publish(series, found)) {
      this.miss(series, series.next, 'overload');
    }
    if (!series.held) this.ticker.set(series.id, series.next);
    else this.ticker.clear(series.id);
  }

  /** Publishes the result of the next slot; returns false when there is no room for it. */
  #publish(series: Series, found: SlotResult): boolean {
    if (!this.#pending.publish(series, this.#toResult(series, found))) return false;
    series.advance();
    return true;
  }

  #settled(series: Series, host: string, probe: Probe): void {
    this.#unsettled--;
    this.#probes.settled(series, probe);
    series.stuck = false;
    this.#limiter.release(host);
    if (series.held) series.onQuiet?.(series);
  }

  #defect(series: Series, error: unknown): void {
    if (series.defectLogged || error instanceof ThreadLost) return;
    series.defectLogged = true;
    const { jobId, span } = series;
    const details = { jobId, version: span.version };
    if (error instanceof Uncheckable) {
      this.#options.logger.error({ ...details, detail: error.message }, 'a job cannot be checked');
    } else this.#options.logger.error({ ...details, err: error }, 'monitor failed');
  }

  #hostOf(series: Series): string {
    if (series.host !== null) return series.host;
    try {
      series.host = this.#options.hostOf(series.job as Job);
    } catch {
      // Options without a host cannot be prepared either, which is reported.
      series.host = '';
    }
    return series.host;
  }

  /** Spelt out, because it is done for every check: spreading costs more than encoding. */
  #toResult(series: Series, found: SlotResult): CheckResult {
    const result: CheckResult = {
      jobId: series.jobId,
      location: this.#options.location,
      epoch: series.shard.epoch,
      slot: series.next,
      ts: found.ts,
      outcome: found.outcome,
      status: found.status,
      responseTime: found.responseTime,
      timings: found.timings,
      attempt: found.attempt,
    };
    if (found.reason !== undefined) result.reason = found.reason;
    if (found.bytes !== undefined) result.bytes = found.bytes;
    if (found.detail !== undefined) result.detail = found.detail;
    if (found.values !== undefined) result.values = found.values;
    return result;
  }
}

/** A check ends this long before the next slot. */
const GUARD_MS = 50;
/** How often a slot that waits for its shard's lease looks again. */
const LEASE_POLL_MS = 25;
