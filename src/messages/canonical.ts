import { CanonicalTail } from './canonical-tail.ts';
import { REASONS } from './check-result.ts';
import type { ColumnBuffer } from './column-buffer.ts';
import { hashByte, hashText, sameText } from './interner.ts';
import { NO_REASON, NO_STATUS } from './result-columns.ts';
import {
  COLON,
  COMMA,
  digits5,
  digits8,
  endOfText,
  millionths,
  QUOTE,
  wholeNumber,
  word2,
  word4,
  word8,
} from './scan-bytes.ts';
import { MAX_JOB_ID, MAX_LOCATION_CHARS, MAX_TIME_MS } from './validity.ts';

/** So many bytes from the start of a line must be there for a scan: nothing in here looks for the end. */
export const SCAN_REACH = 1024;

/**
 * Reads lines in the canonical form of encode.ts as bytes, without an object: fixed keys in their order, compared eight
 * bytes at a time. It never says that a line is bad, only that it is not plainly canonical; such a line is for parse.ts.
 * What it accepts, parse.ts accepts with the same values.
 */
export class CanonicalScanner {
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  readonly #columns: ColumnBuffer;
  readonly #tail = new CanonicalTail();
  /** Where the text read last ended. */
  #at = 0;
  /** The location before and the key after it, as words: it is nearly always the next one too. */
  readonly #locationWords = new Float64Array(MAX_LOCATION_CHARS / 8 + 2);
  #locationEnd = 0;
  #locationLength = 0;
  #locationId = 0;
  #locations: readonly string[] = [];
  /** The stretch of 100 seconds the time before lay in, which is nearly always that of the next one too. */
  #stretch = 0;
  #stretchMs = 0;
  /** Id + 1 of each of them. */
  readonly #codes = new Int32Array(1000);
  #statuses: readonly string[] = [];

  constructor(columns: ColumnBuffer) {
    this.#columns = columns;
  }

  /** Scans read `bytes` from now on. */
  source(bytes: Uint8Array, view: DataView): void {
    this.#bytes = bytes;
    this.#view = view;
  }

