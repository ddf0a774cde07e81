import { type Clock, sleep } from '../../core/clock.ts';
import { reuseChunks } from '../../postgres/copy-buffer.ts';
import { CommitUnknownError, type Database, type Transaction } from '../../postgres/database.ts';
import { isRetryable } from '../../postgres/pool.ts';
import { insertDeadLetters } from '../tables/dead-letters.ts';
import { MetricsWriter, type MetricsWritten, RowsGoneError } from '../tables/metrics/writer.ts';
import { moveOffsets, settleOffsets } from '../tables/offsets.ts';
import { TablePartitions } from '../tables/partitions.ts';
import { copyResults, deleteRepeatedParts } from '../tables/results.ts';
import { moveSeries, type SeriesDelta } from '../tables/series.ts';
import type { Delta } from './delta.ts';
import type { FlushStep, ProcessorHooks } from './hooks.ts';
import type { Outage } from './outage.ts';

/** PostgreSQL will never take these deltas: one of the values in them is not for any of its columns. */
export class RefusedError extends Error {
  constructor(options: { cause: unknown }) {
    super(options.cause instanceof Error ? options.cause.message : String(options.cause), options);
    this.name = 'RefusedError';
  }
}

/** Deltas of partitions (or series) that another owner counts. */
class LostError extends Error {
  readonly lost: ReadonlySet<Delta>;

  constructor(lost: Iterable<Delta>) {
    super('Another owner counts these partitions');
    this.lost = new Set(lost);
  }
}

/** Some series was not as it was read, or two deltas have the same: comes out when each delta is written by itself. */
class SeriesMovedError extends Error {}

/** Ends a rehearsal. */
class RehearsedError extends Error {}

export interface FlusherOptions {
  database: Database;
  outage: Outage;
  clock: Clock;
  /** Ends every wait for a database that is away. */
  signal: AbortSignal;
  hooks?: ProcessorHooks | undefined;
  /** How much of the rows written last is remembered at most. */
  memoryBytes?: number;
}

export interface FlushOutcome {
  written: Delta[];
  /** Not written and never to be: another owner counts there. */
  lost: Delta[];
}

/**
 * Writes deltas: one transaction that moves the offsets, by compare-and-set, and everything else with them. A database
 * that is away is waited for with the same deltas. Throws RefusedError, and the last error when `signal` aborts.
 */
export class Flusher {
  readonly #options: FlusherOptions;
  readonly #partitions: TablePartitions;
  readonly #metrics: MetricsWriter;

  constructor(options: FlusherOptions) {
    this.#options = options;
    this.#partitions = new TablePartitions(options.database);
    this.#metrics = new MetricsWriter({ memoryBytes: options.memoryBytes });
  }

