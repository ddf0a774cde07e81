import { Accumulator } from '../../aggregates/accumulator/index.ts';
import { SeriesIds } from '../../aggregates/accumulator/series-ids.ts';
import type { GranularityPlan } from '../../aggregates/metrics-plan.ts';
import type { Selection } from '../../aggregates/selection.ts';
import { elementAt } from '../../core/element-at.ts';
import type { ResultColumns } from '../../messages/result-columns.ts';
import type { StreamRecord } from '../../streaming/driver.ts';
import type { IsolatedRange } from '../assignments.ts';
import { SeriesProgress } from '../series/progress.ts';
import { withTotals } from '../series/totals.ts';
import { type DeadLetter, REFUSED } from '../tables/dead-letters.ts';
import { type ClaimedPartition, emptyCounters } from '../tables/offsets.ts';
import type { Delta } from '../writing/delta.ts';
import type { Bounds } from './bounds.ts';
import { OTHER_STATUS } from './named-statuses.ts';
import { OTHER_VALUE } from './named-values.ts';
import { RawResults, type ResultsStore } from './raw-results.ts';

/** Decoded records of one partition: rows of `columns` [ends[i - 1], ends[i]) came from records[i]. */
export interface Decoded {
  readonly columns: ResultColumns;
  readonly records: readonly StreamRecord[];
  readonly ends: readonly number[];
  readonly deadLetters: readonly DeadLetter[];
}

/** How far decoded rows are counted: all before `row`, and so many slots of it. */
export interface Place {
  row: number;
  slots: number;
}

export interface PartitionOptions {
  topic: string;
  store: ResultsStore;
  plans: readonly GranularityPlan[];
  /** The metrics without a column that a job has now. */
  selectionOf: (jobId: number) => Selection;
  bounds: Bounds;
  /** Series kept in memory; idle ones beyond are read again when they come back. */
  maxSeries: number;
  /** Rows that missed ranges may make before room is made for more. */
  partRows: number;
}

/**
 * A partition of the stream from one assignment to its end, and what of it is counted but not written. A new assignment
 * is a new object: nothing that belongs to an older one can be added to it.
 */
export class AssignedPartition {
  readonly topic: string;
  readonly partition: number;
  /** Of stream_offsets: a write with an older one changes nothing. */
  readonly epoch: number;
  /** Set once, when the assignment ends: work under way for it is void. */
  dropped = false;
  /** The offset after the last one in the database; null: nothing was ever counted. */
  stored: number | null;
  /** Set while its next records are to be counted alone. */
  isolated: IsolatedRange | null = null;
  /** The offset after the last decoded record; null: nothing was ever counted. */
  next: number | null;
  /** The offset after the last record that was begun. */
  begun = 0;
  /** As far as the driver has said. */
  highWatermark: number | null = null;
  /** Time of the last decoded record, ms since the epoch. */
  newestMs = 0;
  /** Monotonic time since when there has always been more to read; null: all was read. */
  behindSinceMs: number | null = null;
  readonly progress: SeriesProgress;
  /** Rows of what was resolved last that may be beyond the bounds. */
  readonly doubts: number[] = [];
  /** Shared by all that is kept per series. */
  readonly #ids = new SeriesIds();
  readonly #metrics: Accumulator;
  readonly #raw: RawResults;
  readonly #maxSeries: number;
  readonly #partRows: number;
  readonly #bounds: Bounds;
  #boundsVersion = -1;
  #from: number | null;
  #records = 0;
  #counters = emptyCounters();
  #deadLetters: DeadLetter[] = [];
  #deadBytes = 0;
  #series = new Int32Array(1024);
  #counted = new Int32Array(1024);

