import type { GranularityPlan } from '../aggregates/metrics-plan.ts';
import type { Clock } from '../core/clock.ts';
import { firstOf } from '../core/first-of.ts';
import type { Logger } from '../core/logger.ts';
import { Slices } from '../core/slices.ts';
import type { Database } from '../postgres/database.ts';
import type {
  ConsumerHandler,
  RecordBatch,
  StreamConsumer,
  StreamDriver,
  StreamRecord,
  TopicPartition,
} from '../streaming/driver.ts';
import { Assignments } from './assignments.ts';
import { Condition } from './condition.ts';
import { Bounds, type KeptFor, type ReadLeaseEpochs } from './counting/bounds.ts';
import { groupSize } from './counting/group-size.ts';
import type { JobMetrics } from './counting/job-metrics.ts';
import { type LinePosition, only, splitLines } from './counting/lines.ts';
import { AssignedPartition } from './counting/partition.ts';
import type { ResultsStore } from './counting/raw-results.ts';
import { RecordCounter } from './counting/record-counter.ts';
import { DEFAULT_LIMITS, type ProcessorLimits } from './limits.ts';
import { RefusalLog } from './refusal-log.ts';
import { SerialQueue } from './serial-queue.ts';
import { type ProcessorStats, Totals } from './stats.ts';
import { StreamProblems } from './stream-problems.ts';
import type { ClaimedPartition } from './tables/offsets.ts';
import { findRefused } from './writing/bisect.ts';
import type { Delta } from './writing/delta.ts';
import { Flusher, RefusedError } from './writing/flusher.ts';
import type { ProcessorHooks } from './writing/hooks.ts';
import { Outage } from './writing/outage.ts';
import { Pace } from './writing/pace.ts';

export interface ProcessorOptions {
  database: Database;
  driver: StreamDriver;
  logger: Logger;
  clock: Clock;
  group: string;
  topics: readonly string[];
  /** The metrics of each granularity. */
  plans: readonly GranularityPlan[];
  /** Those of some jobs only. Absent: there are none. */
  jobMetrics?: JobMetrics;
  /** Which raw results are kept. */
  resultsStore: ResultsStore;
  /** How often results are written, unless one changes an outcome (see writing/pace.ts). */
  flushIntervalMs: number;
  limits: Pick<ProcessorLimits, 'rows'> & Partial<ProcessorLimits>;
  /** Written as the owner of the partitions. */
  instanceId: string;
  hooks?: ProcessorHooks;
  /** How long work is divided, so that others have their turn. */
  slices?: () => Slices;
  /** No row is made that retention would drop at once. Default: everything is kept. */
  keptFor?: KeptFor;
  /** Which epochs schedulers were given. Absent: those of the stream are believed. */
  leaseEpochs?: ReadLeaseEpochs;
}

/**
 * Counts the results of the topics into PostgreSQL, exactly once: consume, decode, deduplicate, accumulate, flush. What
 * is counted and where the stream goes on from are written in one transaction (see writing/flusher.ts).
 */
export interface Processor {
  /** Joins the group; delivery begins when it resolves. */
  start(): Promise<void>;
  /** Writes what is counted (for a while, see `stopMs`; what cannot be written is read again later) and leaves the group. */
  stop(): Promise<void>;
  stats(): ProcessorStats;
  /** Resolves when everything counted so far has been written. */
  flush(): Promise<void>;
}

export function createProcessor(options: ProcessorOptions): Processor {
  return new CountingProcessor(options);
}

class CountingProcessor implements Processor, ConsumerHandler {
  readonly releasesRecords = true;
  readonly #options: ProcessorOptions;
  readonly #limits: ProcessorLimits;
  readonly #abort = new AbortController();
  readonly #outage: Outage;
  readonly #flusher: Flusher;
  readonly #bounds: Bounds;
  readonly #assignments: Assignments;
  readonly #counter: RecordCounter;
  readonly #pace: Pace;
  readonly #problems: StreamProblems;
  readonly #writes = new SerialQueue();
  readonly #roomChanged = new Condition();
  readonly #totals = new Totals();
  readonly #refusals: RefusalLog;
  #consumer: StreamConsumer | undefined;
  #stopping: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  /** Monotonic time of the next flush, while there is a timer for it. */
  #dueMs = 0;
  #flushQueued = false;

