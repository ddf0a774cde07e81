import { PHASES } from '../../messages/check-result.ts';
import { parseResult } from '../../messages/decode.ts';
import { locationOf, outcomeOf, type ResultColumns, reasonOf, statusOf } from '../../messages/result-columns.ts';
import { CopyBuffer } from '../../postgres/copy-buffer.ts';
import type { StreamRecord } from '../../streaming/driver.ts';
import { type PartRow, RESULT_FIELDS } from '../tables/results.ts';

/** Which results are kept one by one. */
export type ResultsStore = 'all' | 'failures' | 'none';

export interface RawResultsTaken {
  /** Rows in the binary form of COPY, in the order of RESULT_COLUMNS; none when there is no row. */
  readonly chunks: readonly Buffer[];
  /** Starts of the slices of RESULTS_SLICE_MS that have rows, ms since the epoch. */
  readonly slices: readonly number[];
  /** Which rows say less than their line, because the rest of it was counted before. */
  readonly parts: readonly PartRow[];
}

/** Length of a slice: rows of one slice need the same partition of the table. */
export const RESULTS_SLICE_MS = 4 * 3_600_000;

/** Memory of a row, about. */
const ROW_BYTES = 300;
const MAX_TEXTS = 1_000;
const UP = 0;

/** Collects raw results of one partition as rows for COPY. */
export class RawResults {
  /** Older results are not kept, ms since the epoch. */
  keptFromMs = Number.NEGATIVE_INFINITY;
  readonly #store: ResultsStore;
  readonly #topic: Buffer;
  readonly #partition: number;
  #rows: CopyBuffer | null = null;
  #chunks: Buffer[] = [];
  #slices = new Set<number>();
  #lastSlice = -1;
  #count = 0;
  #parts: PartRow[] = [];
  #texts = new Map<string, Buffer>();
  readonly #attempt = Buffer.alloc(2);

  constructor(store: ResultsStore, topic: string, partition: number) {
    this.#store = store;
    this.#topic = Buffer.from(topic);
    this.#partition = partition;
  }

  /** Bytes held, about. */
  get bytes(): number {
    return this.#count * ROW_BYTES;
  }

