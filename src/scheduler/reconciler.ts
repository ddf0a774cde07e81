import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import { retry } from '../core/retry.ts';
import type { Job, StoredJob } from '../jobs/definition.ts';
import type { JobStore } from '../jobs/store.ts';
import type { Timeline } from './clock/timeline.ts';
import type { Engine } from './engine.ts';
import { type Reported, Series, type Shard } from './series.ts';
import { type Schedule, scheduleOf, shardOf } from './slots.ts';
import type { OpenSpan, SpanChange, SpanStore } from './tables/spans.ts';

export interface ReconcilerOptions {
  clock: Clock;
  logger: Logger;
  timeline: Timeline;
  engine: Engine;
  jobStore: Pick<JobStore, 'changedSince' | 'watch'>;
  spans: SpanStore;
  location: string;
  defaultTopic: string;
  /** How the slots of a job end that is not checked; null for one that is. */
  reportedBy(job: Job): Reported | null;
  signal: AbortSignal;
}

/** A job that is to run here, in its version of now. */
interface Wanted {
  job: Job;
  version: number;
}

/**
 * Which series run: brings the spans in PostgreSQL and the series of the engine into line with the jobs, shard by shard.
 * A span is opened before its first slot is checked, and ended only when everything up to its last slot is in the log.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #wanted = new Map<number, Wanted>();
  readonly #series = new Map<number, Series>();
  readonly #shards = new Map<number, Shard>();
  /** Jobs whose span has to begin, end or change, in the order in which that became possible. */
  readonly #queue = new Set<number>();
  #applying: Promise<void> | null = null;
  /** The last change that was read. */
  #known = NOTHING_KNOWN;
  #reading: Promise<void> | null = null;
  #readAgain = false;
  #hasAdopted = false;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** Reads all jobs and follows their changes until the returned function is called. */
  async start(): Promise<() => Promise<void>> {
    await this.#read();
    const { jobStore, clock, logger, signal } = this.#options;
    return retry(() => jobStore.watch(() => void this.#read()), {
      clock,
      signal,
      onTransition: (state) => state.failing && logger.warn({ err: state.error }, 'jobs cannot be watched'),
    });
  }

  get(jobId: number): Series | undefined {
    return this.#series.get(jobId);
  }

  /** Takes shards over: goes on with the open spans that the last owner left, then begins what is missing. */
  async adopt(shards: readonly Shard[]): Promise<void> {
    const { spans, timeline, clock, logger, signal } = this.#options;
    // Shards without any progress, although they are not the first: the tables may have been reset, and jobs be gone
    // without a notification.
    if (this.#hasAdopted && shards.some(({ inherited }) => inherited === null)) await this.#readAnew();
    this.#hasAdopted = true;
    for (const shard of shards) {
      this.#shards.set(shard.number, shard);
      timeline.raise(shard.pastUntil);
    }
    const open = await retry(() => spans.loadOpen(shards.map(({ number }) => number)), {
      clock,
      signal,
      onTransition: (state) => state.failing && logger.warn({ err: state.error }, 'open spans cannot be read'),
    });
    const now = timeline.now();
    const owned = new Map(shards.filter(({ state }) => state === 'adopting').map((shard) => [shard.number, shard]));
    for (const span of open) {
      const shard = owned.get(shardOf(span.jobId));
      if (shard) this.#takeOver(span, shard, now);
    }
    for (const shard of owned.values()) {
      shard.adopted = true;
      shard.state = 'active';
    }
    for (const shard of owned.values()) for (const { jobId } of shard.series) this.#reconcile(jobId);
    for (const jobId of this.#wanted.keys()) if (owned.has(shardOf(jobId))) this.#reconcile(jobId);
  }

  /** Drops a shard: nothing of it is published any more. */
  drop(shard: Shard): void {
    shard.state = 'gone';
    if (this.#shards.get(shard.number) === shard) this.#shards.delete(shard.number);
    for (const series of shard.series) this.#remove(series);
  }

  /** Resolves when statements under way have ended; none follow for shards that are not active. */
  async settled(): Promise<void> {
    await this.#applying;
  }

  /** A held series may have become quiet. */
  onQuiet(series: Series): void {
    if (series.shard.state === 'active' && !series.changing) this.#reconcile(series.jobId);
  }

  #takeOver(span: OpenSpan, shard: Shard, now: number): void {
    const { engine } = this.#options;
    const schedule = this.#scheduleOf(span);
    if (!schedule) return;
    const wanted = this.#wanted.get(span.jobId);
    const job = wanted?.version === span.version ? wanted.job : null;
    const series = this.#add(span, shard, schedule, job, shard.inherited ?? span.fromSlot - 1);
    if (shard.clean) {
      // No scheduler has begun these slots: the last one may still be checked, if it is not too late for that.
      series.gapUntil = now;
      return;
    }
    series.closeGap = true;
    // Reports may have come all the same.
    if (series.reported) series.gapUntil = now;
    else engine.miss(series, now, 'scheduler_down');
    if (series.pending.length === 0 && series.firstUnacked > series.handled) engine.fence(series);
  }

  #add(span: OpenSpan, shard: Shard, schedule: Schedule, job: Job | null, doneUntil: number): Series {
    const { engine } = this.#options;
    const reported = job && this.#options.reportedBy(job);
    const series = new Series(engine.takeId(), shard, span, schedule, { job, reported }, doneUntil);
    engine.add(series);
    shard.series.add(series);
    this.#series.set(series.jobId, series);
    return series;
  }

  #remove(series: Series): void {
    this.#options.engine.remove(series);
    series.shard.series.delete(series);
    if (this.#series.get(series.jobId) === series) this.#series.delete(series.jobId);
  }

  #reconcile(jobId: number): void {
    if (this.#shards.get(shardOf(jobId))?.state !== 'active') return;
    const { engine, timeline } = this.#options;
    const wanted = this.#wanted.get(jobId);
    const series = this.#series.get(jobId);
    if (!series) {
      if (wanted) this.#enqueue(jobId);
      return;
    }
    if (series.changing) return;
    if (wanted && series.job && this.#fits(series, wanted)) {
      this.#queue.delete(jobId);
      engine.resume(series);
      return;
    }
    engine.hold(series);
    if (!series.quiet) return;
    if (series.closeGap) {
      // The messages of this epoch are in the log: results of a predecessor are dropped from here on.
      series.closeGap = false;
      engine.miss(series, timeline.now(), 'scheduler_down');
      if (!series.quiet) return;
    }
    this.#enqueue(jobId);
  }

  #fits(series: Series, { job, version }: Wanted): boolean {
    return series.span.version === version && series.span.topic === this.#topicOf(job);
  }

  #topicOf(job: Job): string {
    return job.topic ?? this.#options.defaultTopic;
  }

  #enqueue(jobId: number): void {
    this.#queue.add(jobId);
    this.#applyQueued();
  }

  #applyQueued(): void {
    if (this.#applying || this.#queue.size === 0 || this.#options.signal.aborted) return;
    this.#applying = this.#applyAll().finally(() => {
      this.#applying = null;
      this.#applyQueued();
    });
  }

  async #applyAll(): Promise<void> {
    // All changes of one turn of the event loop go into one statement.
    await Promise.resolve();
    while (this.#queue.size > 0 && !this.#options.signal.aborted) {
      const orders: Order[] = [];
      const margin = OPEN_MARGIN_MS + Math.min(this.#queue.size, BATCH) * OPEN_MARGIN_PER_JOB_MS;
      for (const jobId of this.#queue) {
        this.#queue.delete(jobId);
        const order = this.#order(jobId, margin);
        if (order) orders.push(order);
        if (orders.length === BATCH) break;
      }
      if (orders.length > 0) await this.#apply(orders);
    }
  }

  /** The change due for a job now; its new series is made at once, so that progress does not pass its first slot. */
  #order(jobId: number, marginMs: number): Order | null {
    const shard = this.#shards.get(shardOf(jobId));
    if (shard?.state !== 'active') return null;
    const old = this.#series.get(jobId);
    const wanted = this.#wanted.get(jobId);
    if (old && (old.changing || !old.held || !old.quiet)) return null;
    if (wanted && shard.stored > this.#options.timeline.now() + marginMs) {
      // Time was put back. A next owner would count the first slots of a span that began now as done.
      this.#options.clock.after(AGAIN_MS, () => this.#reconcile(jobId));
      return null;
    }
    const change: SpanChange = { jobId, epoch: shard.epoch };
    if (old) {
      const { span, handled, schedule } = old;
      const toSlot = Math.max(handled, span.fromSlot - 1);
      const slotCount = handled < span.fromSlot ? 0 : schedule.count(span.fromSlot, handled);
      change.end = { jobId, fromSlot: span.fromSlot, toSlot, slotCount, epoch: shard.epoch };
      old.changing = true;
    }
    const begun = wanted ? this.#begin(jobId, wanted, shard, old, marginMs) : null;
    if (begun) change.begin = begun.span;
    return old || begun ? { change, shard, old: old ?? null, begun } : null;
  }

  #begin(jobId: number, { job, version }: Wanted, shard: Shard, old: Series | undefined, marginMs: number) {
    const { periodMs, cron, cronTimezone } = job;
    const schedule = this.#scheduleOf(job);
    if (!schedule) return null;
    const topic = this.#topicOf(job);
    // With the same slots the new definition follows the old one without a gap.
    const seamless =
      old !== undefined &&
      old.span.topic === topic &&
      old.span.periodMs === periodMs &&
      old.span.cron === cron &&
      old.span.cronTimezone === cronTimezone &&
      old.span.phaseMs === schedule.phaseMs;
    const after = this.#options.timeline.now() + marginMs;
    const fromSlot = seamless ? old.next : schedule.next(Math.max(after, old?.handled ?? 0));
    if (!Number.isFinite(fromSlot)) return null;
    const { phaseMs } = schedule;
    const span = { jobId, version, periodMs, phaseMs, cron, cronTimezone, topic, epoch: shard.epoch, fromSlot };
    const series = this.#add(span, shard, schedule, job, fromSlot - 1);
    series.changing = true;
    return series;
  }

  async #apply(orders: Order[]): Promise<void> {
    const { spans, clock, logger, signal } = this.#options;
    let standing: Set<number>;
    try {
      standing = await retry(
        () => spans.apply(orders.filter(({ shard }) => shard.state !== 'gone').map(({ change }) => change)),
        {
          clock,
          signal,
          onTransition: (state) =>
            state.failing && logger.warn({ err: state.error }, 'spans cannot be written, they wait'),
        },
      );
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    for (const order of orders) this.#finish(order, standing.has(order.change.jobId));
  }

  #finish({ change: { jobId }, shard, old, begun }: Order, stands: boolean): void {
    if (shard.state === 'gone') return;
    if (old) old.changing = false;
    if (begun) begun.changing = false;
    if (stands) {
      if (old) this.#removeOld(old, begun);
      this.#reconcile(jobId);
      return;
    }
    // The lease is lost, or the end was written but the beginning lies in an older span's time, which will pass.
    if (begun) this.#remove(begun);
    if (begun && old) this.#remove(old);
    this.#options.logger.warn({ jobId, shard: shard.number }, 'span not written');
    this.#options.clock.after(AGAIN_MS, () => this.#reconcile(jobId));
  }

  #removeOld(old: Series, begun: Series | null): void {
    this.#remove(old);
    if (begun) this.#series.set(begun.jobId, begun);
  }

  #scheduleOf(timing: OpenSpan | Job): Schedule | null {
    try {
      return scheduleOf(timing);
    } catch (error) {
      this.#options.logger.error({ err: error, jobId: timing.jobId }, 'job has no schedule that can be read');
      return null;
    }
  }

  async #readAnew(): Promise<void> {
    await this.#reading;
    this.#wanted.clear();
    this.#known = NOTHING_KNOWN;
    await this.#read();
    for (const { jobId } of [...this.#series.values()]) this.#reconcile(jobId);
  }

  #read(): Promise<void> {
    this.#readAgain = true;
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #readAll(): Promise<void> {
    while (this.#readAgain) {
      this.#readAgain = false;
      // Page by page: all jobs at once would take several times the memory that they need afterwards.
      for (let more = true; more; ) {
        const page = await this.#readPage();
        for (const stored of page) this.#learn(stored);
        more = page.length >= PAGE;
      }
    }
  }

  async #readPage(): Promise<StoredJob[]> {
    const { jobStore, clock, logger, signal } = this.#options;
    const { revision, jobId } = this.#known;
    try {
      return await retry(() => jobStore.changedSince(revision, { afterJobId: jobId, limit: PAGE }), {
        clock,
        signal,
        onTransition: (state) => state.failing && logger.warn({ err: state.error }, 'jobs cannot be read'),
      });
    } catch (error) {
      if (signal.aborted) return [];
      throw error;
    }
  }

  #learn({ job, version, running, deleted, revision }: StoredJob): void {
    this.#known = { revision, jobId: job.jobId };
    const runs = running && !deleted && job.locations.includes(this.#options.location);
    if (runs) this.#wanted.set(job.jobId, { job, version });
    else this.#wanted.delete(job.jobId);
    const series = this.#series.get(job.jobId);
    if (series && series.job === null && runs && series.span.version === version) {
      series.job = job;
      series.reported = this.#options.reportedBy(job);
    }
    this.#reconcile(job.jobId);
  }
}

interface Order {
  change: SpanChange;
  shard: Shard;
  old: Series | null;
  begun: Series | null;
}

const NOTHING_KNOWN = { revision: 0, jobId: 0 };
const PAGE = 5000;
/** Jobs in one statement. */
const BATCH = 5000;
/** A new span begins this much later than now, so that it is written before its first slot. */
const OPEN_MARGIN_MS = 100;
const OPEN_MARGIN_PER_JOB_MS = 0.1;
const AGAIN_MS = 1000;
