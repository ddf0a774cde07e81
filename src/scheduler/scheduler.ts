import { randomBytes } from 'node:crypto';
import { type Clock, sleep } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { Job } from '../jobs/definition.ts';
import type { JobStore } from '../jobs/store.ts';
import type { Probe } from '../monitors/monitor.ts';
import type { StallStats } from './clock/ticker.ts';
import { Timeline } from './clock/timeline.ts';
import { Engine, type EngineStats } from './engine.ts';
import type { Publisher } from './publishing/publisher.ts';
import { Reconciler } from './reconciler.ts';
import { NO_REPORTS, type ReportPort } from './reports/report-port.ts';
import { reportedBy } from './reports/reported-slots.ts';
import type { Shard } from './series.ts';
import { ShardKeeper } from './shard-keeper.ts';
import { createLeaseStore, type LeaseStore, type LeaseStoreOptions } from './tables/leases.ts';
import { createSpanStore, type SpanStore } from './tables/spans.ts';

export interface SchedulerLimits {
  /** Checks under way at a time, over all and to one host. */
  concurrency: number;
  concurrencyPerHost: number;
  /** A check that could not begin this long after its slot (or half its period, if that is less) is missed. */
  lateLimitMs: number;
  /** A scheduler that is silent this long loses its shards. */
  leaseMs: number;
  /** How often progress is stored; leases are renewed with it, at least at a third of their life. */
  progressMs: number;
  /** How long checks under way may go on when the scheduler stops. */
  stopGraceMs?: number;
}

interface CommonOptions extends SchedulerLimits {
  clock: Clock;
  logger: Logger;
  jobStore: Pick<JobStore, 'changedSince' | 'watch'>;
  /** Makes the probe of a job; called when it is first checked. An exception becomes down(internal). */
  prepare(job: Job): Probe;
  /** The host that a job's connections go to: the bound of checks per host goes by it. */
  hostOf(job: Job): string;
  /** The reports of jobs that are not checked; by default there are no such jobs. */
  reports?: ReportPort;
  publisher: Publisher;
  location: string;
  /** Topic of jobs that name none. */
  topic: string;
}

export interface SchedulerOptions extends CommonOptions {
  database: LeaseStoreOptions['database'];
  /** Names the process in the tables. */
  instanceId: string;
}

export interface SchedulerStats extends EngineStats {
  location: string;
  /** Jobs whose checks run here now. */
  running: number;
  shards: number;
  /** The database cannot be reached; checks go on. */
  isolated: boolean;
  stalls: StallStats;
  /** How far this machine's clock is ahead of the database's; null when that is not known. */
  clockAheadMs: number | null;
  /** A fault of the clock, for people; null when there is none. */
  clockProblem: string | null;
}

/**
 * Runs the jobs of one location: shares its shards with other schedulers, checks every slot of the series it owns, and
 * publishes one result or missed slot for each. The publisher is the caller's to close, after `stop`.
 */
export interface Scheduler {
  /** Resolves when the jobs are known and the first shards were asked for; waits as long as the database is away. */
  start(): Promise<void>;
  /**
   * Ends or aborts what is under way (aborted slots are missed), flushes, and gives the leases back with exact progress.
   * Jobs stay running: what is due until the next scheduler comes is missed(scheduler_down).
   */
  stop(): Promise<void>;
  stats(): SchedulerStats;
  /** The slot of the job that is checked next (or right now); null when it does not run here. */
  nextSlot(jobId: number): number | null;
}

export function createScheduler(options: SchedulerOptions): Scheduler {
  const { database, location, instanceId } = options;
  // A name may be used again, by the same machine after a restart or by mistake; a lease must tell the two apart.
  const owner = `${instanceId}#${randomBytes(6).toString('hex')}`;
  const leases = createLeaseStore({ database, location, owner });
  const spans = createSpanStore({ database, location, owner });
  return createSchedulerOn({ ...options, leases, spans, owner });
}

