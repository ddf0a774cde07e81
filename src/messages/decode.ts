import { CanonicalScanner, SCAN_REACH } from './canonical.ts';
import { ColumnBuffer, type KeptColumns } from './column-buffer.ts';
import { parseResult } from './parse.ts';
import type { ResultColumns } from './result-columns.ts';
import { BadLineError } from './validity.ts';

export { parseResult } from './parse.ts';
export { type AnyResult, BadLineError } from './validity.ts';

export interface BadLine {
  /** Which line of the record, from 0; blank ones count. */
  line: number;
  /** The line's bytes within the record's value, without its line end. */
  start: number;
  end: number;
  /** One line of text for people, without control characters. */
  error: string;
}

/**
 * Decodes records (NDJSON, with or without a last newline, `\r\n` allowed, blank lines skipped) into columns. Lines in
 * the canonical form are scanned as bytes; any other goes through JSON.parse. Both give the same rows.
 */
export class ResultDecoder {
  readonly #columns: ColumnBuffer;
  readonly #scanner: CanonicalScanner;
  /** Where the end of a record is scanned when there is too little behind it for the scanner's reach. */
  readonly #tail = new Uint8Array(2 * SCAN_REACH);
  readonly #tailView = new DataView(this.#tail.buffer);
  /** The buffer of the record before; the records of one fetch often share it. */
  #memory: ArrayBufferLike = this.#tail.buffer;
  #memoryView: DataView = this.#tailView;

  #line = 0;
  #isPlain = false;

  constructor(options: KeptColumns = {}) {
    this.#columns = new ColumnBuffer(options);
    this.#scanner = new CanonicalScanner(this.#columns);
  }

  /** All rows since the last reset. The object stays the same. */
  get columns(): ResultColumns {
    return this.#columns;
  }

  /** Removes rows; those behind them move up. */
  leaveOut(rows: ReadonlySet<number>): void {
    this.#columns.remove(rows);
  }

  /** Forgets all rows, and what of the records is still held. */
  reset(): void {
    this.#columns.reset();
    this.#memory = this.#tail.buffer;
    this.#memoryView = this.#tailView;
  }

  /**
   * Appends the rows of one record, which lies at `offset` of its partition. A line that cannot be read is reported and skipped.
   * `isPlain`: see parseResult.
   */
  decodeRecord(value: Buffer, onBadLine: (bad: BadLine) => void, offset = -1, isPlain = false): void {
    this.#isPlain = isPlain;
    const from = this.#columns.length;
    this.#decodeValue(value, onBadLine);
    this.#columns.offsets?.fill(offset, from, this.#columns.length);
  }

  #decodeValue(value: Buffer, onBadLine: (bad: BadLine) => void): void {
    const end = value.length;
    let at = 0;
    this.#line = 0;
    const offset = value.byteOffset;
    const reach = value.buffer.byteLength - offset - SCAN_REACH;
    // Copying a short record costs less than a view of memory that only it lies in.
    if (value.buffer === this.#memory || end > SCAN_REACH) {
      if (value.buffer !== this.#memory) {
        this.#memory = value.buffer;
        this.#memoryView = new DataView(value.buffer);
      }
      this.#scanner.source(this.#memoryView);
      at = this.#decodeLines(value, 0, Math.min(end, reach), offset, onBadLine);
    }
    if (at >= end) return;
    // At most SCAN_REACH bytes are left.
    value.copy(this.#tail, 0, at, end);
    this.#scanner.source(this.#tailView);
    // Not -at: a negative zero is no integer to V8, and costs a third of the speed from then on.
    this.#decodeLines(value, at, end, 0 - at, onBadLine);
  }

  /**
   * Decodes the lines that begin in [start, stop); byte n of the record is byte n + offset for the scanner. Returns where
   * the first line after them begins.
   */
  #decodeLines(value: Buffer, start: number, stop: number, offset: number, onBadLine: (bad: BadLine) => void): number {
    const columns = this.#columns;
    const scanner = this.#scanner;
    const length = value.length;
    let at = start;
    while (at < stop) {
      const rows = columns.length;
      at = scanner.scan(at + offset, stop + offset, offset, length + offset) - offset;
      this.#line += columns.length - rows;
      if (at >= stop) break;
      at = this.#parseLine(value, at, onBadLine);
      this.#line++;
    }
    return at;
  }

  /** The way of every line that is not plainly canonical. Returns where the next one begins. */
  #parseLine(value: Buffer, start: number, onBadLine: (bad: BadLine) => void): number {
    const newline = value.indexOf(NEWLINE, start);
    const next = newline < 0 ? value.length : newline + 1;
    let end = newline < 0 ? value.length : newline;
    if (end > start && value[end - 1] === RETURN) end--;
    if (isBlank(value, start, end)) return next;
    try {
      this.#columns.push(parseResult(value.subarray(start, end), this.#isPlain), start, end);
    } catch (error) {
      if (!(error instanceof BadLineError)) throw error;
      onBadLine({ line: this.#line, start, end, error: error.message });
    }
    return next;
  }
}

function isBlank(value: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++)
    if (value[at] !== 0x20 && value[at] !== 0x09 && value[at] !== RETURN) return false;
  return true;
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;
