import { MAX_VALUE, MAX_VALUES } from './check-result.ts';
import type { ColumnBuffer } from './column-buffer.ts';
import { LAST_DECIMAL, MAX_DECIMALS, Phrase, ShortPhrase, word2 } from './scan-bytes.ts';

/**
 * Reads the values of a canonical line, from after the opening brace of the object, as those of the row. Returns the position
 * after the closing brace, or -1: then another reader takes the line.
 */
export function scanValues(view: DataView, start: number, columns: ColumnBuffer, row: number): number {
  const { valueTable, valueKeys } = columns;
  const { expected, phrases } = valueKeys;
  const first = columns.valuesLength;
  columns.reserveValues();
  const { valueNames, valueMicros } = columns;
  let at = start;
  let seen = 0;
  for (let place = 0; place < MAX_VALUES; place++) {
    let name = expected[place] as number;
    const key = name < 0 ? undefined : phrases[name];
    if (key?.isAt(view, at)) {
      at += key.length;
    } else {
      const end = view.getUint8(at) === QUOTE ? endOfName(view, at + 1) : -1;
      if (end < 0 || view.getInt16(end, true) !== KEY_END) return -1;
      name = valueTable.fromBytes(view, at + 1, end);
      valueKeys.expect(place, name, valueTable.names);
      at = end + 2;
    }
    // The last one of a name counts, which is for the other reader.
    if (name < 32) {
      const bit = 1 << name;
      if ((seen & bit) !== 0) return -1;
      seen |= bit;
    } else if (valueNames.subarray(first, first + place).includes(name)) {
      return -1;
    }
    valueNames[first + place] = name;
    at = readMillionths(view, at, valueMicros, first + place);
    if (at < 0) return -1;
    const byte = view.getUint8(at++);
    if (byte === BRACE) {
      columns.valueStart[row] = first;
      columns.valueCount[row] = place + 1;
      columns.valuesLength = first + place + 1;
      return at;
    }
    if (byte !== COMMA) return -1;
  }
  return -1;
}

/** The names that came last at each place of a line, which nearly always come there again. */
export class ValueKeys {
  /** By place; -1: none. */
  readonly expected = new Int32Array(MAX_VALUES).fill(-1);
  /** By name: it in its quotes, and the colon. */
  phrases: Array<Phrase | ShortPhrase> = [];

  expect(place: number, name: number, names: readonly string[]): void {
    const text = `"${names[name]}":`;
    this.phrases[name] ??= text.length < 8 ? new ShortPhrase(text) : new Phrase(text);
    this.expected[place] = name;
  }

  /** Names have other numbers from now on. */
  clear(): void {
    this.expected.fill(-1);
    this.phrases.length = 0;
  }
}

/** Where the quote is that ends a name as VALUE_NAME has it; -1 when there is anything else. */
function endOfName(view: DataView, start: number): number {
  const last = start + MAX_NAME_CHARS;
  for (let at = start; at <= last; at++) {
    const byte = view.getUint8(at);
    if (byte === QUOTE) return at > start ? at : -1;
    const isLetter = byte >= 0x61 && byte <= 0x7a;
    if (!isLetter && (at === start || !((byte >= ZERO && byte <= NINE) || byte === UNDERSCORE))) return -1;
  }
  return -1;
}

/**
 * Reads a number without exponent and with six decimals at most into `micros`. Returns where it ends; -1 for anything else.
 */
function readMillionths(view: DataView, start: number, micros: Float64Array, place: number): number {
  let at = start;
  let digit = view.getUint8(at) - ZERO;
  const isNegative = digit === MINUS - ZERO;
  if (isNegative) digit = view.getUint8(++at) - ZERO;
  if (digit >>> 0 > 9) return -1;
  const first = at;
  let whole = digit;
  for (digit = view.getUint8(++at) - ZERO; digit >>> 0 <= 9; digit = view.getUint8(++at) - ZERO) {
    // A leading zero, or more digits than a number within the bounds has.
    if (whole === 0 || at - first === MAX_DIGITS) return -1;
    whole = whole * 10 + digit;
  }
  let value = whole * 1e6;
  if (digit === POINT - ZERO) {
    const from = ++at;
    let fraction = 0;
    for (digit = view.getUint8(at) - ZERO; digit >>> 0 <= 9; digit = view.getUint8(++at) - ZERO) {
      if (at - from === MAX_DECIMALS) return -1;
      fraction = fraction * 10 + digit;
    }
    if (at === from) return -1;
    value += fraction * (LAST_DECIMAL[at - from] as number);
  }
  if (value > MAX_VALUE * 1e6) return -1;
  // Not -0, which would be another number.
  micros[place] = isNegative ? 0 - value : value;
  return at;
}

const QUOTE = 0x22;
const KEY_END = word2('":');
const COMMA = 0x2c;
const BRACE = 0x7d;
const ZERO = 0x30;
const NINE = 0x39;
const UNDERSCORE = 0x5f;
const MINUS = 0x2d;
const POINT = 0x2e;
const MAX_NAME_CHARS = 40;
const MAX_DIGITS = 10;
