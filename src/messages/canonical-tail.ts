import { scanValues } from './canonical-values.ts';
import { PHASES } from './check-result.ts';
import type { ColumnBuffer } from './column-buffer.ts';
import { areSixDigits, endOfText, seconds, sixDigits, wholeNumber, word2, word4, word8 } from './scan-bytes.ts';
import { MAX_ATTEMPT } from './validity.ts';

/**
 * Reads what may follow response_time in a canonical line: timings, bytes, attempt, detail, values, maintenance. Timings are
 * kept when the columns want them; attempt and detail are not. Returns the position after the line's closing brace, or -1.
 */
export function scanTail(view: DataView, start: number, columns: ColumnBuffer, row: number): number {
  let at = start;
  const { timings } = columns;
  const phases = row * PHASES.length;
  if (timings !== null) for (let place = phases; place < phases + PHASES.length; place++) timings[place] = -1;
  if (view.getFloat64(at, true) === TIMINGS) {
    if (view.getInt32(at + 8, true) !== TIMINGS_OPEN) return -1;
    at = timings === null ? endOfTimings(view, at + 12) : readTimings(view, at + 12, timings, phases);
    if (at < 0) return -1;
  }
  const sizes = columns.bytes;
  sizes[row] = -1;
  columns.valueCount[row] = 0;
  columns.maintenance[row] = 0;
  if (view.getFloat64(at, true) === BYTES) {
    const size = wholeNumber(view, at + 9);
    if (size < 0 || view.getInt16(at + 7, true) !== KEY_END) return -1;
    sizes[row] = size >> 4;
    at += 9 + (size & 15);
  }
  if (view.getFloat64(at, true) === ATTEMPT) {
    // Nearly every line ends so.
    if (view.getFloat64(at + 5, true) === FIRST_ATTEMPT) return at + 13;
    if (view.getInt32(at + 7, true) !== ATTEMPT_END) return -1;
    const attempt = wholeNumber(view, at + 11);
    if (attempt < 16 || attempt >> 4 > MAX_ATTEMPT) return -1;
    at += 11 + (attempt & 15);
  }
  if (view.getFloat64(at, true) === DETAIL) {
    if (view.getInt32(at + 7, true) !== DETAIL_END) return -1;
    at = endOfText(view, at + 11, MAX_DETAIL_SCAN) + 1;
    if (at === 0) return -1;
  }
  if (view.getFloat64(at, true) === VALUES) {
    if (view.getInt32(at + 7, true) !== VALUES_OPEN) return -1;
    at = scanValues(view, at + 11, columns, row);
    if (at < 0) return -1;
  }
  if (view.getFloat64(at, true) === MAINTENANCE) {
    if (view.getFloat64(at + 8, true) !== MAINTENANCE_MIDDLE || view.getInt32(at + 15, true) !== TRUE) return -1;
    columns.maintenance[row] = 1;
    at += 19;
  }
  return view.getUint8(at) === BRACE ? at + 1 : -1;
}

/** From after the opening brace to after the closing one, or -1; the values are checked, not kept. */
function endOfTimings(view: DataView, start: number): number {
  let at = start;
  if (view.getInt32(at, true) === DNS) {
    at = endOfPhase(view, at + 4);
    if (at < 0 || view.getUint8(at) !== COMMA) return endOfObject(view, at);
    at++;
  }
  if (view.getFloat64(at, true) === CONNECT) {
    at = endOfPhase(view, at + 8);
    if (at < 0 || view.getUint8(at) !== COMMA) return endOfObject(view, at);
    at++;
  }
  if (view.getInt32(at, true) === TLS) {
    const end = endOfPhase(view, at + 4);
    if (end >= 0) {
      if (view.getUint8(end) !== COMMA) return endOfObject(view, end);
      at = end + 1;
    }
    if (view.getInt32(at, true) === TLS) {
      if (view.getFloat64(at + 4, true) !== RESUMED) return -1;
      at = endOfPhase(view, at + 12);
      if (at < 0 || view.getUint8(at) !== COMMA) return endOfObject(view, at);
      at++;
    }
  }
  if (view.getInt32(at, true) === TTFB && view.getUint8(at + 4) === TTFB_END) {
    at = endOfPhase(view, at + 5);
    if (at < 0 || view.getUint8(at) !== COMMA) return endOfObject(view, at);
    at++;
  }
  if (view.getFloat64(at, true) !== TRANSFER || view.getUint8(at + 8) !== TRANSFER_END) return -1;
  return endOfObject(view, endOfPhase(view, at + 9));
}

