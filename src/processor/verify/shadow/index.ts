import { shardOf } from '../../../jobs/shard.ts';
import { ResultDecoder } from '../../../messages/decode.ts';
import { locationOf, type ResultColumns, statusOf } from '../../../messages/result-columns.ts';
import type { StreamRecord } from '../../../streaming/driver.ts';
import { splitLines } from '../../counting/lines.ts';
import { OTHER_STATUS } from '../../counting/named-statuses.ts';
import type { RecordLine } from '../../counting/record-line.ts';
import { emptyCounters, type PartitionCounters } from '../../tables/offsets.ts';
import type { ShadowRows } from './rows.ts';
import { ShadowSeries } from './series.ts';

/** Takes every line that makes a raw result, with the number of its slots that count. */
export interface ResultsExpected {
  expect(line: RecordLine, slots: number): void;
}

export interface ShadowOptions {
  rows: ShadowRows;
  /** Raw results, where they are compared too. */
  results?: ResultsExpected;
  /** Only these jobs are counted. */
  includes: (jobId: number) => boolean;
  /** Of several readings of one log, the one in which lines that belong to no job are counted. Default true. */
  isFirst?: boolean;
  /** Lines that were decided not to count, as `topic partition offset` -> line numbers. */
  refused: ReadonlyMap<string, ReadonlySet<number>>;
  /** Up to which offset foreign lines were counted by their status alone, by `topic partition`. */
  plainUntil?: ReadonlyMap<string, number>;
  /** By `location shard`: results of epochs up to this one are of the time before a reset. */
  floors?: ReadonlyMap<string, number>;
  /** The statuses that are named, as `job_id topic location`; a series that is not mentioned names all of its own. */
  named: ReadonlyMap<string, ReadonlySet<string>>;
  /** Likewise the values that are named. */
  namedValues: ReadonlyMap<string, ReadonlySet<string>>;
}

/**
 * Counts the log again, for the proof: plainly, result by result and slot by slot. It shares the decoder and the declared
 * columns with the counting that it checks, but neither its accumulator, nor its deduplication, nor its writing.
 */
export class Shadow {
  readonly series = new Map<string, ShadowSeries>();
  /** Slots and foreign lines counted. */
  results = 0;
  /** By `topic partition`. */
  readonly counters = new Map<string, PartitionCounters>();
  readonly #options: ShadowOptions;
  readonly #decoder: ResultDecoder;

  constructor(options: ShadowOptions) {
    this.#options = options;
    this.#decoder = new ResultDecoder(options.rows.wanted);
  }

  add(topic: string, partition: number, record: StreamRecord): void {
    const counters = this.#countersOf(topic, partition);
    this.#decoder.reset();
    // A line that cannot be read is in dead_letters and was not counted.
    const onBadLine = () => {
      if (this.#options.isFirst ?? true) counters.deadLetters++;
    };
    const isPlain = record.offset < (this.#options.plainUntil?.get(`${topic} ${partition}`) ?? 0);
    this.#decoder.decodeRecord(record.value, onBadLine, record.offset, isPlain);
    const { columns } = this.#decoder;
    const refused = this.#options.refused.get(`${topic} ${partition} ${record.offset}`);
    const left = refused && new Set(splitLines(record.value).flatMap((at) => (refused.has(at.line) ? [at.start] : [])));
    for (let row = 0; row < columns.length; row++) {
      if (!this.#options.includes(columns.jobId[row] as number)) continue;
      if (left?.has(columns.lineStart[row] as number)) counters.deadLetters++;
      else this.#addLine({ topic, partition, record, columns, row, isPlain }, counters);
    }
  }

  #addLine(line: RecordLine, counters: PartitionCounters): void {
    const { topic, partition, columns, row } = line;
    const series = this.#seriesOf(columns.jobId[row] as number, locationOf(columns, row), topic);
    series.partitions.add(partition);
    const last = columns.slot[row] as number;
    if (last === -1) {
      const ts = columns.ts[row] as number;
      series.foreign++;
      counters.foreign++;
      this.#options.results?.expect(line, 1);
      series.add(columns, row, 1, ts);
      this.#count(series, columns, row, ts);
      return;
    }
    const epoch = columns.epoch[row] as number;
    const size = columns.slots[row] as number;
    if (epoch < series.epoch) {
      counters.fenced += size;
      return;
    }
    series.epoch = epoch;
    series.lastSlotOf.set(epoch, Math.max(last, series.lastSlotOf.get(epoch) ?? -1));
    const { rows } = this.#options;
    const periodMs = columns.periodMs[row] as number;
    let slots = size;
    if (slots > 0 && last - (slots - 1) * periodMs <= series.slot)
      slots = slots > 1 ? Math.max(0, Math.ceil((last - series.slot) / periodMs)) : 0;
    series.slot = Math.max(series.slot, last);
    counters.results += slots;
    counters.duplicates += size - slots;
    if (slots === 0) return;
    this.#options.results?.expect(line, slots);
    series.add(columns, row, slots, last - (slots - 1) * periodMs);
    // Slots before the first range are only counted: a single line may stand for years of them.
    const before = Math.min(slots, Math.max(0, slots - 1 - Math.floor((last - rows.fromMs) / periodMs)));
    const skipped = slots === 1 ? 0 : before;
    this.results += skipped;
    for (let left = slots - 1 - skipped; left >= 0; left--) this.#count(series, columns, row, last - left * periodMs);
  }

  #count(series: ShadowSeries, columns: ResultColumns, row: number, atMs: number): void {
    this.results++;
    const status = statusOf(columns, row);
    if (status !== null && !series.isNamed(status)) columns.status[row] = columns.statusIndex(OTHER_STATUS);
    series.renameValues(columns, row);
    this.#options.rows.add(columns, row, atMs);
  }

  #countersOf(topic: string, partition: number): PartitionCounters {
    const key = `${topic} ${partition}`;
    let found = this.counters.get(key);
    if (!found) {
      found = emptyCounters();
      this.counters.set(key, found);
    }
    return found;
  }

  #seriesOf(jobId: number, location: string, topic: string): ShadowSeries {
    const key = `${jobId} ${topic} ${location}`;
    let found = this.series.get(key);
    if (!found) {
      found = new ShadowSeries(jobId, location, topic, {
        statuses: this.#options.named.get(key),
        values: this.#options.namedValues.get(key),
      });
      const floor = this.#options.floors?.get(`${location} ${shardOf(jobId)}`);
      if (floor !== undefined) found.epoch = floor + 1;
      this.series.set(key, found);
    }
    return found;
  }
}
