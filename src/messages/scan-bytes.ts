// Small readers of the canonical form. Those that answer a value and a length pack both: value * 16 + length.

export const QUOTE = 0x22;
export const BRACE = 0x7d;
export const COLON = 0x3a;
export const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const ZERO = 0x30;

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

/** The position of the closing quote of at most `most` plain ASCII characters; -1 when there is anything else. */
export function endOfText(bytes: Uint8Array, start: number, most: number): number {
  const last = start + most;
  for (let at = start; at <= last; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) return at;
    if (byte < 0x20 || byte > 0x7e || byte === BACKSLASH) return -1;
  }
  return -1;
}

/** Eight digits; -1 for anything else. */
export function digits8(view: DataView, at: number): number {
  const high = view.getInt32(at, true) ^ ZEROS;
  const low = view.getInt32(at + 4, true) ^ ZEROS;
  if ((notDigits(high) | notDigits(low)) !== 0) return -1;
  return number4(high) * 10_000 + number4(low);
}

/** Five digits; -1 for anything else. */
export function digits5(view: DataView, at: number): number {
  const high = view.getInt32(at, true) ^ ZEROS;
  const last = view.getUint8(at + 4) - ZERO;
  return notDigits(high) !== 0 || last >>> 0 > 9 ? -1 : number4(high) * 10 + last;
}

/** A whole number of 1 to 8 digits and how many they are; -1 for anything else, and for leading zeros. */
export function wholeNumber(view: DataView, at: number): number {
  const first = view.getInt32(at, true) ^ ZEROS;
  const stop = notDigits(first);
  if (stop !== 0) {
    const length = firstOf(stop);
    if (length === 0) return -1;
    if ((first & 0xff) === 0) return length === 1 ? 1 : -1;
    return number4(first << (32 - 8 * length)) * 16 + length;
  }
  if ((first & 0xff) === 0) return -1;
  const second = view.getInt32(at + 4, true) ^ ZEROS;
  const end = notDigits(second);
  if (end === 0) return (number4(first) * 10_000 + number4(second)) * 16 + 8;
  const length = firstOf(end);
  if (length === 0) return number4(first) * 16 + 4;
  return (number4(first) * POWERS[length] + number4(second << (32 - 8 * length))) * 16 + 4 + length;
}

/** One to six decimals as millionths and how many they are; -1 for anything else. */
export function millionths(view: DataView, at: number): number {
  const first = view.getInt32(at, true) ^ ZEROS;
  const stop = notDigits(first);
  if (stop !== 0) {
    const length = firstOf(stop);
    return length === 0 ? -1 : number4(first << (32 - 8 * length)) * POWERS[6 - length] * 16 + length;
  }
  const second = view.getInt32(at + 4, true) ^ ZEROS;
  // Of the second word only two characters may be digits.
  const end = notDigits(second);
  const length = end === 0 ? 4 : firstOf(end);
  if (length > 2) return -1;
  const rest = second & ((1 << (8 * length)) - 1);
  return (number4(first) * 100 + (rest & 0xff) * 10 + (rest >> 8)) * 16 + 4 + length;
}

/** Where one to six decimals that begin at `at` end; -1 when there are none or more. */
export function endOfMillionths(view: DataView, at: number): number {
  const stop = notDigits(view.getInt32(at, true) ^ ZEROS);
  if (stop !== 0) return (stop & 0x80) !== 0 ? -1 : at + firstOf(stop);
  const end = notDigits(view.getInt32(at + 4, true) ^ ZEROS);
  return (end & 0x808080) === 0 ? -1 : at + 4 + firstOf(end);
}

const ZEROS = 0x30303030;
const POWERS = new Int32Array([1, 10, 100, 1000, 10_000, 100_000]);

/** For four bytes (each already xor '0'): the top bit of each that was no digit; right up to the first one that is set. */
function notDigits(digits: number): number {
  return ((digits + 0x76767676) | digits) & 0x80808080;
}

/** Which byte, counted from the lowest, has the first bit set. */
function firstOf(bits: number): number {
  return (31 - Math.clz32(bits & -bits)) >> 3;
}

/** The number that four digits (0..9 a byte, the most significant in the lowest) make. */
function number4(digits: number): number {
  const pairs = (Math.imul(digits, 10) + (digits >>> 8)) & 0x00ff00ff;
  return (pairs & 0xff) * 100 + (pairs >>> 16);
}