  /**
   * Fills row `row` (all but lineStart and lineEnd) from the line at `start`. Answers the position after its closing
   * brace, or -1 when the line is for the other reader; the row is then void.
   */
  scan(start: number, row: number): number {
    const bytes = this.#bytes;
    const view = this.#view;
    const columns = this.#columns;

    if (view.getFloat64(start, true) !== OPEN || view.getFloat64(start + 8, true) !== JOB_ID) return -1;
    let at = start + 16;
    const jobId = wholeNumber(view, at);
    if (jobId >= 16 && (jobId & 15) < 8) {
      columns.jobId[row] = jobId >> 4;
      at += jobId & 15;
    } else {
      at = this.#longJobId(at, row);
      if (at < 0) return -1;
    }

    if (view.getFloat64(at, true) !== LOCATION || view.getFloat64(at + 5, true) !== LOCATION_END) return -1;
    const location = this.#scanLocation(at + 13);
    if (location < 0) return -1;
    columns.location[row] = location;
    at = this.#at;

    let epoch = bytes[at] - 0x30;
    if (epoch >>> 0 <= 9 && bytes[at + 1] === COMMA) {
      at++;
    } else {
      const packed = wholeNumber(view, at);
      if (packed < 0) return -1;
      epoch = packed >> 4;
      at += packed & 15;
    }
    columns.epoch[row] = epoch;

    if (view.getFloat64(at, true) !== SLOT) return -1;
    const slot = digits5(view, at + 16);
    if (slot < 0 || !this.#sameStretch(at + 8)) return -1;
    columns.slot[row] = this.#stretchMs + slot;
    at += 21;

    // Ranges (slots, period) are rare and have rules of their own: the other reader takes them.
    if (view.getInt32(at, true) !== TS || view.getInt16(at + 4, true) !== KEY_END) return -1;
    const ts = digits5(view, at + 14);
    if (ts < 0 || !this.#sameStretch(at + 6)) return -1;
    columns.slots[row] = 1;
    columns.periodMs[row] = 0;
    columns.ts[row] = this.#stretchMs + ts;
    at += 19;

    if (view.getFloat64(at, true) !== OUTCOME || view.getInt32(at + 8, true) !== OUTCOME_END) return -1;
    const outcome = scanOutcome(view, at + 12);
    if (outcome < 0) return -1;
    columns.outcome[row] = outcome & 15;
    at += 12 + (outcome >> 4);

    if (view.getFloat64(at, true) === REASON) {
      if (view.getInt32(at + 7, true) !== REASON_END) return -1;
      const reason = this.#scanReason(at + 11);
      if (reason < 0) return -1;
      columns.reason[row] = reason;
      at = this.#at;
    } else {
      columns.reason[row] = NO_REASON;
    }

    if (view.getFloat64(at, true) !== STATUS || view.getInt16(at + 8, true) !== KEY_END) return -1;
    const status = this.#scanStatus(at + 10);
    if (status === UNREAD) return -1;
    columns.status[row] = status;
    at = this.#at;

    if (view.getFloat64(at, true) !== RESPONSE || view.getFloat64(at + 8, true) !== RESPONSE_END) return -1;
    if (bytes[at + 16] !== COLON) return -1;
    at += 17;
    if (view.getInt16(at, true) === ZERO_POINT) {
      const micros = millionths(view, at + 2);
      if (micros < 0) return -1;
      columns.rtMicros[row] = micros >> 4;
      at += 2 + (micros & 15);
      if ((outcome & 15) === MISSED) return -1;
    } else if (view.getInt32(at, true) === NULL) {
      columns.rtMicros[row] = -1;
      at += 4;
    } else {
      const end = this.#tail.seconds(view, at);
      if (end < 0 || (outcome & 15) === MISSED) return -1;
      columns.rtMicros[row] = this.#tail.micros;
      at = end;
    }
    if ((outcome & 15) === MISSED && status !== NO_STATUS) return -1;
    return this.#tail.scan(bytes, view, at, columns.bytes, row);
  }

  /** Reads a location and the key `epoch` behind it; where that ends is in #at. Answers the location's id, or -1. */
  #scanLocation(start: number): number {
    const table = this.#columns.locationTable;
    if (table.names === this.#locations) {
      const view = this.#view;
      const words = this.#locationWords;
      const last = this.#locationLength - 8;
      let at = 0;
      while (at < last && view.getFloat64(start + at, true) === words[at >> 3]) at += 8;
      if (at >= last && view.getFloat64(start + last, true) === this.#locationEnd) {
        this.#at = start + last + 8;
        return this.#locationId;
      }
    }
    return this.#newLocation(start);
  }

  #newLocation(start: number): number {
    const view = this.#view;
    const end = endOfText(this.#bytes, start, MAX_LOCATION_CHARS);
    if (end <= start || view.getFloat64(end, true) !== EPOCH || view.getInt16(end + 8, true) !== KEY_END) return -1;
    this.#at = end + 10;
    const table = this.#columns.locationTable;
    this.#locationId = table.fromBytes(this.#bytes, start, end);
    this.#locations = table.names;
    this.#locationLength = this.#at - start;
    for (let at = 0; at + 8 < this.#locationLength; at += 8)
      this.#locationWords[at >> 3] = view.getFloat64(start + at, true);
    this.#locationEnd = view.getFloat64(this.#at - 8, true);
    return this.#locationId;
  }

  /** Whether the first eight digits of a time are known to be those of #stretchMs, or can become it. */
  #sameStretch(at: number): boolean {
    const digits = this.#view.getFloat64(at, true);
    if (digits === this.#stretch) return true;
    const high = digits8(this.#view, at);
    // Twelve digits or less, or beyond the accepted range: not for this reader.
    if (high < 10_000_000 || high * 100_000 + 99_999 > MAX_TIME_MS) return false;
    this.#stretch = digits;
    this.#stretchMs = high * 100_000;
    return true;
  }

  #scanStatus(start: number): number {
    const bytes = this.#bytes;
    const word = this.#view.getInt32(start, true);
    if (word === NULL) {
      this.#at = start + 4;
      return NO_STATUS;
    }
    if ((word & 0xff) !== QUOTE) return UNREAD;
    const table = this.#columns.statusTable;
    if (table.names !== this.#statuses) {
      this.#statuses = table.names;
      this.#codes.fill(0);
    }
    const a = ((word >> 8) & 0xff) - 0x30;
    const b = ((word >> 16) & 0xff) - 0x30;
    const c = (word >>> 24) - 0x30;
    if (a >>> 0 <= 9 && b >>> 0 <= 9 && c >>> 0 <= 9 && bytes[start + 4] === QUOTE) {
      const code = a * 100 + b * 10 + c;
      this.#at = start + 5;
      const known = this.#codes[code];
      if (known > 0) return known - 1;
      const id = table.fromBytes(bytes, start + 1, start + 4);
      this.#codes[code] = id + 1;
      return id;
    }
    const end = endOfText(bytes, start + 1, MAX_STATUS_SCAN);
    if (end <= start + 1) return UNREAD;
    this.#at = end + 1;
    return table.fromBytes(bytes, start + 1, end);
  }

  #scanReason(start: number): number {
    const bytes = this.#bytes;
    let hash = 0;
    let end = start;
    for (; end < start + MAX_REASON_SCAN && bytes[end] !== QUOTE; end++) hash = hashByte(hash, bytes[end]);
    for (let at = hash & 63; REASON_BY_HASH[at] !== NO_REASON; at = (at + 1) & 63) {
      const reason = REASON_BY_HASH[at];
      if (!sameText(REASONS[reason], bytes, start, end)) continue;
      this.#at = end + 1;
      return reason;
    }
    // What is not in the list may be from a newer writer: the other reader decides.
    return -1;
  }

  /** Nine or ten digits, or eight, which `wholeNumber` cannot tell from more. Answers their end. */
  #longJobId(start: number, row: number): number {
    let value = 0;
    let at = start;
    for (let digit = this.#bytes[at] - 0x30; digit >>> 0 <= 9; digit = this.#bytes[++at] - 0x30) {
      if (at - start === 10) return -1;
      value = value * 10 + digit;
    }
    if (value > MAX_JOB_ID || value < 10_000_000) return -1;
    this.#columns.jobId[row] = value;
    return at;
  }
}

