import { scanTail } from './canonical-tail.ts';
import { OUTCOMES, REASONS } from './check-result.ts';
import type { ColumnBuffer } from './column-buffer.ts';
import { NO_REASON, NO_STATUS } from './result-columns.ts';
import {
  endOfText,
  fiveDigits,
  Phrase,
  seconds,
  sixDigits,
  threeDigits,
  wholeNumber,
  word2,
  word4,
  word8,
} from './scan-bytes.ts';
import { MAX_JOB_ID, MAX_LOCATION_CHARS, MAX_TIME_MS } from './validity.ts';

/** So many bytes from the start of a line must be there for a scan: nothing in here looks for the end. */
export const SCAN_REACH = 2048;

/**
 * Reads lines in the canonical form of encode.ts as bytes, without an object: fixed keys in their order, compared eight
 * bytes at a time. It never says that a line is bad, only that it is not plainly canonical; such a line is for parse.ts.
 * Lines it accepts have the same values in parse.ts.
 */
export class CanonicalScanner {
  #view: DataView = new DataView(new ArrayBuffer(0));
  readonly #columns: ColumnBuffer;
  /** The location before and the keys around it: it is nearly always the next one too. */
  #location = NOWHERE;
  #locationId = 0;
  /** That of each location, by its id. */
  #phrases: Phrase[] = [];
  #locations: readonly string[] = [];
  /** The first eight digits of the time before, as bytes and as ms: nearly always those of the next one too. */
  #prefix = 0;
  #prefixMs = 0;
  /** Id + 1 of each of them. */
  readonly #codes = new Int32Array(1000);
  #statuses: readonly string[] = [];

  constructor(columns: ColumnBuffer) {
    this.#columns = columns;
  }

  /** Scans read `view` from now on. The columns may have forgotten their texts since the last one. */
  source(view: DataView): void {
    this.#view = view;
    const { locations, statuses } = this.#columns;
    if (locations !== this.#locations) {
      this.#locations = locations;
      this.#location = NOWHERE;
      this.#phrases = [];
    }
    if (statuses !== this.#statuses) {
      this.#statuses = statuses;
      this.#codes.fill(0);
    }
  }

