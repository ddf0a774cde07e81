import { ResultDecoder } from '../../messages/decode.ts';
import { locationOf, type ResultColumns } from '../../messages/result-columns.ts';
import type { Queryable } from '../../postgres/database.ts';
import type { StreamDriver, StreamRecord } from '../../streaming/driver.ts';
import { groupLines, splitLines } from '../counting/lines.ts';
import { namedStatuses } from '../counting/named-statuses.ts';
import { namedValues } from '../counting/named-values.ts';
import { RawResults, type RawResultsTaken, type ResultsStore } from '../counting/raw-results.ts';
import type { RecordLine } from '../counting/record-line.ts';
import { type DeadLetter, readRefusedLines } from '../tables/dead-letters.ts';
import { addCounters, emptyCounters, type PartitionCounters, readEpochFloors } from '../tables/offsets.ts';
import type { ResultPlace } from '../tables/repair.ts';
import type { CountedSeries } from '../tables/series.ts';
import { type ResultsExpected, Shadow } from '../verify/shadow/index.ts';
import { ShadowRows } from '../verify/shadow/rows.ts';
import type { ShadowSeries } from '../verify/shadow/series.ts';
import { plainOffsets, readCountedOffsets } from '../verify/stored-rows.ts';

export interface RecountOptions {
  database: Queryable;
  driver: StreamDriver;
  series: CountedSeries;
  /** Epochs beyond it were never given to a scheduler. */
  highestEpoch: number;
  /** Times beyond were never to be counted, ms since the epoch. */
  latestMs: number;
  /** Which raw results are stored, and since when they are kept, ms since the epoch. */
  results: { store: ResultsStore; keptFromMs: number };
  signal?: AbortSignal | undefined;
}

/** A series counted again from the stream: without the lines that never should have counted, and as it was with them. */
export interface Recount {
  right: ShadowSeries | undefined;
  counted: ShadowSeries | undefined;
  /** The lines that never should have counted. */
  letters: DeadLetter[];
  /** By partition: what the counters of its offset have to grow by. */
  growth: Map<number, PartitionCounters>;
  /** Raw results that ought to be stored and are not. */
  added: RawResultsTaken[];
  /** Raw results that are stored and ought not to be. */
  removed: ResultPlace[];
  /** The stream has all that was ever counted of the series. */
  isWhole: boolean;
}

/** How far the clocks of a writer and of the stream may be apart. */
export const AHEAD_MS = 60_000;

export async function recountSeries(options: RecountOptions): Promise<Recount> {
  const { database, driver, series, results, signal } = options;
  const { topic, jobId } = series;
  const lines = await readRefusedLines(database, [topic]);
  const [known, refused] = [groupLines(lines), groupLines(lines)];
  const lows = new Map((await driver.ranges(topic)).map(({ partition, low }) => [partition, low]));
  const offsets = await readCountedOffsets(database, [topic]);
  const ranges = offsets.flatMap(({ partition, nextOffset, firstOffset }) => {
    const from = Math.max(lows.get(partition) ?? 0, firstOffset);
    return nextOffset === null || nextOffset <= from ? [] : [{ partition, from, to: nextOffset }];
  });
  const shared = {
    rows: new ShadowRows([]),
    includes: (id: number) => id === jobId,
    isFirst: false,
    floors: await readEpochFloors(database),
    named: namedStatuses([series]),
    namedValues: namedValues([series]),
    plainUntil: plainOffsets(offsets),
  };
  const stored = new StoredRows();
  const wanted = new MissingRows(stored, results.store, results.keptFromMs);
  const counted = new Shadow({ ...shared, refused: known, results: stored });
  const right = new Shadow({ ...shared, refused, results: wanted });
  const decoder = new ResultDecoder();
  const letters: DeadLetter[] = [];
  for await (const { partition, records } of driver.read(topic, ranges, signal)) {
    for (const record of records) {
      decoder.reset();
      decoder.decodeRecord(record.value, () => undefined);
      const { columns } = decoder;
      if (!columns.jobId.subarray(0, columns.length).includes(jobId)) continue;
      const key = `${topic} ${partition} ${record.offset}`;
      for (const letter of mistakes(options, columns, partition, record)) {
        if (known.get(key)?.has(letter.line)) continue;
        refused.set(key, (refused.get(key) ?? new Set()).add(letter.line));
        letters.push(letter);
      }
      stored.clear();
      counted.add(topic, partition, record);
      right.add(topic, partition, record);
      wanted.endRecord();
    }
  }
  const seriesKey = `${jobId} ${topic} ${series.location}`;
  const found = counted.series.get(seriesKey);
  const partitions = found ? [...found.partitions] : offsets.map(({ partition }) => partition);
  const begins = new Map(offsets.map(({ partition, firstOffset }) => [partition, firstOffset]));
  return {
    right: right.series.get(seriesKey),
    counted: found,
    letters,
    growth: growthOf(counted, right),
    ...wanted.take(),
    isWhole: partitions.every((partition) => (lows.get(partition) ?? 0) <= (begins.get(partition) ?? 0)),
  };
}

