import * as key from './canonical-words.ts';
import { REASONS } from './check-result.ts';
import type { ColumnBuffer } from './column-buffer.ts';
import { hashByte, hashText, sameText } from './interner.ts';
import { NO_REASON, NO_STATUS } from './result-columns.ts';
import { BRACE, COLON, COMMA, endOfText, POINT, QUOTE, time, ZERO } from './scan-bytes.ts';
import { MAX_ATTEMPT, MAX_JOB_ID, MAX_LOCATION_CHARS } from './validity.ts';

/** So many bytes from the start of a line must be there for a scan: nothing in here looks for the end. */
export const SCAN_REACH = 1024;

/**
 * Reads lines in the canonical form of encode.ts, byte by byte and without an object: fixed keys in their order,
 * compared four bytes at a time. It never says that a line is bad, only that it is not plainly canonical; such a line is
 * for parse.ts. What it accepts, parse.ts accepts with the same values.
 */
export class CanonicalScanner {
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  readonly #columns: ColumnBuffer;
  /** Where the value read last ended. */
  #at = 0;
  /** The location before, which is nearly always the next one too. */
  readonly #location = new Uint8Array(MAX_LOCATION_CHARS);
  #locationLength = 0;
  #locationId = 0;
  #locations: readonly string[] = [];
  /** Id + 1 of each status of three digits. */
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

    if (view.getInt32(start, true) !== key.OPEN || view.getInt32(start + 4, true) !== key.ONE) return -1;
    if (view.getInt32(start + 8, true) !== key.JOB || view.getInt32(start + 12, true) !== key.ID) return -1;
    const jobId = this.#digits(start + 16);
    if (jobId < 1 || jobId > MAX_JOB_ID) return -1;
    columns.jobId[row] = jobId;
    let at = this.#at;

    if (view.getInt32(at, true) !== key.LO || view.getInt32(at + 4, true) !== key.CATI) return -1;
    if (view.getInt32(at + 8, true) !== key.ON || bytes[at + 12] !== QUOTE) return -1;
    const location = this.#scanLocation(at + 13);
    if (location < 0) return -1;
    columns.location[row] = location;
    at = this.#at;

    if (view.getInt32(at, true) !== key.E || view.getInt32(at + 4, true) !== key.POCH) return -1;
    if (view.getInt16(at + 8, true) !== key.QUOTE_COLON) return -1;
    const epoch = this.#digits(at + 10);
    if (epoch < 0) return -1;
    columns.epoch[row] = epoch;
    at = this.#at;

    if (view.getInt32(at, true) !== key.SL || view.getInt32(at + 4, true) !== key.OT) return -1;
    const slot = time(view, bytes, at + 8);
    if (slot < 0) return -1;
    columns.slot[row] = slot;
    at += 21;

    // Ranges (slots, period) are rare and have rules of their own: the other reader takes them.
    if (view.getInt32(at, true) !== key.TS || view.getInt16(at + 4, true) !== key.QUOTE_COLON) return -1;
    const ts = time(view, bytes, at + 6);
    if (ts < 0) return -1;
    columns.slots[row] = 1;
    columns.periodMs[row] = 0;
    columns.ts[row] = ts;
    at += 19;

    if (view.getInt32(at, true) !== key.OU || view.getInt32(at + 4, true) !== key.TCOM) return -1;
    if (view.getInt32(at + 8, true) !== key.E_COLON_QUOTE) return -1;
    const outcome = this.#scanOutcome(at + 12);
    if (outcome < 0) return -1;
    columns.outcome[row] = outcome;
    at = this.#at;

    if (view.getInt32(at, true) === key.REA && view.getInt32(at + 4, true) === key.SON) {
      if (view.getInt32(at + 7, true) !== key.N_COLON_QUOTE) return -1;
      const reason = this.#scanReason(at + 11);
      if (reason < 0) return -1;
      columns.reason[row] = reason;
      at = this.#at;
    } else {
      columns.reason[row] = NO_REASON;
    }

    if (view.getInt32(at, true) !== key.STA || view.getInt32(at + 4, true) !== key.ATUS) return -1;
    if (view.getInt16(at + 8, true) !== key.QUOTE_COLON) return -1;
    const status = this.#scanStatus(at + 10);
    if (status === UNREAD) return -1;
    columns.status[row] = status;
    at = this.#at;

