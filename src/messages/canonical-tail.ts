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
  if (timings !== null) {
    const end = (row + 1) * PHASES.length;
    for (let place = end - PHASES.length; place < end; place++) timings[place] = -1;
  }
  if (view.getFloat64(at, true) === TIMINGS) {
    if (view.getInt32(at + 8, true) !== TIMINGS_OPEN) return -1;
    const from = at + 12;
    at = endOfTimings(view, from);
    if (at < 0) return -1;
    if (timings !== null) keepTimings(view, from, at - 1, timings, row * PHASES.length);
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

/** Takes the seconds of phases that were checked before, from after the opening brace to the closing one. */
function keepTimings(view: DataView, start: number, end: number, timings: Float64Array, offset: number): void {
  for (let at = start; at < end; ) {
    const phase = phaseAt(view, at);
    at += PHASE_KEY_LENGTHS[phase] as number;
    const micros = view.getInt16(at, true) === ZERO_POINT ? sixDigits(view, at + 2) : -1;
    if (micros >= 0) {
      timings[offset + phase] = micros;
      at += 9;
    } else {
      const value = seconds(view, at);
      timings[offset + phase] = Math.floor(value / 16);
      at += (value % 16) + 1;
    }
  }
}

/** The index in PHASES of the key at whose opening quote `at` is, which is that of one of them. */
function phaseAt(view: DataView, at: number): number {
  const first = view.getUint8(at + 1);
  if (first === 0x64) return 0; // d
  if (first === 0x63) return 1; // c
  const second = view.getUint8(at + 2);
  if (second === 0x74) return 4; // tt
  if (second === 0x72) return 5; // tr
  return view.getUint8(at + 4) === QUOTE ? 2 : 3;
}

/** With the quotes and the colon. */
const PHASE_KEY_LENGTHS = Uint8Array.from(PHASES, (phase) => phase.length + 3);

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
const ZERO_POINT = word2('0.');
const QUOTE = 0x22;
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