/** The lines of the series in a record that no scheduler can have written. */
function* mistakes(
  { series, highestEpoch, latestMs }: RecountOptions,
  columns: ResultColumns,
  partition: number,
  { value, offset, timestamp }: StreamRecord,
): Generator<DeadLetter> {
  const { topic } = series;
  for (let row = 0; row < columns.length; row++) {
    if (columns.jobId[row] !== series.jobId || locationOf(columns, row) !== series.location) continue;
    const slot = columns.slot[row] as number;
    const ts = columns.ts[row] as number;
    const epoch = columns.epoch[row] as number;
    const start = columns.lineStart[row] as number;
    const isAhead = Math.max(slot, ts) > Math.min(latestMs, timestamp + AHEAD_MS);
    if (!isAhead && epoch <= highestEpoch) continue;
    const line = splitLines(value).findIndex((at) => at.start === start);
    const bytes = Buffer.from(value.subarray(start, columns.lineEnd[row] as number));
    const error = isAhead
      ? `counted by mistake: slot ${slot} and ts ${ts}, in the stream since ${timestamp}`
      : `counted by mistake: epoch ${epoch}, the lease of the job's shard has ${highestEpoch}`;
    yield { kind: 'repaired', topic, partition, offset, line, bytes, error };
  }
}

function growthOf(counted: Shadow, right: Shadow): Map<number, PartitionCounters> {
  const growth = new Map<number, PartitionCounters>();
  for (const [key, before] of counted.counters) {
    const by = emptyCounters();
    for (const name of Object.keys(by) as Array<keyof PartitionCounters>) by[name] = -before[name];
    const after = right.counters.get(key);
    if (after) addCounters(by, after);
    growth.set(Number(key.slice(key.lastIndexOf(' ') + 1)), by);
  }
  return growth;
}

/** The raw results of one record as they were counted, by the start of their line. */
class StoredRows implements ResultsExpected {
  readonly rows = new Map<number, ResultPlace>();

  clear(): void {
    this.rows.clear();
  }

  expect({ partition, record, columns, row }: RecordLine, slots: number): void {
    const slot = columns.slot[row] as number;
    const ts = columns.ts[row] as number;
    const place = { partition, offset: record.offset, slot: slot < 0 ? null : slot, ts, slots };
    this.rows.set(columns.lineStart[row] as number, place);
  }
}

/** Raw results that ought to be stored, without those that are. */
class MissingRows implements ResultsExpected {
  readonly #stored: StoredRows;
  readonly #store: ResultsStore;
  readonly #keptFromMs: number;
  readonly #added = new Map<number, RawResults>();
  readonly #removed: ResultPlace[] = [];

  constructor(stored: StoredRows, store: ResultsStore, keptFromMs: number) {
    this.#stored = stored;
    this.#store = store;
    this.#keptFromMs = keptFromMs;
  }

  expect({ topic, partition, record, columns, row }: RecordLine, slots: number): void {
    const start = columns.lineStart[row] as number;
    if (this.#stored.rows.get(start)?.slots === slots) {
      this.#stored.rows.delete(start);
      return;
    }
    let added = this.#added.get(partition);
    if (!added) {
      added = new RawResults(this.#store, topic, partition);
      added.keptFromMs = this.#keptFromMs;
      this.#added.set(partition, added);
    }
    added.add(columns, new Int32Array(row + 1).fill(slots, row), row, row + 1, record);
  }

  /** Rows that were stored for the record and are not expected are to be removed. */
  endRecord(): void {
    if (this.#store !== 'none') this.#removed.push(...this.#stored.rows.values());
  }

  take(): { added: RawResultsTaken[]; removed: ResultPlace[] } {
    return { added: [...this.#added.values()].map((rows) => rows.take()), removed: this.#removed };
  }
}