  async flush(deltas: readonly Delta[]): Promise<FlushOutcome> {
    let rest = deltas.filter((delta) => !delta.owner.dropped);
    const lost: Delta[] = deltas.filter((delta) => delta.owner.dropped);
    let apart = false;
    for (let failures = 0; rest.length > 0; ) {
      try {
        await this.#write(rest, apart, failures > 0);
        break;
      } catch (error) {
        if (error instanceof LostError) {
          // Someone else counts, or the database was set back: what this process wrote last may be another row by now.
          this.#metrics.forget();
          lost.push(...error.lost);
          rest = rest.filter((delta) => !error.lost.has(delta));
        } else if (error instanceof SeriesMovedError) {
          apart = true;
        } else if (error instanceof RowsGoneError) {
          this.#metrics.forget();
        } else if (error instanceof CommitUnknownError && (await this.#settle(rest, error))) {
          break;
        } else if (isRefusal(error)) {
          throw new RefusedError({ cause: error });
        } else {
          await this.#wait(error, failures++);
        }
      }
    }
    this.#options.outage.ended(this);
    return { written: rest, lost };
  }

  /** Everything a flush does, rolled back at the end. Returns PostgreSQL's refusal, or null when it would take the delta. */
  async rehearse(delta: Delta): Promise<Error | null> {
    for (let failures = 0; ; ) {
      try {
        await this.#partitions.prepare([delta], failures > 0);
        await this.#options.database.transaction(async (tx) => {
          await this.#apply(tx, [delta], true);
          throw new RehearsedError();
        });
      } catch (error) {
        if (error instanceof RehearsedError || error instanceof LostError) return null;
        if (error instanceof RowsGoneError) {
          this.#metrics.forget();
          continue;
        }
        if (isRefusal(error)) return error as Error;
        await this.#wait(error, failures++);
      }
    }
  }

  async #write(deltas: readonly Delta[], apart: boolean, again: boolean): Promise<void> {
    await this.#partitions.prepare(deltas, again);
    await this.#at('before-begin');
    const metrics = await this.#options.database.transaction(async (tx) => {
      const written = await this.#apply(tx, deltas, apart);
      await this.#at('before-commit');
      return written;
    });
    metrics.remember();
    for (const { results } of deltas) reuseChunks(results.chunks);
    await this.#at('after-commit');
  }

  async #apply(tx: Transaction, deltas: readonly Delta[], apart: boolean): Promise<MetricsWritten> {
    const moved = await moveOffsets(
      tx,
      deltas.map((delta) => delta.step),
    );
    if (moved.size < deltas.length) throw new LostError(deltas.filter((_, index) => !moved.has(index)));
    await this.#at('after-offsets');
    if (apart) {
      for (const delta of deltas) {
        if (!(await moveSeries(tx, delta.step.topic, [delta.series]))) throw new LostError([delta]);
      }
    } else {
      for (const [topic, series] of byTopic(deltas)) {
        if (!(await moveSeries(tx, topic, series))) throw new SeriesMovedError();
      }
    }
    await this.#at('after-series');
    const metrics = await this.#metrics.write(
      tx,
      deltas.map((delta) => delta.metrics),
    );
    await this.#at('after-metrics');
    await copyResults(
      tx,
      deltas.map(({ results }) => results.chunks),
    );
    for (const { results, step } of deltas) {
      await deleteRepeatedParts(tx, step.topic, step.partition, results.parts);
    }
    await insertDeadLetters(
      tx,
      deltas.flatMap((delta) => delta.deadLetters),
    );
    await this.#at('after-results');
    return metrics;
  }

  /** Whether the COMMIT whose answer got lost has happened. */
  async #settle(deltas: readonly Delta[], cause: CommitUnknownError): Promise<boolean> {
    this.#options.outage.failed(this, cause);
    for (let failures = 0; ; ) {
      try {
        const steps = deltas.map((delta) => delta.step);
        const stored = await this.#options.database.transaction((tx) => settleOffsets(tx, steps));
        const byKey = new Map(stored.map((row) => [`${row.topic} ${row.partition}`, row]));
        return steps.every((step) => byKey.get(`${step.topic} ${step.partition}`)?.nextOffset === step.to);
      } catch (error) {
        await this.#wait(error, failures++);
      }
    }
  }

  async #wait(error: unknown, failures: number): Promise<void> {
    const { clock, signal } = this.#options;
    if (signal.aborted) throw error;
    this.#options.outage.failed(this, error);
    await sleep(clock, Math.min(5_000, 100 * 2 ** Math.min(failures, 10)) * (0.75 + Math.random() / 2), signal);
    if (signal.aborted) throw error;
  }

  #at(step: FlushStep): Promise<void> | void {
    return this.#options.hooks?.at(step);
  }
}

/**
 * Errors about the values themselves: data exceptions, broken constraints, exceeded limits. A table that
 * lacks a partition for a row says it in the same way, but that heals when the partition is made.
 */
function isRefusal(error: unknown): boolean {
  const { code, routine } = (error ?? {}) as { code?: unknown; routine?: unknown };
  if (typeof code !== 'string' || !/^(22|23|54)[0-9A-Z]{3}$/.test(code)) return false;
  return routine !== 'ExecFindPartition' && !isRetryable(error);
}

/** The series of all deltas of a topic together, so that a flush of many partitions stays a few statements. */
function byTopic(deltas: readonly Delta[]): Map<string, SeriesDelta[]> {
  const topics = new Map<string, SeriesDelta[]>();
  for (const { step, series } of deltas) {
    const known = topics.get(step.topic);
    if (known) known.push(series);
    else topics.set(step.topic, [series]);
  }
  return topics;
}