  /**
   * Appends a row for each line from `from` on, up to the first one that begins at `stop` or later or is for the other
   * reader. Returns where that one begins. The record lies from `origin` to `end`. All in one function on purpose: a call
   * a line costs more than its digits.
   */
  scan(from: number, stop: number, origin: number, end: number): number {
    const view = this.#view;
    const columns = this.#columns;
    let start = from;
    while (start < stop) {
      const row = columns.length;
      if (row === columns.capacity) columns.grow();

      if (view.getFloat64(start, true) !== OPEN || view.getFloat64(start + 8, true) !== JOB_ID) return start;
      let at = start + 16;
      let jobId = view.getUint8(at) - ZERO;
      if (jobId < 1 || jobId > 9) return start;
      for (let digit = view.getUint8(++at) - ZERO; digit >>> 0 <= 9; digit = view.getUint8(++at) - ZERO) {
        if (jobId > MOST_BEFORE_LAST_DIGIT) return start;
        jobId = jobId * 10 + digit;
      }
      columns.jobId[row] = jobId;

      if (!this.#location.isAt(view, at) && !this.#newLocation(at)) return start;
      columns.location[row] = this.#locationId;
      at += this.#location.length;

      let epoch = view.getInt16(at, true) - EPOCH_0;
      if (epoch >>> 0 <= 9) {
        at++;
      } else {
        const packed = wholeNumber(view, at);
        if (packed < 0) return start;
        epoch = packed >> 4;
        at += packed & 15;
      }
      columns.epoch[row] = epoch;

      if (view.getFloat64(at, true) !== SLOT) return start;
      if (view.getFloat64(at + 8, true) !== this.#prefix && !this.#newPrefix(at + 8)) return start;
      const slot = fiveDigits(view, at + 16);
      if (slot < 0) return start;
      columns.slot[row] = this.#prefixMs + slot;
      at += 21;

      // Ranges (slots, period) are rare and have rules of their own: the other reader takes them.
      if (view.getInt32(at, true) !== TS || view.getInt16(at + 4, true) !== KEY_END) return start;
      if (view.getFloat64(at + 6, true) !== this.#prefix && !this.#newPrefix(at + 6)) return start;
      const ts = fiveDigits(view, at + 14);
      if (ts < 0) return start;
      columns.slots[row] = 1;
      columns.periodMs[row] = 0;
      columns.ts[row] = this.#prefixMs + ts;
      at += 19;

      if (view.getFloat64(at, true) !== OUTCOME || view.getInt32(at + 8, true) !== OUTCOME_END) return start;
      let outcome = 0;
      at += 15;
      if (view.getInt32(at - 3, true) !== UP) {
        outcome = rareOutcome(view, at - 3);
        const name = OUTCOMES[outcome];
        if (name === undefined) return start;
        at += name.length - 2;
      }
      columns.outcome[row] = outcome;

      if (view.getFloat64(at, true) === REASON) {
        if (view.getInt32(at + 7, true) !== REASON_END) return start;
        const reason = reasonAt(view, at + 11);
        const phrase = REASON_PHRASES[reason];
        if (phrase === undefined) return start;
        columns.reason[row] = reason;
        at += 11 + phrase.length;
      } else {
        if (view.getFloat64(at, true) !== STATUS || view.getInt16(at + 8, true) !== KEY_END) return start;
        columns.reason[row] = NO_REASON;
        at += 10;
      }

      const word = view.getInt32(at, true);
      const code = threeDigits(word >>> 8);
      if (code >= 0 && (word & 0xff) === QUOTE && view.getUint8(at + 4) === QUOTE) {
        const known = this.#codes[code] as number;
        columns.status[row] = known === 0 ? this.#newCode(code, at + 1) : known - 1;
        at += 5;
      } else if (word === NULL) {
        columns.status[row] = NO_STATUS;
        at += 4;
      } else {
        at = this.#rareStatus(at, row);
        if (at < 0) return start;
      }

      if (view.getFloat64(at, true) !== RESPONSE || view.getFloat64(at + 8, true) !== RESPONSE_END) return start;
      const micros = view.getInt32(at + 15, true) === UNDER_A_SECOND ? sixDigits(view, at + 19) : -1;
      if (micros >= 0) {
        columns.rtMicros[row] = micros;
        at += 25;
      } else {
        at = rareSeconds(view, at + 15, columns.rtMicros, row);
        if (at < 0) return start;
      }
      if (outcome === MISSED && (columns.status[row] !== NO_STATUS || columns.rtMicros[row] !== -1)) return start;
      at = scanTail(view, at, columns, row);
      if (at < 0 || at > end || (outcome === MISSED && columns.valueCount[row] !== 0)) return start;
      columns.lineStart[row] = start - origin;
      columns.lineEnd[row] = at - origin;
      if (at < end) {
        if (view.getUint8(at) === NEWLINE) at++;
        else if (view.getInt16(at, true) === RETURN_NEWLINE && at + 1 < end) at += 2;
        else return start;
      }
      columns.length = row + 1;
      start = at;
    }
    return start;
  }

  /** Reads a location and the keys around it. */
  #newLocation(at: number): boolean {
    const view = this.#view;
    if (view.getFloat64(at, true) !== LOCATION || view.getFloat64(at + 5, true) !== LOCATION_END) return false;
    const start = at + 13;
    const end = endOfText(view, start, MAX_LOCATION_CHARS);
    if (end <= start || view.getFloat64(end, true) !== EPOCH || view.getInt16(end + 8, true) !== KEY_END) return false;
    const id = this.#columns.locationTable.fromBytes(view, start, end);
    this.#location = this.#phrases[id] ??= new Phrase(`,"location":"${this.#locations[id]}","epoch":`);
    this.#locationId = id;
    return true;
  }

  /** Takes the first eight digits of a time. */
  #newPrefix(at: number): boolean {
    const digits = wholeNumber(this.#view, at);
    const prefixMs = (digits >> 4) * 100_000;
    if ((digits & 15) !== 8 || prefixMs + 99_999 > MAX_TIME_MS) return false;
    this.#prefix = this.#view.getFloat64(at, true);
    this.#prefixMs = prefixMs;
    return true;
  }

  #newCode(code: number, start: number): number {
    const id = this.#columns.statusTable.fromBytes(this.#view, start, start + 3);
    this.#codes[code] = id + 1;
    return id;
  }

  /** A status that is not three digits. Returns where its closing quote was passed, or -1. */
  #rareStatus(start: number, row: number): number {
    const view = this.#view;
    if (view.getUint8(start) !== QUOTE) return -1;
    const end = endOfText(view, start + 1, MAX_STATUS_SCAN);
    if (end <= start + 1) return -1;
    this.#columns.status[row] = this.#columns.statusTable.fromBytes(view, start + 1, end);
    return end + 1;
  }
}

