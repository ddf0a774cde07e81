// Small readers of the canonical form. Frequent texts are compared or converted four or eight bytes at a time by functions
// short enough to become part of their callers; rare ones go digit by digit.

/** Two ASCII characters as a little-endian read gives them; so do the next ones for four and eight. */
export function word2(text: string): number {
  return Buffer.from(text).readInt16LE();
}

export function word4(text: string): number {
  return Buffer.from(text).readInt32LE();
}

/** As a floating-point number, which JavaScript compares in one step; printable ASCII is never a NaN. */
export function word8(text: string): number {
  return Buffer.from(text).readDoubleLE();
}

/** An ASCII text of four to seven characters, compared four at a time. */
export class ShortPhrase {
  readonly length: number;
  readonly #start: number;
  /** The last four characters, of which the first ones may be the last of the start. */
  readonly #end: number;

  constructor(text: string) {
    this.length = text.length;
    this.#start = word4(text.slice(0, 4));
    this.#end = word4(text.slice(-4));
  }

  isAt(view: DataView, start: number): boolean {
    return view.getInt32(start, true) === this.#start && view.getInt32(start + this.length - 4, true) === this.#end;
  }
}

/** An ASCII text of at least eight characters, compared eight at a time. An empty one is found nowhere. */
export class Phrase {
  readonly length: number;
  readonly #words: Float64Array;
  /** The last eight characters, of which the words may have had some already. */
  readonly #end: number;

  constructor(text: string) {
    this.length = text.length;
    this.#words = Float64Array.from({ length: (text.length - 1) >> 3 }, (_, n) => word8(text.slice(8 * n)));
    this.#end = text === '' ? Number.NaN : word8(text.slice(-8));
  }

  isAt(view: DataView, start: number): boolean {
    const words = this.#words;
    for (let n = 0; n < words.length; n++) if (view.getFloat64(start + 8 * n, true) !== words[n]) return false;
    return view.getFloat64(start + this.length - 8, true) === this.#end;
  }
}

/** The position of the closing quote of at most `most` plain ASCII characters; -1 when there is anything else. */
export function endOfText(view: DataView, start: number, most: number): number {
  const last = start + most;
  for (let at = start; at <= last; at++) {
    const byte = view.getUint8(at);
    if (byte === QUOTE) return at;
    if (byte < 0x20 || byte > 0x7e || byte === BACKSLASH) return -1;
  }
  return -1;
}

/** The number that the three digits in the low bytes of a word make; -1 for anything else. */
export function threeDigits(word: number): number {
  const digits = word ^ 0x303030;
  return notDigits(digits) !== 0 ? -1 : (digits & 0xff) * 100 + ((digits >> 8) & 0xff) * 10 + (digits >> 16);
}

/** Five digits; -1 for anything else. */
export function fiveDigits(view: DataView, at: number): number {
  const high = view.getInt32(at, true) ^ ZEROS;
  const last = view.getUint8(at + 4) - ZERO;
  return notDigits(high) !== 0 || last >>> 0 > 9 ? -1 : number4(high) * 10 + last;
}

/** Six digits and then none; -1 for anything else. */
export function sixDigits(view: DataView, at: number): number {
  const high = view.getInt32(at, true) ^ ZEROS;
  const low = view.getInt32(at + 4, true) ^ ZEROS;
  if ((notDigits(high) | ((notDigits(low) & 0x808080) ^ 0x800000)) !== 0) return -1;
  return number4(high) * 100 + (low & 0xff) * 10 + ((low >> 8) & 0xff);
}

/** Whether `sixDigits` would return a number. */
export function areSixDigits(view: DataView, at: number): boolean {
  const low = notDigits(view.getInt32(at + 4, true) ^ ZEROS) & 0x808080;
  return (notDigits(view.getInt32(at, true) ^ ZEROS) | (low ^ 0x800000)) === 0;
}

/**
 * A whole number without leading zeros, of which only eight digits are read, and how many they are: value * 16 + length;
 * -1 for anything else.
 */
export function wholeNumber(view: DataView, start: number): number {
  let value = view.getUint8(start) - ZERO;
  if (value >>> 0 > 9) return -1;
  let length = 1;
  for (; length < 8; length++) {
    const digit = view.getUint8(start + length) - ZERO;
    if (digit >>> 0 > 9) break;
    if (value === 0) return -1;
    value = value * 10 + digit;
  }
  return value * 16 + length;
}

/** Seconds with at most six decimals, at most 10^6 of them: microseconds * 16 + length; -1 for anything else. */
export function seconds(view: DataView, start: number): number {
  const whole = wholeNumber(view, start);
  if (whole < 0) return -1;
  let micros = (whole >> 4) * 1e6;
  let length = whole & 15;
  if (view.getUint8(start + length) === POINT) {
    length++;
    let unit = 1e5;
    for (
      let digit = view.getUint8(start + length) - ZERO;
      digit >>> 0 <= 9;
      digit = view.getUint8(start + ++length) - ZERO
    ) {
      if (unit < 1) return -1;
      micros += digit * unit;
      unit /= 10;
    }
    if (unit === 1e5) return -1;
  }
  return micros > 1e12 ? -1 : micros * 16 + length;
}

export const MAX_DECIMALS = 6;
/** By the number of decimals: how many millionths the last of them stands for. */
export const LAST_DECIMAL = Float64Array.of(0, 1e5, 1e4, 1e3, 100, 10, 1);
const ZEROS = 0x30303030;
const ZERO = 0x30;
const POINT = 0x2e;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** For four bytes (each already xor '0'): the top bit of each that was no digit; right up to the first one that is set. */
function notDigits(digits: number): number {
  return ((digits + 0x76767676) | digits) & 0x80808080;
}

/** The number that four digits (0..9 a byte, the most significant in the lowest) make. */
function number4(digits: number): number {
  const pairs = (Math.imul(digits, 10) + (digits >>> 8)) & 0x00ff00ff;
  return (pairs & 0xff) * 100 + (pairs >>> 16);
}