/** Which outcome, and * 16 how long its text and closing quote are; -1 for anything else. */
function scanOutcome(view: DataView, at: number): number {
  const name = view.getInt32(at, true);
  if (name === UP) return 3 * 16;
  if (name === DOWN) return view.getUint8(at + 4) === QUOTE ? 5 * 16 + 2 : -1;
  if (name === MISS) return view.getInt32(at + 3, true) === SED ? 7 * 16 + MISSED : -1;
  if (name === DEGR) return view.getInt32(at + 4, true) === ADED && view.getUint8(at + 8) === QUOTE ? 9 * 16 + 1 : -1;
  return -1;
}

// The keys in words of eight, four and two bytes; where the rest is shorter than a word, the word overlaps the one before.
const OPEN = word8('{"v":1,"');
const JOB_ID = word8('job_id":');
const LOCATION = word8(',"locati');
const LOCATION_END = word8('ation":"');
const EPOCH = word8('","epoch');
const SLOT = word8(',"slot":');
const TS = word4(',"ts');
const OUTCOME = word8(',"outcom');
const OUTCOME_END = word4('e":"');
const UP = word4('up",');
const DOWN = word4('down');
const MISS = word4('miss');
const SED = word4('sed"');
const DEGR = word4('degr');
const ADED = word4('aded');
const REASON = word8(',"reason');
const REASON_END = word4('n":"');
const STATUS = word8(',"status');
const RESPONSE = word8(',"respon');
const RESPONSE_END = word8('se_time"');
const KEY_END = word2('":');
const ZERO_POINT = word2('0.');
const NULL = word4('null');

const MISSED = 3;
const UNREAD = -2;
const MAX_STATUS_SCAN = 32;
const MAX_REASON_SCAN = 32;

/** Open addressing, far from full: there are fewer than 32 reasons. */
const REASON_BY_HASH = new Uint8Array(64).fill(NO_REASON);
REASONS.forEach((reason, index) => {
  let at = hashText(reason) & 63;
  while (REASON_BY_HASH[at] !== NO_REASON) at = (at + 1) & 63;
  REASON_BY_HASH[at] = index;
});