/** The same, and takes the seconds of each phase, that of phase n into `timings[phases + n]`. Apart: it costs more. */
function readTimings(view: DataView, start: number, timings: Float64Array, phases: number): number {
  let at = start;
  if (view.getInt32(at, true) === DNS) {
    at = readPhase(view, at + 4, timings, phases);
    if (at < 0 || view.getUint8(at) !== COMMA) return endOfObject(view, at);
    at++;
  }
  if (view.getFloat64(at, true) === CONNECT) {
    at = readPhase(view, at + 8, timings, phases + 1);
    if (at < 0 || view.getUint8(at) !== COMMA) return endOfObject(view, at);
    at++;
  }
  if (view.getInt32(at, true) === TLS) {
    const end = readPhase(view, at + 4, timings, phases + 2);
    if (end >= 0) {
      if (view.getUint8(end) !== COMMA) return endOfObject(view, end);
      at = end + 1;
    }
    if (view.getInt32(at, true) === TLS) {
      if (view.getFloat64(at + 4, true) !== RESUMED) return -1;
      at = readPhase(view, at + 12, timings, phases + 3);
      if (at < 0 || view.getUint8(at) !== COMMA) return endOfObject(view, at);
      at++;
    }
  }
  if (view.getInt32(at, true) === TTFB && view.getUint8(at + 4) === TTFB_END) {
    at = readPhase(view, at + 5, timings, phases + 4);
    if (at < 0 || view.getUint8(at) !== COMMA) return endOfObject(view, at);
    at++;
  }
  if (view.getFloat64(at, true) !== TRANSFER || view.getUint8(at + 8) !== TRANSFER_END) return -1;
  return endOfObject(view, readPhase(view, at + 9, timings, phases + 5));
}

/** Takes the seconds that follow a phase's name, which stops before its closing quote. Returns where they end, or -1. */
function readPhase(view: DataView, start: number, timings: Float64Array, place: number): number {
  const micros = view.getInt32(start, true) === UNDER_A_SECOND ? sixDigits(view, start + 4) : -1;
  if (micros < 0) return readRarePhase(view, start, timings, place);
  timings[place] = micros;
  return start + 10;
}

/** Seconds with another number of digits. */
function readRarePhase(view: DataView, start: number, timings: Float64Array, place: number): number {
  if (view.getInt16(start, true) !== KEY_END) return -1;
  const value = seconds(view, start + 2);
  if (value < 0) return -1;
  timings[place] = Math.floor(value / 16);
  return start + 2 + (value % 16);
}

/** Where the seconds end that follow a phase's name, which stops before its closing quote; or -1. */
function endOfPhase(view: DataView, start: number): number {
  if (view.getInt32(start, true) === UNDER_A_SECOND && areSixDigits(view, start + 4)) return start + 10;
  return endOfRarePhase(view, start);
}

/** Seconds with another number of digits. */
function endOfRarePhase(view: DataView, start: number): number {
  if (view.getInt16(start, true) !== KEY_END) return -1;
  const value = seconds(view, start + 2);
  return value < 0 ? -1 : start + 2 + (value % 16);
}

function endOfObject(view: DataView, at: number): number {
  return at >= 0 && view.getUint8(at) === BRACE ? at + 1 : -1;
}

const TIMINGS = word8(',"timing');
const TIMINGS_OPEN = word4('s":{');
const DNS = word4('"dns');
const CONNECT = word8('"connect');
const TLS = word4('"tls');
const RESUMED = word8('_resumed');
const TTFB = word4('"ttf');
const TTFB_END = 0x62;
const TRANSFER = word8('"transfe');
const TRANSFER_END = 0x72;
const UNDER_A_SECOND = word4('":0.');
const KEY_END = word2('":');
const BYTES = word8(',"bytes"');
const ATTEMPT = word8(',"attemp');
const ATTEMPT_END = word4('pt":');
const FIRST_ATTEMPT = word8('empt":1}');
const DETAIL = word8(',"detail');
const DETAIL_END = word4('l":"');
const VALUES = word8(',"values');
const VALUES_OPEN = word4('s":{');
const MAINTENANCE = word8(',"mainte');
const MAINTENANCE_MIDDLE = word8('nance":t');
const TRUE = word4('true');
const COMMA = 0x2c;
const BRACE = 0x7d;
const MAX_DETAIL_SCAN = 200;