/** Which outcome other than `up` and its closing quote are here; -1 for none. */
function rareOutcome(view: DataView, at: number): number {
  const name = view.getInt32(at, true);
  if (name === DOWN) return view.getUint8(at + 4) === QUOTE ? 2 : -1;
  if (name === MISS) return view.getInt32(at + 3, true) === SED ? MISSED : -1;
  if (name === DEGR) return view.getInt32(at + 4, true) === ADED && view.getUint8(at + 8) === QUOTE ? 1 : -1;
  return -1;
}

/** Which reason and `"status":` begin here; NO_REASON for any that is not in the list, perhaps from a newer writer. */
function reasonAt(view: DataView, at: number): number {
  let place = placeOf(view.getInt32(at, true), view.getInt32(at + 4, true));
  for (;;) {
    const reason = REASONS_BY_WORDS[place] as number;
    if (reason === NO_REASON || REASON_PHRASES[reason]?.isAt(view, at)) return reason;
    place = (place + 1) & PLACE_MASK;
  }
}

function placeOf(word: number, next: number): number {
  return Math.imul(word ^ Math.imul(next, 0x9e3779b1), 0x85ebca6b) >>> PLACE_SHIFT;
}

/** Null, or seconds other than 0 and six decimals, for a key whose closing quote is at `start`. Returns their end, or -1. */
function rareSeconds(view: DataView, start: number, micros: Float64Array, row: number): number {
  if (view.getInt16(start, true) !== KEY_END) return -1;
  if (view.getInt32(start + 2, true) === NULL) {
    micros[row] = -1;
    return start + 6;
  }
  const value = seconds(view, start + 2);
  if (value < 0) return -1;
  micros[row] = Math.floor(value / 16);
  return start + 2 + (value % 16);
}

// The keys in words of eight, four and two bytes; where the rest is shorter than a word, the word overlaps the one before.
const OPEN = word8('{"v":1,"');
const JOB_ID = word8('job_id":');
const LOCATION = word8(',"locati');
const LOCATION_END = word8('ation":"');
const NOWHERE = new Phrase('');
const EPOCH_0 = word2('0,');
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
const UNDER_A_SECOND = word4('":0.');
const NULL = word4('null');

/** The few ids above what may still get another digit take the other way. */
const MOST_BEFORE_LAST_DIGIT = Math.floor(MAX_JOB_ID / 10) - 1;
const ZERO = 0x30;
const QUOTE = 0x22;
const NEWLINE = 0x0a;
const RETURN_NEWLINE = word2('\r\n');
const MISSED = 3;
const MAX_STATUS_SCAN = 32;

/** Each reason and what always follows it; open addressing by the first eight bytes of both, far from full. */
const REASON_PHRASES = REASONS.map((reason) => new Phrase(`${reason}","status":`));
const PLACE_BITS = Math.ceil(Math.log2(3 * REASONS.length));
const PLACE_MASK = 2 ** PLACE_BITS - 1;
const PLACE_SHIFT = 32 - PLACE_BITS;
const REASONS_BY_WORDS = new Uint8Array(2 ** PLACE_BITS).fill(NO_REASON);
REASONS.forEach((name, reason) => {
  const text = `${name}","status":`;
  let place = placeOf(word4(text), word4(text.slice(4)));
  while (REASONS_BY_WORDS[place] !== NO_REASON) place = (place + 1) & PLACE_MASK;
  REASONS_BY_WORDS[place] = reason;
});