  constructor(claimed: ClaimedPartition, options: PartitionOptions) {
    this.topic = options.topic;
    this.partition = claimed.partition;
    this.epoch = claimed.epoch;
    this.stored = claimed.nextOffset;
    this.next = claimed.nextOffset;
    this.#from = claimed.nextOffset;
    this.#metrics = new Accumulator(options.plans, this.#ids, options.selectionOf);
    this.progress = new SeriesProgress(this.#ids);
    this.#raw = new RawResults(options.store, options.topic, claimed.partition);
    this.#maxSeries = options.maxSeries;
    this.#partRows = options.partRows;
    this.#bounds = options.bounds;
  }

  /** Whether anything was counted since the last takeDelta. */
  get dirty(): boolean {
    return this.#records > 0 || this.progress.touched > 0;
  }

  /** Whether a result that the next takeDelta takes differs in its outcome from the one before in its series. */
  get changesOutcome(): boolean {
    return this.progress.changesOutcome;
  }

  /** Results that the next takeDelta takes. */
  get results(): number {
    return this.#counters.results + this.#counters.foreign;
  }

  /** Rows of any table that the next takeDelta takes, about. */
  get rows(): number {
    return this.#metrics.size + this.progress.touched;
  }

  /** Bytes held for the next takeDelta beside those rows, about. */
  get bytes(): number {
    return this.#raw.bytes + this.#deadBytes;
  }

  get lag(): number {
    return this.highWatermark === null ? 0 : Math.max(0, this.highWatermark - (this.next ?? 0));
  }

  /** Whether every series of the rows is loaded, so that `count` can follow; if not, `progress.missing()` says which. */
  resolve(decoded: Decoded): boolean {
    const { length } = decoded.columns;
    if (length > this.#series.length) {
      this.#series = new Int32Array(length * 2);
      this.#counted = new Int32Array(length * 2);
    }
    return this.progress.resolve(decoded.columns, this.#series, this.#bounds.latestMs, this.doubts);
  }

  isSurplus(row: number): boolean {
    return this.progress.isSurplus(this.#series[row] as number);
  }

  /**
   * Counts what `resolve` was given, from `from` on; nothing is awaited in here. Returns where to go on, after room was
   * made: nearly always the end. Only missed ranges that make very many rows are counted in parts. The offset moves with
   * the last part; after a crash in between, rule 4 drops what the record says again. Foreign lines, which it cannot tell,
   * come with the last part.
   */
  count(decoded: Decoded, from: Place): Place {
    const { columns, records, deadLetters } = decoded;
    this.#followBounds();
    const end = this.#partEnd(columns, from);
    const inParts = from.row > 0 || from.slots > 0 || end.row < columns.length;
    const to = end.slots > 0 ? end.row + 1 : end.row;
    if (end.slots > 0 && from.slots === 0) this.#keepWhole(decoded, end.row);
    if (end.slots > 0) cutRange(columns, end.row, end.row === from.row ? from.slots : 0, end.slots);
    if (from.slots > 0 && end.row > from.row)
      cutRange(columns, from.row, from.slots, columns.slots[from.row] as number);
    this.progress.count(columns, this.#series, this.#counted, this.#counters, {
      from: from.row,
      to,
      foreign: !inParts,
    });
    // The raw result of what is cut was kept with its first part.
    this.#keep(decoded, from.row, to, end.slots > 0 ? to : from.slots > 0 ? from.row + 1 : from.row);
    if (end.row < columns.length) return end;
    if (inParts) {
      this.progress.countForeign(columns, this.#series, this.#counted, this.#counters);
      this.#keep(decoded, 0, columns.length, 0);
    }
    for (const letter of deadLetters) {
      this.#deadLetters.push(letter);
      this.#deadBytes += letter.bytes.length;
    }
    const last = elementAt(records, records.length - 1);
    this.next = last.offset + 1;
    this.newestMs = last.timestamp;
    this.#records += records.length;
    return end;
  }

  #followBounds(): void {
    if (this.#boundsVersion === this.#bounds.version) return;
    this.#boundsVersion = this.#bounds.version;
    this.#metrics.keepFrom(this.#bounds.floorsMs);
    this.#raw.keptFromMs = this.#bounds.resultsFloorMs;
  }

  /** The end of what makes at most `partRows` rows of metrics from `from` on, about; at least one slot of it. */
  #partEnd({ length, slot, slots, periodMs }: ResultColumns, from: Place): Place {
    let left = this.#partRows;
    for (let row = from.row; row < length; row++) {
      const size = slots[row] as number;
      if (size <= 1) continue;
      const period = periodMs[row] as number;
      const done = row === from.row ? from.slots : 0;
      const first = (slot[row] as number) - (size - 1 - done) * period;
      const { slots: fitting, rows } = this.#metrics.fitting(left, first, size - done, period);
      // Whole, if it can be. A line that is cut is alone in its part: the state of its series before it decides.
      if (done + fitting < size) return { row, slots: row > from.row ? 0 : done + fitting };
      left = Math.max(1, left - rows);
    }
    return { row: length, slots: 0 };
  }

  /**
   * Adds a range that is about to be cut to the raw results, which have one row for a line. After a crash between the
   * parts the rest of it is added again, or all of it when its first parts counted nothing: the flush leaves one.
   */
  #keepWhole({ columns, records, ends }: Decoded, row: number): void {
    this.#counted[row] = this.progress.fresh(columns, row, this.#series[row] as number);
    const record = elementAt(
      records,
      ends.findIndex((end) => row < end),
    );
    this.#raw.add(columns, this.#counted, row, row + 1, record);
  }

  /** Adds rows [from, to) to the metrics, and from `rawFrom` on to the raw results, as far as they count. */
  #keep({ columns, records, ends }: Decoded, from: number, to: number, rawFrom: number): void {
    let start = 0;
    for (const [index, record] of records.entries()) {
      const end = elementAt(ends, index);
      this.#raw.add(columns, this.#counted, Math.max(start, rawFrom), Math.min(end, to), record);
      start = end;
    }
    // Raw results say what it was.
    for (const row of this.progress.unnamed) columns.status[row] = columns.statusIndex(OTHER_STATUS);
    for (const { row, named } of this.progress.values.unnamed) columns.renameValues(row, named, OTHER_VALUE);
    for (let row = from; row < to; row++) {
      const counted = this.#counted[row] as number;
      if (counted === 0) continue;
      if (columns.slots[row] === 1) {
        this.#metrics.add(columns, row, this.#series[row] as number);
      } else {
        const periodMs = columns.periodMs[row] as number;
        const first = (columns.slot[row] as number) - (counted - 1) * periodMs;
        this.#metrics.addRange(columns, row, first, counted, periodMs);
      }
    }
  }

