import {
  BRACE,
  COLON,
  COMMA,
  endOfMillionths,
  endOfText,
  millionths,
  wholeNumber,
  word2,
  word4,
  word8,
} from './scan-bytes.ts';
import { MAX_ATTEMPT } from './validity.ts';

/** Reads what may follow response_time in a canonical line: timings, bytes, attempt, detail. Only bytes are kept. */
export class CanonicalTail {
  /** What `seconds` has read, in microseconds. */
  micros = 0;

  /** Puts the bytes into `sizes`, -1 when absent. Answers the position after the line's closing brace, or -1. */
  scan(bytes: Uint8Array, view: DataView, start: number, sizes: Float64Array, row: number): number {
    sizes[row] = -1;
    let at = start;
    if (bytes[at] === BRACE) return at + 1;
    if (view.getFloat64(at, true) === TIMINGS) {
      if (view.getInt32(at + 8, true) !== TIMINGS_END) return -1;
      at = this.#timings(bytes, view, at + 12);
      if (at < 0) return -1;
    }
    if (view.getFloat64(at, true) === BYTES) {
      if (bytes[at + 8] !== COLON) return -1;
      const size = wholeNumber(view, at + 9);
      if (size < 0) return -1;
      sizes[row] = size >> 4;
      at += 9 + (size & 15);
    }
    if (view.getFloat64(at, true) === ATTEMPT) {
      if (view.getFloat64(at + 5, true) === FIRST_ATTEMPT) return at + 13;
      if (view.getInt32(at + 7, true) !== ATTEMPT_END) return -1;
      const attempt = wholeNumber(view, at + 11);
      if (attempt < 16 || attempt >> 4 > MAX_ATTEMPT) return -1;
      at += 11 + (attempt & 15);
    }
    if (view.getFloat64(at, true) === DETAIL) {
      if (view.getInt32(at + 7, true) !== DETAIL_END) return -1;
      at = endOfText(bytes, at + 11, MAX_DETAIL_SCAN) + 1;
      if (at === 0) return -1;
    }
    return bytes[at] === BRACE ? at + 1 : -1;
  }

  /** From after the opening brace to after the closing one; the values are checked, not kept. */
  #timings(bytes: Uint8Array, view: DataView, start: number): number {
    let at = start;
    if (bytes[at] === BRACE) return at + 1;
    // Each phase is looked for with the quote before its name; `at` then stands on the comma or brace after its value.
    if (view.getInt32(at, true) === DNS) {
      if (view.getInt16(at + 4, true) !== KEY_END) return -1;
      at = this.#endOfSeconds(view, at + 6);
      if (at < 0 || bytes[at] !== COMMA) return at < 0 || bytes[at] !== BRACE ? -1 : at + 1;
      at++;
    }
    if (view.getFloat64(at, true) === CONNECT) {
      if (view.getInt16(at + 8, true) !== KEY_END) return -1;
      at = this.#endOfSeconds(view, at + 10);
      if (at < 0 || bytes[at] !== COMMA) return at < 0 || bytes[at] !== BRACE ? -1 : at + 1;
      at++;
    }
    if (view.getInt32(at, true) === TLS) {
      if (view.getInt16(at + 4, true) !== KEY_END) return -1;
      at = this.#endOfSeconds(view, at + 6);
      if (at < 0 || bytes[at] !== COMMA) return at < 0 || bytes[at] !== BRACE ? -1 : at + 1;
      at++;
    }
    if (view.getInt32(at, true) === TTFB) {
      if (view.getInt32(at + 3, true) !== TTFB_END) return -1;
      at = this.#endOfSeconds(view, at + 7);
      if (at < 0 || bytes[at] !== COMMA) return at < 0 || bytes[at] !== BRACE ? -1 : at + 1;
      at++;
    }
    if (view.getFloat64(at, true) !== TRANSFER || view.getInt32(at + 7, true) !== TRANSFER_END) return -1;
    at = this.#endOfSeconds(view, at + 11);
    return at >= 0 && bytes[at] === BRACE ? at + 1 : -1;
  }

  /** Where seconds end whose value nobody wants. */
  #endOfSeconds(view: DataView, start: number): number {
    return view.getInt16(start, true) === ZERO_POINT ? endOfMillionths(view, start + 2) : this.seconds(view, start);
  }

  /** Seconds with at most six decimals, at most 10^6 of them. Answers where they end, or -1 for anything else. */
  seconds(view: DataView, start: number): number {
    if (view.getInt16(start, true) === ZERO_POINT) {
      const fraction = millionths(view, start + 2);
      this.micros = fraction >> 4;
      return fraction < 0 ? -1 : start + 2 + (fraction & 15);
    }
    const whole = wholeNumber(view, start);
    if (whole < 0 || whole >> 4 > 1_000_000) return -1;
    const end = start + (whole & 15);
    this.micros = (whole >> 4) * 1_000_000;
    if (view.getUint8(end) !== POINT) return end;
    const fraction = millionths(view, end + 1);
    this.micros += fraction >> 4;
    return fraction < 0 || this.micros > 1e12 ? -1 : end + 1 + (fraction & 15);
  }
}

const TIMINGS = word8(',"timing');
const TIMINGS_END = word4('s":{');
const DNS = word4('"dns');
const CONNECT = word8('"connect');
const TLS = word4('"tls');
const TTFB = word4('"ttf');
const TTFB_END = word4('fb":');
const TRANSFER = word8('"transfe');
const TRANSFER_END = word4('er":');
const BYTES = word8(',"bytes"');
const ATTEMPT = word8(',"attemp');
const ATTEMPT_END = word4('pt":');
/** Nearly every line ends so. */
const FIRST_ATTEMPT = word8('empt":1}');
const DETAIL = word8(',"detail');
const DETAIL_END = word4('l":"');
const KEY_END = word2('":');
const ZERO_POINT = word2('0.');
const POINT = 0x2e;
const MAX_DETAIL_SCAN = 200;