  /** Adds rows [from, to) of `columns`, which came from `record`, as far as they count. */
  add(columns: ResultColumns, counted: Int32Array, from: number, to: number, record: StreamRecord): void {
    if (this.#store === 'none') return;
    for (let row = from; row < to; row++) {
      const slots = counted[row] as number;
      if (slots === 0) continue;
      if (this.#store === 'failures' && columns.outcome[row] === UP) continue;
      this.#append(columns, row, slots, record);
    }
  }

  take(): RawResultsTaken {
    if (this.#rows) this.#chunks.push(this.#rows.end());
    const slices = [...this.#slices].sort((a, b) => a - b);
    const taken = { chunks: this.#chunks, slices, parts: this.#parts };
    this.#rows = null;
    this.#chunks = [];
    this.#slices = new Set();
    this.#lastSlice = -1;
    this.#count = 0;
    this.#parts = [];
    if (this.#texts.size > MAX_TEXTS) this.#texts = new Map();
    return taken;
  }

  #append(columns: ResultColumns, row: number, slots: number, record: StreamRecord): void {
    const slot = columns.slot[row] as number;
    const at = slot < 0 ? (columns.ts[row] as number) : slot;
    if (at < this.keptFromMs) return;
    this.#rows ??= new CopyBuffer();
    const rows = this.#rows;
    const slice = at - (at % RESULTS_SLICE_MS);
    if (slice !== this.#lastSlice) this.#slices.add(slice);
    this.#lastSlice = slice;
    this.#count++;
    if (slots < (columns.slots[row] as number)) this.#notePart(columns, row, record.offset);
    const full = rows.row(RESULT_FIELDS);
    if (full) this.#chunks.push(full);
    rows.int4(columns.jobId[row] as number);
    rows.bytes(this.#textOf(locationOf(columns, row)));
    rows.timestamp(at);
    int8OrNull(rows, columns.epoch[row] as number);
    int8OrNull(rows, slot);
    rows.int4(slots);
    const periodMs = columns.periodMs[row] as number;
    int8OrNull(rows, periodMs > 0 ? periodMs : -1);
    rows.int8(columns.ts[row] as number);
    rows.bytes(this.#textOf(outcomeOf(columns, row)));
    const reason = reasonOf(columns, row);
    if (reason === null) rows.null();
    else rows.bytes(this.#textOf(reason));
    const status = statusOf(columns, row);
    if (status === null) rows.null();
    else rows.bytes(this.#textOf(status));
    int8OrNull(rows, columns.rtMicros[row] as number);
    const start = columns.lineStart[row] as number;
    const { timings, attempt, detail } = restOf(record.value.subarray(start, columns.lineEnd[row] as number));
    if (timings === null) rows.null();
    else rows.bytes(Buffer.from(`\u0001${timings}`)); // JSONB begins with its version.
    int8OrNull(rows, columns.bytes[row] as number);
    if (attempt === null) {
      rows.null();
    } else {
      this.#attempt.writeInt16BE(attempt);
      rows.bytes(this.#attempt);
    }
    if (detail === null) rows.null();
    else rows.bytes(Buffer.from(detail));
    const values = storedValues(columns, row);
    if (values === null) rows.null();
    else rows.bytes(Buffer.from(`\u0001${JSON.stringify(values)}`));
    if (columns.maintenance[row] === 0) rows.null();
    else rows.bytes(TRUE);
    rows.bytes(this.#topic);
    rows.int4(this.#partition);
    rows.int8(record.offset);
    rows.int4(start);
  }

  #notePart(columns: ResultColumns, row: number, offset: number): void {
    this.#parts.push({
      jobId: columns.jobId[row] as number,
      location: locationOf(columns, row),
      atMs: columns.slot[row] as number,
      offset,
      position: columns.lineStart[row] as number,
    });
  }

  #textOf(text: string): Buffer {
    const known = this.#texts.get(text);
    if (known) return known;
    const bytes = Buffer.from(text);
    this.#texts.set(text, bytes);
    return bytes;
  }
}

/** The values of a row as they are stored; null without any. */
export function storedValues(columns: ResultColumns, row: number): Record<string, number> | null {
  if (columns.valueCount[row] === 0) return null;
  return Object.fromEntries(columns.valuesOf(row).map(([name, micros]) => [name, micros / 1e6]));
}

const TRUE = Buffer.of(1);

/** The fields of a line that the columns lack. `timings` is JSON text. */
interface Rest {
  timings: string | null;
  attempt: number | null;
  detail: string | null;
}

const SECONDS = String.raw`\d{1,6}(?:\.\d{1,6})?`;
const PLAIN = String.raw`[ !#-\[\]-~]`;
const VALUE = String.raw`"[a-z][a-z0-9_]*":-?\d{1,10}(?:\.\d{1,6})?`;
const TIMINGS = PHASES.map((phase) => `(?:,?"${phase}":${SECONDS})?`).join('');

/** A line as Vedette writes it, without anything that would have to be unescaped or rounded. */
const CANONICAL = new RegExp(
  String.raw`^\{"v":1,"job_id":\d+,"location":"${PLAIN}*","epoch":\d+,"slot":\d+(?:,"slots":\d+,"period":\d+)?,"ts":\d+,` +
    String.raw`"outcome":"\w+"(?:,"reason":"\w+")?,"status":(?:null|"${PLAIN}*"),"response_time":(?:null|${SECONDS})` +
    String.raw`(?:,"timings":(\{${TIMINGS}\}))?(?:,"bytes":\d+)?(?:,"attempt":(\d+))?(?:,"detail":"(${PLAIN}{0,200})")?` +
    String.raw`(?:,"values":\{${VALUE}(?:,${VALUE})*\})?(?:,"maintenance":true)?\}$`,
);

/** The line could be decoded before, so it is a valid one. */
export function restOf(line: Buffer): Rest {
  const match = CANONICAL.exec(line.toString('latin1'));
  if (match) {
    const [, timings, attempt, detail] = match;
    return {
      timings: timings ?? null,
      attempt: attempt === undefined ? null : Number(attempt),
      detail: detail ?? null,
    };
  }
  const { timings, attempt, detail } = parseResult(line);
  return { timings: timings ? JSON.stringify(timings) : null, attempt: attempt ?? null, detail: detail ?? null };
}

function int8OrNull(rows: CopyBuffer, value: number): void {
  if (value < 0) rows.null();
  else rows.int8(value);
}
