import { MAX_VALUE, MAX_VALUES } from './check-result.ts';
import type { ColumnBuffer } from './column-buffer.ts';
import { Phrase, word2 } from './scan-bytes.ts';

/**
 * Reads the values of a canonical line, from after the opening brace of the object, and appends them to the columns as those of
 * the row. Returns the position after the closing brace, or -1: then the row has none, and another reader takes the line.
 */
export function scanValues(view: DataView, start: number, columns: ColumnBuffer, row: number): number {
  const { valueTable, valueKeys } = columns;
  let at = start;
  for (let count = 1; count <= MAX_VALUES; count++) {
    let name = valueKeys.expected[count] as number;
    const key = name < 0 ? undefined : valueKeys.phrases[name];
    if (key?.isAt(view, at)) {
      at += key.length;
    } else {
      const end = view.getUint8(at) === QUOTE ? endOfName(view, at + 1) : -1;
      if (end < 0 || view.getInt16(end, true) !== KEY_END) return forget(columns, row);
      name = valueTable.fromBytes(view, at + 1, end);
      if (end - at >= LEAST_PHRASE - 2) valueKeys.expect(count, name, valueTable.names);
      at = end + 2;
    }
    // The last one of a name counts, which is for the other reader.
    if (columns.hasValue(row, name)) return forget(columns, row);
    at = readMillionths(view, at);
    if (at < 0) return forget(columns, row);
    columns.addValue(row, name, millionths);
    const byte = view.getUint8(at++);
    if (byte === BRACE) return at;
    if (byte !== COMMA) return forget(columns, row);
  }
  return forget(columns, row);
}

/** The names that came last at each place of a line, which nearly always come there again. */
export class ValueKeys {
  /** By place, from 1 on; -1: none. */
  readonly expected = new Int32Array(MAX_VALUES + 1).fill(-1);
  /** By name: it in its quotes, and the colon. */
  phrases: Phrase[] = [];

  expect(place: number, name: number, names: readonly string[]): void {
    this.phrases[name] ??= new Phrase(`"${names[name]}":`);
    this.expected[place] = name;
  }

  /** Names have other numbers from now on. */
  clear(): void {
    this.expected.fill(-1);
    this.phrases = [];
  }
}

/** Characters that a phrase has at least. */
const LEAST_PHRASE = 8;

function forget(columns: ColumnBuffer, row: number): number {
  columns.dropValues(row);
  return -1;
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

/** The number that was read last. */
let millionths = 0;

/** Reads a number without exponent and with six decimals at most. Returns where it ends; -1 for anything else. */
function readMillionths(view: DataView, start: number): number {
  const isNegative = view.getUint8(start) === MINUS;
  const first = isNegative ? start + 1 : start;
  let at = first;
  let whole = 0;
  for (let digit = view.getUint8(at) - ZERO; digit >>> 0 <= 9; digit = view.getUint8(++at) - ZERO) {
    // A leading zero, or more digits than a number within the bounds has.
    if ((at > first && whole === 0) || at - first === MAX_DIGITS) return -1;
    whole = whole * 10 + digit;
  }
  if (at === first) return -1;
  let micros = whole * 1e6;
  if (view.getUint8(at) === POINT) {
    at++;
    let unit = 1e5;
    for (let digit = view.getUint8(at) - ZERO; digit >>> 0 <= 9; digit = view.getUint8(++at) - ZERO) {
      if (unit < 1) return -1;
      micros += digit * unit;
      unit /= 10;
    }
    if (unit === 1e5) return -1;
  }
  if (micros > MAX_VALUE * 1e6) return -1;
  // Not -0, which would be another number.
  millionths = isNegative ? 0 - micros : micros;
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