    if (view.getInt32(at, true) !== key.RE || view.getInt32(at + 4, true) !== key.SPON) return -1;
    if (
      view.getInt32(at + 8, true) !== key.SE_T ||
      view.getInt32(at + 12, true) !== key.IME ||
      bytes[at + 16] !== COLON
    )
      return -1;
    at += 17;
    if (view.getInt32(at, true) === key.NULL) {
      columns.rtMicros[row] = -1;
      at += 4;
    } else {
      const micros = this.#micros(at);
      if (micros < 0) return -1;
      columns.rtMicros[row] = micros;
      if (outcome === MISSED) return -1;
      at = this.#at;
    }
    if (outcome === MISSED && status !== NO_STATUS) return -1;
    return this.#scanRest(at, row);
  }

  /** What may follow response_time, in its order: timings, bytes, attempt, detail. */
  #scanRest(start: number, row: number): number {
    const bytes = this.#bytes;
    const view = this.#view;
    let at = start;
    this.#columns.bytes[row] = -1;
    if (bytes[at] === BRACE) return at + 1;
    if (view.getInt32(at, true) === key.TI) {
      if (view.getInt32(at + 4, true) !== key.MING || view.getInt32(at + 8, true) !== key.S_COLON_BRACE) return -1;
      at = this.#scanTimings(at + 12);
      if (at < 0) return -1;
    }
    if (view.getInt32(at, true) === key.BY) {
      if (view.getInt32(at + 4, true) !== key.TES || bytes[at + 8] !== COLON) return -1;
      const size = this.#digits(at + 9);
      if (size < 0) return -1;
      this.#columns.bytes[row] = size;
      at = this.#at;
    }
    if (view.getInt32(at, true) === key.AT) {
      if (view.getInt32(at + 4, true) !== key.TEMP || view.getInt32(at + 7, true) !== key.PT) return -1;
      const attempt = this.#digits(at + 11);
      if (attempt < 1 || attempt > MAX_ATTEMPT) return -1;
      at = this.#at;
    }
    if (view.getInt32(at, true) === key.DE) {
      if (view.getInt32(at + 4, true) !== key.TAIL || view.getInt32(at + 7, true) !== key.L_COLON_QUOTE) return -1;
      at = endOfText(bytes, at + 11, MAX_DETAIL_SCAN) + 1;
      if (at === 0) return -1;
    }
    return bytes[at] === BRACE ? at + 1 : -1;
  }

  /** From after the opening brace to after the closing one; the values are checked, not kept. */
  #scanTimings(start: number): number {
    const bytes = this.#bytes;
    const view = this.#view;
    let at = start;
    if (bytes[at] === BRACE) return at + 1;
    // Each phase is looked for with the quote before its name; `at` then stands on the comma or brace after its value.
    let phase = view.getInt32(at, true);
    if (phase === key.DNS) {
      if (view.getInt16(at + 4, true) !== key.QUOTE_COLON || this.#micros(at + 6) < 0) return -1;
      at = this.#at;
      if (bytes[at] !== COMMA) return bytes[at] === BRACE ? at + 1 : -1;
      phase = view.getInt32(++at, true);
    }
    if (phase === key.CON) {
      if (view.getInt32(at + 4, true) !== key.NECT || view.getInt16(at + 8, true) !== key.QUOTE_COLON) return -1;
      if (this.#micros(at + 10) < 0) return -1;
      at = this.#at;
      if (bytes[at] !== COMMA) return bytes[at] === BRACE ? at + 1 : -1;
      phase = view.getInt32(++at, true);
    }
    if (phase === key.TLS) {
      if (view.getInt16(at + 4, true) !== key.QUOTE_COLON || this.#micros(at + 6) < 0) return -1;
      at = this.#at;
      if (bytes[at] !== COMMA) return bytes[at] === BRACE ? at + 1 : -1;
      phase = view.getInt32(++at, true);
    }
    if (phase === key.TTF) {
      if (view.getInt32(at + 3, true) !== key.FB || this.#micros(at + 7) < 0) return -1;
      at = this.#at;
      if (bytes[at] !== COMMA) return bytes[at] === BRACE ? at + 1 : -1;
      phase = view.getInt32(++at, true);
    }
    if (phase !== key.TRA || view.getInt32(at + 4, true) !== key.NSFE || view.getInt32(at + 7, true) !== key.ER)
      return -1;
    if (this.#micros(at + 11) < 0) return -1;
    at = this.#at;
    return bytes[at] === BRACE ? at + 1 : -1;
  }

  #scanOutcome(at: number): number {
    const view = this.#view;
    const name = view.getInt32(at, true);
    if (name === key.UP_) {
      this.#at = at + 3;
      return UP;
    }
    if (name === key.DOWN_) {
      this.#at = at + 5;
      return this.#bytes[at + 4] === QUOTE ? DOWN : -1;
    }
    if (name === key.MISS && view.getInt32(at + 3, true) === key.SED) {
      this.#at = at + 7;
      return MISSED;
    }
    if (name === key.DEGR && view.getInt32(at + 4, true) === key.ADED) {
      this.#at = at + 9;
      return this.#bytes[at + 8] === QUOTE ? DEGRADED : -1;
    }
    return -1;
  }

  #scanLocation(start: number): number {
    const bytes = this.#bytes;
    const table = this.#columns.locationTable;
    if (table.names === this.#locations) {
      const length = this.#locationLength;
      let same = 0;
      while (same < length && bytes[start + same] === this.#location[same]) same++;
      if (same === length && bytes[start + length] === QUOTE) {
        this.#at = start + length;
        return this.#locationId;
      }
    }
    const end = endOfText(bytes, start, MAX_LOCATION_CHARS);
    if (end <= start) return -1;
    this.#locationId = table.fromBytes(bytes, start, end);
    this.#locations = table.names;
    this.#locationLength = end - start;
    for (let at = start; at < end; at++) this.#location[at - start] = bytes[at];
    this.#at = end;
    return this.#locationId;
  }

  #scanStatus(start: number): number {
    const bytes = this.#bytes;
    const word = this.#view.getInt32(start, true);
    if (word === key.NULL) {
      this.#at = start + 4;
      return NO_STATUS;
    }
    if ((word & 0xff) !== QUOTE) return UNREAD;
    const table = this.#columns.statusTable;
    if (table.names !== this.#statuses) {
      this.#statuses = table.names;
      this.#codes.fill(0);
    }
    const a = ((word >> 8) & 0xff) - ZERO;
    const b = ((word >> 16) & 0xff) - ZERO;
    const c = (word >>> 24) - ZERO;
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

  /** A JSON whole number of at most 15 digits without sign; -1 for anything else. */
  #digits(start: number): number {
    const bytes = this.#bytes;
    let at = start;
    let digit = bytes[at] - ZERO;
    let value = digit;
    if (digit >>> 0 > 9) return -1;
    if (digit === 0) {
      this.#at = at + 1;
      // 01 is no JSON number; what follows a lone 0 is the caller's to compare.
      return 0;
    }
    for (at++; ; at++) {
      digit = bytes[at] - ZERO;
      if (digit >>> 0 > 9) break;
      if (value >= 1e14) return -1;
      value = value * 10 + digit;
    }
    this.#at = at;
    return value;
  }

  /** Seconds with at most six decimals, as whole microseconds; -1 for anything else or more than 10^6 seconds. */
  #micros(start: number): number {
    const bytes = this.#bytes;
    let at = start;
    let digit = bytes[at++] - ZERO;
    if (digit >>> 0 > 9) return -1;
    let whole = digit;
    if (digit !== 0) {
      for (digit = bytes[at] - ZERO; digit >>> 0 <= 9; digit = bytes[++at] - ZERO) {
        if (whole >= 1_000_000) return -1;
        whole = whole * 10 + digit;
      }
    }
    if (bytes[at] !== POINT) {
      this.#at = at;
      return whole <= 1_000_000 ? whole * 1_000_000 : -1;
    }
    const first = ++at;
    let fraction = 0;
    for (digit = bytes[at] - ZERO; digit >>> 0 <= 9; digit = bytes[++at] - ZERO) {
      if (at - first === 6) return -1;
      fraction = fraction * 10 + digit;
    }
    if (at === first) return -1;
    this.#at = at;
    if (whole === 0) return fraction * SCALE[at - first];
    const micros = whole * 1_000_000 + fraction * SCALE[at - first];
    return micros <= 1e12 ? micros : -1;
  }
}

const UP = 0;
const DEGRADED = 1;
const DOWN = 2;
const MISSED = 3;
const UNREAD = -2;
const MAX_STATUS_SCAN = 32;
const MAX_REASON_SCAN = 32;
const MAX_DETAIL_SCAN = 200;
/** Open addressing, far from full: there are fewer than 32 reasons. */
const REASON_BY_HASH = new Uint8Array(64).fill(NO_REASON);
REASONS.forEach((reason, index) => {
  let at = hashText(reason) & 63;
  while (REASON_BY_HASH[at] !== NO_REASON) at = (at + 1) & 63;
  REASON_BY_HASH[at] = index;
});

/** By the number of decimals: what makes them microseconds. */
const SCALE = new Int32Array([0, 100_000, 10_000, 1000, 100, 10, 1]);
