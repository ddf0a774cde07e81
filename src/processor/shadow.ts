import { ResultDecoder } from '../messages/decode.ts';
import type { ResultColumns } from '../messages/result-columns.ts';
import type { StreamRecord } from '../streaming/driver.ts';
import { splitLines } from './lines.ts';
import type { ShadowRows } from './shadow-rows.ts';

export interface ShadowSeries {
  jobId: number;
  location: string;
  topic: string;
  /** Where its results came from; nearly always one. */
  partitions: Set<number>;
  epoch: number;
  slot: number;
  /** The last slot that was taken under each epoch. */
  lastSlotOf: Map<number, number>;
  foreign: number;
}

export interface ShadowOptions {
  rows: ShadowRows;
  /** Only these jobs are counted. */
  includes: (jobId: number) => boolean;
  /** Lines that PostgreSQL did not take, as `topic partition offset` -> line numbers. */
  refused: ReadonlyMap<string, ReadonlySet<number>>;
}

/**
 * Counts the log again, for the proof: plainly, result by result and slot by slot. But for the decoder and the bins of
 * the histogram it shares no code with what it checks.
 */
export class Shadow {
  readonly series = new Map<string, ShadowSeries>();
  /** Slots and foreign lines counted. */
  results = 0;
  /** The same, by `topic partition`. */
  readonly resultsOf = new Map<string, number>();
  readonly #options: ShadowOptions;
  readonly #decoder = new ResultDecoder();

  constructor(options: ShadowOptions) {
    this.#options = options;
  }

  add(topic: string, partition: number, record: StreamRecord): void {
    this.#decoder.reset();
    // A line that cannot be read is in dead_letters and was not counted.
    this.#decoder.decodeRecord(record.value, () => undefined);
    const { columns } = this.#decoder;
    const refused = this.#options.refused.get(`${topic} ${partition} ${record.offset}`);
    const left = refused && new Set(splitLines(record.value).flatMap((at) => (refused.has(at.line) ? [at.start] : [])));
    const before = this.results;
    for (let row = 0; row < columns.length; row++) {
      if (!this.#options.includes(columns.jobId[row]) || left?.has(columns.lineStart[row])) continue;
      this.#addRow(topic, partition, columns, row);
    }
    const key = `${topic} ${partition}`;
    this.resultsOf.set(key, (this.resultsOf.get(key) ?? 0) + this.results - before);
  }

  #addRow(topic: string, partition: number, columns: ResultColumns, row: number): void {
    const series = this.#seriesOf(columns.jobId[row], columns.locations[columns.location[row]], topic);
    series.partitions.add(partition);
    const last = columns.slot[row];
    if (last === -1) {
      series.foreign++;
      this.#count(columns, row, columns.ts[row]);
      return;
    }
    const epoch = columns.epoch[row];
    if (epoch < series.epoch) return;
    series.epoch = epoch;
    series.lastSlotOf.set(epoch, Math.max(last, series.lastSlotOf.get(epoch) ?? -1));
    for (let before = columns.slots[row] - 1; before >= 0; before--) {
      const slot = last - before * columns.periodMs[row];
      if (slot <= series.slot) continue;
      series.slot = slot;
      this.#count(columns, row, slot);
    }
    series.slot = Math.max(series.slot, last);
  }

  #count(columns: ResultColumns, row: number, atMs: number): void {
    this.results++;
    this.#options.rows.add(columns, row, atMs);
  }

  #seriesOf(jobId: number, location: string, topic: string): ShadowSeries {
    const key = `${jobId} ${topic} ${location}`;
    let found = this.series.get(key);
    if (!found) {
      const fresh = { epoch: -1, slot: -1, lastSlotOf: new Map(), foreign: 0, partitions: new Set<number>() };
      found = { jobId, location, topic, ...fresh };
      this.series.set(key, found);
    }
    return found;
  }
}