  constructor(options: ProcessorOptions) {
    const { database, logger, clock, hooks } = options;
    const { signal } = this.#abort;
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#outage = new Outage(logger, clock);
    this.#problems = new StreamProblems(logger);
    this.#refusals = new RefusalLog(logger, clock);
    this.#flusher = new Flusher({ database, clock, signal, outage: this.#outage, hooks });
    const { plans, jobMetrics, keptFor = { metrics: {}, results: null }, leaseEpochs } = options;
    this.#bounds = new Bounds({ database, clock, plans, keptFor, leaseEpochs });
    this.#counter = new RecordCounter({
      ...{ database, clock, signal, plans, jobMetrics, outage: this.#outage, bounds: this.#bounds },
    });
    this.#assignments = new Assignments({
      database,
      logger,
      owner: options.instanceId,
      identity: async (topic) => (await options.driver.identity?.(topic)) ?? null,
      create: (topic, claimed) => this.#create(topic, claimed),
    });
    const held = () => this.#assignments.all();
    this.#pace = new Pace({ clock, limits: this.#limits, intervalMs: options.flushIntervalMs, held });
  }

  async start(): Promise<void> {
    const { driver, group, topics } = this.#options;
    this.#consumer = await driver.createConsumer({ group, topics, handler: this });
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async flush(): Promise<void> {
    await this.#writes.run(() => this.#flushAll());
  }

  stats(): ProcessorStats {
    const partitions = this.#assignments.all().map(({ topic, partition, stored, lag }) => {
      return { topic, partition, nextOffset: stored, lag };
    });
    return {
      ...this.#totals,
      refused: this.#refusals.counts,
      partitions,
      lag: partitions.reduce((sum, { lag }) => sum + lag, 0),
      failingSince: this.#outage.since,
      streamProblem: this.#problems.text,
      problems: [
        ...(this.#outage.reason === null ? [] : [{ reason: `results cannot be written: ${this.#outage.reason}` }]),
        ...this.#problems.list(),
      ],
      catchingUp: this.#pace.catchingUp,
    };
  }

  async onAssigned(partitions: readonly TopicPartition[]): Promise<Array<number | null>> {
    const offsets = await this.#assignments.claim(partitions);
    this.#problems.assigned(partitions, offsets);
    void this.#checkEnds(partitions, offsets);
    return offsets;
  }

  /** A log that ends before what was counted of it is another log: nothing would ever be delivered, without any message. */
  async #checkEnds(partitions: readonly TopicPartition[], offsets: ReadonlyArray<number | null>): Promise<void> {
    const topics = new Set(partitions.map(({ topic }) => topic));
    for (const topic of topics) {
      // The consumer itself says when the stream cannot be reached.
      const ranges = await this.#options.driver.ranges(topic).catch(() => []);
      for (const { partition, high } of ranges) {
        const at = partitions.findIndex((place) => place.topic === topic && place.partition === partition);
        const next = offsets[at] ?? 0;
        if (next <= high) continue;
        this.onError(
          new Error(`${topic}/${partition} ends at ${high}, but was counted to ${next}: it is not the same log`),
        );
      }
    }
  }

  onRevoked(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) {
      this.#assignments.drop(partition);
      this.#problems.revoked(partition);
    }
    this.#roomChanged.notify();
  }

  onError(error: unknown, lost?: TopicPartition): void {
    this.#problems.failed(error, lost);
  }

  async onBatch(batch: RecordBatch): Promise<void> {
    try {
      await this.#take(batch);
    } catch (error) {
      // The end of this processor stops the retries underneath; the records are read again later. The rest is a bug,
      // and going on would hide it.
      if (!this.#abort.signal.aborted) queueMicrotask(() => Promise.reject(error));
    }
  }

  async #take(batch: RecordBatch): Promise<void> {
    const owned = this.#assignments.get(batch);
    if (!owned || this.#stopping) return;
    this.#problems.delivered(batch);
    owned.highWatermark = batch.highWatermark;
    const records = this.#assignments.fresh(owned, batch.records);
    if (records === null) return this.#reset(owned);
    for (let start = 0; start < records.length && this.#goesOn(owned); ) {
      const end = start + (owned.isolated?.step ?? groupSize(records, start));
      const group = records.slice(start, end);
      if (owned.isolated) await this.#countIsolated(owned, group);
      else await this.#count(owned, group);
      start = end;
    }
  }

  async #count(owned: AssignedPartition, records: readonly StreamRecord[]): Promise<void> {
    await this.#counter.count(owned, records, () => this.#makeRoom(owned));
    owned.behindSinceMs = owned.lag > 0 ? (owned.behindSinceMs ?? this.#options.clock.monotonicMs()) : null;
    await this.#makeRoom(owned);
  }

  /** Waits while more is held than may be: the back pressure. */
  async #makeRoom(owned: AssignedPartition): Promise<void> {
    this.#schedule();
    while (this.#goesOn(owned) && this.#pace.full) {
      this.#queueFlush();
      await this.#roomChanged.wait();
    }
  }

  /** Copies the records: at the end of this processor they are no longer waited for, and others may have their memory. */
  async #countIsolated(owned: AssignedPartition, records: readonly StreamRecord[]): Promise<void> {
    const kept = records.map((record) => ({ ...record, value: Buffer.from(record.value) }));
    await this.#untilStopped(this.#writes.run(() => this.#countAlone(owned, kept)));
  }

  /** Stops waiting for `work` once this processor ends. */
  #untilStopped(work: Promise<void>): Promise<void> {
    const { signal } = this.#abort;
    return new Promise((resolve, reject) => {
      const stop = () => reject(signal.reason);
      if (signal.aborted) return stop();
      signal.addEventListener('abort', stop, { once: true });
      work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
    });
  }

  #goesOn(owned: AssignedPartition): boolean {
    return !owned.dropped && this.#stopping === undefined;
  }

  #schedule(): void {
    if (this.#flushQueued) return;
    const delayMs = this.#pace.delayMs();
    const dueMs = this.#options.clock.monotonicMs() + delayMs;
    // Sooner than planned when it has just caught up.
    if (this.#cancelTimer && dueMs >= this.#dueMs) return;
    this.#cancelTimer?.();
    this.#dueMs = dueMs;
    this.#cancelTimer = this.#options.clock.after(delayMs, () => this.#queueFlush());
  }

  #queueFlush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    this.flush().catch((error) => {
      if (!this.#abort.signal.aborted) queueMicrotask(() => Promise.reject(error));
    });
  }

  async #flushAll(): Promise<void> {
    this.#flushQueued = false;
    this.#pace.flushed();
    const deltas = await this.#takeDeltas();
    if (deltas.length === 0) return;
    this.#roomChanged.notify();
    try {
      await this.#write(deltas);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      for (const { owner, records } of deltas) this.#isolate(owner, owner.begun, Math.ceil(records / 8));
    }
  }

  /** What each partition has counted so far. It may count on as soon as its delta is taken. */
  async #takeDeltas(): Promise<Delta[]> {
    const slices = this.#options.slices?.() ?? new Slices();
    const deltas: Delta[] = [];
    for (const owned of this.#assignments.all()) {
      if (slices.isOver) await slices.next();
      if (owned.dirty && !owned.dropped) deltas.push(owned.takeDelta());
    }
    return deltas;
  }

  /** Writes the deltas; those of partitions that another owner counts are dropped and their partitions assigned again. */
  async #write(deltas: readonly Delta[]): Promise<void> {
    const startedMs = this.#options.clock.monotonicMs();
    const { written, lost } = await this.#flusher.flush(deltas);
    this.#totals.flushed(written, this.#options.clock.monotonicMs() - startedMs, this.#options.clock.wallMs());
    this.#refusals.add(written.flatMap(({ deadLetters }) => deadLetters));
    for (const delta of written) delta.owner.stored = delta.step.to;
    const positions = written.flatMap(({ step: { topic, partition, to } }) =>
      to === null ? [] : [{ topic, partition, offset: to }],
    );
    if (positions.length > 0) this.#consumer?.reportCommitted(positions);
    this.#totals.lostDeltas += lost.length;
    // Counted alone next time: the time between reading the state of a series and writing it is short then.
    for (const { owner, records } of lost) this.#isolate(owner, owner.begun, records);
  }

  /** Counts a few isolated records, and writes them before any others. */
  async #countAlone(owned: AssignedPartition, records: readonly StreamRecord[]): Promise<void> {
    if (!this.#goesOn(owned)) return;
    try {
      await this.#counter.count(owned, records, () => this.#write([owned.takeDelta()]));
      if (owned.dropped) return;
      await this.#write([owned.takeDelta()]);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      if (records.length === 1) await this.#deadLetter(owned, firstOf(records));
      else this.#isolate(owned, owned.begun, Math.ceil(records.length / 8));
    }
    if (!owned.dropped && owned.isolated && (owned.next ?? 0) >= owned.isolated.until)
      this.#assignments.isolate(owned, null);
  }

  /** PostgreSQL does not take what this record says: finds the lines it refuses, keeps them apart, and counts the rest. */
  async #deadLetter(owned: AssignedPartition, record: StreamRecord): Promise<void> {
    const { topic, partition, epoch, stored } = owned;
    const deltaOf = async (
      lines: readonly LinePosition[],
      letters: ReadonlyMap<LinePosition, Error>,
    ): Promise<Delta> => {
      const trial = this.#create(topic, { partition, epoch, nextOffset: stored });
      await this.#counter.count(trial, [{ ...record, value: only(record.value, lines) }], async () => {});
      for (const [{ line, start, end }, error] of letters) trial.deadLetter(record, line, start, end, error);
      return trial.takeDelta();
    };
    const lines = splitLines(record.value);
    const refused = await findRefused(lines, async (part) => this.#flusher.rehearse(await deltaOf(part, new Map())));
    const rest = lines.filter((line) => !refused.has(line));
    const place = { topic, partition, offset: record.offset, lines: refused.size };
    this.#options.logger.error(place, 'PostgreSQL refuses lines of a record');
    await this.#write([await deltaOf(rest, refused)]);
    this.#reset(owned);
  }

  /** Counts the records before `until` again, apart from the rest, `records` a flush. */
  #isolate(owned: AssignedPartition, until: number, records: number): void {
    if (owned.dropped) return;
    this.#assignments.isolate(owned, { until, step: Math.max(1, records) });
    this.#reset(owned);
  }

  /** Ends the assignment and begins another: the log is read again from what is in the database. */
  #reset(owned: AssignedPartition): void {
    if (owned.dropped) return;
    this.#assignments.drop(owned);
    this.#roomChanged.notify();
    this.#consumer?.reset([{ topic: owned.topic, partition: owned.partition }]);
  }

  #create(topic: string, claimed: ClaimedPartition): AssignedPartition {
    return new AssignedPartition(claimed, {
      topic,
      store: this.#options.resultsStore,
      plans: this.#options.plans,
      selectionOf: this.#counter.selectionOf,
      bounds: this.#bounds,
      maxSeries: this.#limits.series,
      partRows: this.#limits.rows,
    });
  }

  async #stop(): Promise<void> {
    const { logger, clock } = this.#options;
    this.#cancelTimer?.();
    const late = new Promise<void>((resolve) => {
      clock.after(this.#limits.stopMs, resolve);
    }).then(() => Promise.reject(new Error(`nothing was written within ${this.#limits.stopMs} ms`)));
    await Promise.race([this.flush(), late]).catch((error) => {
      logger.warn({ err: error }, 'stopped with results not written; they are read again');
    });
    this.#abort.abort();
    this.#roomChanged.notify();
    await this.#consumer?.close();
  }
}
