import { MAX_TIME_MS, MIN_TIME_MS } from './validity.ts';

export const QUOTE = 0x22;
export const BACKSLASH = 0x5c;
export const COLON = 0x3a;
export const COMMA = 0x2c;
export const BRACE = 0x7d;
export const POINT = 0x2e;
export const ZERO = 0x30;

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

/** A time in ms of 13 digits within the accepted range; -1 for anything else. */
export function time(view: DataView, bytes: Uint8Array, at: number): number {
  const high = fourDigits(view.getInt32(at, true));
  const middle = fourDigits(view.getInt32(at + 4, true));
  const low = fourDigits(view.getInt32(at + 8, true));
  const last = bytes[at + 12] - ZERO;
  if (high < 1000 || (middle | low) < 0 || last >>> 0 > 9) return -1;
  const value = (high * 10_000 + middle) * 100_000 + (low * 10 + last);
  return value >= MIN_TIME_MS && value <= MAX_TIME_MS ? value : -1;
}

/** Four ASCII digits read as a little-endian word, all at once; -1 when any is no digit. */
function fourDigits(word: number): number {
  let digits = word ^ 0x30303030;
  if ((((digits + 0x76767676) | digits) & 0x80808080) !== 0) return -1;
  digits = (digits * 10 + (digits >>> 8)) & 0x00ff00ff;
  return (digits & 0xff) * 100 + (digits >>> 16);
}

/** Four ASCII characters as the word that a little-endian read of them gives. */
export function word(text: string): number {
  return Buffer.from(text).readInt32LE();
}
