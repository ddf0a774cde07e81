import { columnsFor, type GranularityPlan } from '../../aggregates/metrics-plan.ts';
import type { Clock } from '../../core/clock.ts';
import { elementAt } from '../../core/element-at.ts';
import { retry } from '../../core/retry.ts';
import { type BadLine, ResultDecoder } from '../../messages/decode.ts';
import type { Database } from '../../postgres/database.ts';
import type { StreamRecord } from '../../streaming/driver.ts';
import type { DeadLetter } from '../tables/dead-letters.ts';
import { countLocations, readSeries, type SeriesState } from '../tables/series.ts';
import type { Outage } from '../writing/outage.ts';
import type { Bounds, Refusal } from './bounds.ts';
import { JobMetrics } from './job-metrics.ts';
import { splitLines } from './lines.ts';
import type { AssignedPartition, Decoded, Place } from './partition.ts';

export interface RecordCounterOptions {
  database: Database;
  clock: Clock;
  outage: Outage;
  bounds: Bounds;
  /** The metrics of each granularity. */
  plans: readonly GranularityPlan[];
  /** Absent: all jobs have those of the plans. */
  jobMetrics?: JobMetrics | undefined;
  /** Ends every wait for a database that is away. */
  signal: AbortSignal;
}

/** Decodes records and counts them, after reading how far their series have been counted. */
export class RecordCounter {
  /** The metrics that a job has now. */
  readonly selectionOf: JobMetrics['selectionOf'];
  readonly #options: RecordCounterOptions;
  readonly #jobMetrics: JobMetrics;
  /** Shared by all partitions: between decoding and counting nothing is awaited. */
  #decoder: ResultDecoder;
  /** How many metrics the decoder keeps columns for. */
  #metrics: number;

  constructor(options: RecordCounterOptions) {
    this.#options = options;
    this.#jobMetrics = options.jobMetrics ?? new JobMetrics(options.plans);
    this.selectionOf = this.#jobMetrics.selectionOf;
    const { extras } = this.#jobMetrics;
    this.#decoder = new ResultDecoder(columnsFor(extras));
    this.#metrics = extras.length;
  }

  /**
   * Counts the records, or stops when the assignment ends meanwhile. `makeRoom` is called in between when they say more
   * than can be held.
   */
  async count(
    owned: AssignedPartition,
    records: readonly StreamRecord[],
    makeRoom: () => Promise<void>,
  ): Promise<void> {
    const { bounds } = this.#options;
    owned.begun = elementAt(records, records.length - 1).offset + 1;
    let isRead = false;
    // Decided once, so that a later part is counted by the same clock.
    let refused: ReadonlyMap<number, Refusal> | undefined;
    for (let from: Place = { row: 0, slots: 0 }; !owned.dropped; ) {
      let decoded = this.#decode(owned, records);
      if (!owned.resolve(decoded)) {
        await this.#load(owned);
        continue;
      }
      if (!refused) {
        const found = bounds.refusals(decoded.columns, owned.doubts, (row) => owned.isSurplus(row));
        if (!isRead && (found.size > 0 || bounds.isStale)) {
          isRead = true;
          await this.#untilThere(() => bounds.read([...found.values()].map(({ location }) => location)));
          continue;
        }
        refused = found;
      }
      if (refused.size > 0) {
        decoded = this.#without(owned, decoded, refused);
        owned.resolve(decoded);
      }
      from = owned.count(decoded, from);
      if (from.row === decoded.columns.length) return;
      await makeRoom();
    }
  }

  /** Leaves refused rows out, and makes their lines dead letters. */
  #without(
    { topic, partition }: AssignedPartition,
    { columns, records, ends, deadLetters }: Decoded,
    refused: ReadonlyMap<number, Refusal>,
  ): Decoded {
    const letters = [...deadLetters];
    const newEnds: number[] = [];
    let left = 0;
    let row = 0;
    for (const [index, { offset, value }] of records.entries()) {
      const end = elementAt(ends, index);
      let lines: Map<number, number> | undefined;
      for (; row < end; row++) {
        const refusal = refused.get(row);
        if (!refusal) continue;
        left++;
        lines ??= new Map(splitLines(value).map(({ line, start }) => [start, line]));
        const start = columns.lineStart[row] as number;
        const bytes = Buffer.from(value.subarray(start, columns.lineEnd[row] as number));
        const line = lines.get(start) ?? 0;
        const { kind, error } = refusal;
        letters.push({ kind, topic, partition, offset, line, bytes, error });
      }
      newEnds.push(end - left);
    }
    this.#decoder.leaveOut(new Set(refused.keys()));
    return { columns, records, ends: newEnds, deadLetters: letters };
  }

  #decode({ topic, partition }: AssignedPartition, records: readonly StreamRecord[]): Decoded {
    const deadLetters: DeadLetter[] = [];
    const ends: number[] = [];
    this.#followMetrics();
    this.#decoder.reset();
    for (const { value, offset } of records) {
      const onBadLine = ({ line, start, end, error }: BadLine) => {
        // Copied: what is kept must not hold the memory of a whole fetch.
        const bytes = Buffer.from(value.subarray(start, end));
        deadLetters.push({ kind: 'unreadable', topic, partition, offset, line, bytes, error });
      };
      this.#decoder.decodeRecord(value, onBadLine, offset);
      ends.push(this.#decoder.columns.length);
    }
    return { columns: this.#decoder.columns, records, ends, deadLetters };
  }

  /** Metrics of jobs may come to need further columns. */
  #followMetrics(): void {
    const { extras } = this.#jobMetrics;
    if (extras.length === this.#metrics) return;
    this.#metrics = extras.length;
    this.#decoder = new ResultDecoder(columnsFor(extras));
  }

  async #load(owned: AssignedPartition): Promise<void> {
    const { database } = this.#options;
    const keys = owned.progress.missing();
    const jobIds = [...new Set(keys.map(({ jobId }) => jobId))];
    await this.#untilThere(() => this.#jobMetrics.read(jobIds));
    const [states, locations] = await this.#untilThere<[SeriesState[], Map<number, number>]>(async () => [
      await readSeries(database, owned.topic, keys),
      await countLocations(database, owned.topic, jobIds),
    ]);
    owned.progress.load(states, locations);
  }

  /** A database that is away is waited for. */
  #untilThere<T>(work: () => Promise<T>): Promise<T> {
    const { clock, signal, outage } = this.#options;
    return retry(work, {
      clock,
      signal,
      onTransition: (state) => (state.failing ? outage.failed(work, state.error) : outage.ended(work)),
    });
  }
}