/** A scheduler on given stores of leases and spans. */
export function createSchedulerOn(
  options: CommonOptions & { leases: LeaseStore; spans: SpanStore; owner: string },
): Scheduler {
  return new ShardedScheduler(options);
}

/** Smaller corrections of the time are no news. */
const SAID_MS = 1_000;

class ShardedScheduler implements Scheduler {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #publisher: Publisher;
  readonly #location: string;
  readonly #stopGraceMs: number;
  readonly #abort = new AbortController();
  readonly #timeline: Timeline;
  readonly #engine: Engine;
  readonly #reconciler: Reconciler;
  readonly #keeper: ShardKeeper;
  #unwatchJobs: () => Promise<void> = async () => {};
  #stopped: Promise<void> | undefined;

  constructor(options: CommonOptions & { leases: LeaseStore; spans: SpanStore; owner: string }) {
    const { clock, logger, publisher, location, leases, owner, leaseMs, progressMs, reports = NO_REPORTS } = options;
    this.#publisher = publisher;
    const signal = this.#abort.signal;
    this.#clock = clock;
    this.#logger = logger;
    this.#location = location;
    this.#stopGraceMs = options.stopGraceMs ?? 3000;
    this.#timeline = new Timeline({
      clock,
      onStep: (fromMs, toMs) => {
        this.#engine.jumped(fromMs, toMs);
        logger.warn({ fromMs, toMs }, 'the clock jumped ahead, slots in between are missed');
      },
      onStepBack: (fromMs, toMs) => {
        this.#engine.ticker.rewind(toMs);
        if (fromMs - toMs >= SAID_MS) logger.info({ fromMs, toMs }, 'time was set back');
      },
      onProblem: (problem) => {
        if (problem === null) logger.info('the clock is right again');
        else logger.warn({ problem }, 'the clock is wrong');
      },
    });
    this.#engine = new Engine({
      clock,
      logger,
      timeline: this.#timeline,
      publisher,
      location,
      prepare: options.prepare,
      hostOf: options.hostOf,
      concurrency: options.concurrency,
      concurrencyPerHost: options.concurrencyPerHost,
      lateLimitMs: options.lateLimitMs,
      reports,
      mayCheck: ({ shard }) => !this.#timeline.unsettled && this.#keeper.mayCheck(shard),
      mayClose: ({ shard }) => !this.#timeline.unsettled && this.#keeper.isHeld(shard),
      onQuiet: (series) => this.#reconciler.onQuiet(series),
    });
    this.#reconciler = new Reconciler({
      clock,
      logger,
      timeline: this.#timeline,
      engine: this.#engine,
      jobStore: options.jobStore,
      spans: options.spans,
      location,
      defaultTopic: options.topic,
      reportedBy: (job) => reportedBy(reports.ruleOf(job), reports.waitMs),
      signal,
    });
    this.#keeper = new ShardKeeper({
      clock,
      logger,
      timeline: this.#timeline,
      leases,
      owner,
      leaseMs,
      renewMs: Math.min(progressMs, leaseMs / 3),
      onAcquired: (shards) => this.#adopt(shards),
      onLost: (shard) => this.#reconciler.drop(shard),
      onReachable: (awayMs) => this.#engine.databaseReturned(awayMs),
      onHandOver: (shards) => this.#rest(shards, HAND_OVER_GRACE_MS),
    });
  }

  async start(): Promise<void> {
    this.#engine.ticker.start();
    try {
      this.#unwatchJobs = await this.#reconciler.start();
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      throw error;
    }
    if (!this.#stopped) await this.#keeper.start();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  stats(): SchedulerStats {
    return {
      location: this.#location,
      running: this.#engine.running,
      shards: this.#keeper.shards.size,
      isolated: this.#keeper.isolated,
      stalls: this.#engine.ticker.stalls(),
      clockAheadMs: this.#timeline.aheadMs(),
      clockProblem: this.#timeline.problem(),
      ...this.#engine.stats(),
    };
  }

  nextSlot(jobId: number): number | null {
    const series = this.#reconciler.get(jobId);
    return series && !series.held && Number.isFinite(series.next) ? series.next : null;
  }

  async #adopt(shards: readonly Shard[]): Promise<void> {
    try {
      await this.#reconciler.adopt(shards);
    } catch (error) {
      if (!this.#abort.signal.aborted) throw error;
    }
  }

  async #stop(): Promise<void> {
    const watchEnds = this.#unwatchJobs().catch((error: unknown) => {
      this.#logger.debug({ err: error }, 'jobs are still watched');
    });
    await this.#within(this.#keeper.stopSharing(), STORE_GRACE_MS);
    const shards = [...this.#keeper.shards.values()];
    // A shard that is not taken over yet stays as it was left.
    for (const shard of shards) if (!shard.adopted) this.#reconciler.drop(shard);
    await this.#rest(
      shards.filter(({ adopted }) => adopted),
      this.#stopGraceMs,
    );
    await this.#untilAborted();
    this.#abort.abort();
    await this.#within(this.#keeper.release(), STORE_GRACE_MS);
    this.#engine.ticker.stop();
    await this.#within(this.#engine.stopReports(), STORE_GRACE_MS);
    await this.#within(watchEnds, STORE_GRACE_MS);
  }

  /**
   * Brings shards to rest: no slot is begun, checks under way may end within `graceMs` or are aborted, and everything
   * that was handled reaches the log, if it can be had within reason. The rest is left to the next owner's gap.
   */
  async #rest(shards: readonly Shard[], graceMs: number): Promise<void> {
    for (const shard of shards) shard.state = 'draining';
    await this.#within(this.#reconciler.settled(), STORE_GRACE_MS);
    const now = this.#timeline.now();
    for (const shard of shards) {
      shard.frozenAt = now;
      for (const series of shard.series) {
        this.#engine.hold(series);
        // While it is not known whether its span began or ended, nothing may be said about its slots.
        // The next owner goes on with the open slots of reported jobs.
        if (!series.run && !series.changing && !series.reported) this.#engine.miss(series, now, 'stopped');
        // The next try would be cut off before it began.
        if ((series.run?.pausedUntil ?? now) > now + graceMs) this.#engine.abort(series);
      }
    }
    const all = () => shards.filter(({ state }) => state !== 'gone').flatMap(({ series }) => [...series]);
    await this.#until(() => all().every(({ run }) => run === null), graceMs);
    for (const series of all()) this.#engine.abort(series);
    // Nothing is worth waiting for any more.
    const isQuiet = new AbortController();
    void this.#publisher.flush(isQuiet.signal);
    await this.#until(() => all().every(({ quiet }) => quiet), FLUSH_GRACE_MS);
    isQuiet.abort();
  }

  /** Probes that were aborted have closed what they opened. */
  async #untilAborted(): Promise<void> {
    await this.#until(() => this.#engine.unsettled === 0, SETTLE_MS);
    if (this.#engine.unsettled > 0) this.#logger.warn({ checks: this.#engine.unsettled }, 'checks did not end');
  }

  async #until(condition: () => boolean, limitMs: number): Promise<void> {
    const endMono = this.#clock.monotonicMs() + limitMs;
    while (!condition() && this.#clock.monotonicMs() < endMono) await sleep(this.#clock, POLL_MS);
  }

  /** Waits for `work`, but not longer than `limitMs`: a database that is away must not hold up a stop. */
  async #within(work: Promise<void>, limitMs: number): Promise<void> {
    const enough = new AbortController();
    await Promise.race([work, sleep(this.#clock, limitMs, enough.signal)]);
    enough.abort();
  }
}

const HAND_OVER_GRACE_MS = 2000;
const STORE_GRACE_MS = 2000;
const FLUSH_GRACE_MS = 3000;
const SETTLE_MS = 500;
const POLL_MS = 10;