  /** Keeps a line that PostgreSQL does not take. */
  deadLetter({ offset, value }: StreamRecord, line: number, start: number, end: number, error: Error): void {
    const bytes = Buffer.from(value.subarray(start, end));
    const { topic, partition } = this;
    this.#deadLetters.push({
      ...{ kind: 'database', topic, partition, offset, line, bytes },
      error: `${REFUSED}${error.message}`,
    });
  }

  /** Takes everything counted since the last takeDelta. */
  takeDelta(): Delta {
    const moves = this.progress.takeMoves();
    const metrics = this.#metrics.take();
    const series = withTotals(moves, metrics);
    this.progress.setTotals(series);
    if (this.#ids.size > this.#maxSeries || this.progress.texts > MAX_TEXTS) this.progress.forgetIdle(moves);
    const counters = this.#counters;
    const delta: Delta = {
      owner: this,
      step: {
        topic: this.topic,
        partition: this.partition,
        epoch: this.epoch,
        from: this.#from,
        to: this.next,
        ...counters,
        deadLetters: this.#deadLetters.length,
      },
      records: this.#records,
      series,
      metrics: this.#metrics.keptOf(metrics),
      results: this.#raw.take(),
      deadLetters: this.#deadLetters,
    };
    this.#from = this.next;
    this.#records = 0;
    this.#counters = emptyCounters();
    this.#deadLetters = [];
    this.#deadBytes = 0;
    return delta;
  }
}

/** Distinct statuses and locations of a partition: a producer with endless ones must not exhaust memory. */
const MAX_TEXTS = 10_000;

/** Makes a range the part of it from slot number `first` up to and without `end`. */
function cutRange({ slot, slots, periodMs }: ResultColumns, row: number, first: number, end: number): void {
  slot[row] = (slot[row] as number) - ((slots[row] as number) - end) * (periodMs[row] as number);
  slots[row] = end - first;
}
