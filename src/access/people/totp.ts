import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** Time-based one-time passwords as every authenticator app has them: RFC 6238 with SHA-1, 6 digits, 30 seconds. */
const STEP_MS = 30_000;
const DIGITS = 6;
const SECRET_BYTES = 20;
/** Steps before and after the present one that count too: clocks differ, and people type slowly. */
const WINDOW = 1;

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** In base32, as people type it. */
export const createTotpSecret = (): string => toBase32(randomBytes(SECRET_BYTES));

export function totpCode(secret: string, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const hash = createHmac('sha1', fromBase32(secret)).update(counter).digest();
  const offset = (hash.at(-1) as number) & 15;
  return String((hash.readUInt32BE(offset) & 0x7fffffff) % 10 ** DIGITS).padStart(DIGITS, '0');
}

export const stepAt = (wallMs: number): number => Math.floor(wallMs / STEP_MS);

/** The step whose code was given, spaces left out; null: none of those that count now. */
export function stepOfCode(secret: string, given: string, wallMs: number): number | null {
  const code = given.replaceAll(/\s/g, '');
  if (!/^\d{6}$/.test(code)) return null;
  const present = stepAt(wallMs);
  let found: number | null = null;
  for (let step = present - WINDOW; step <= present + WINDOW; step++) {
    if (timingSafeEqual(Buffer.from(totpCode(secret, step)), Buffer.from(code))) found = step;
  }
  return found;
}

/** For the QR code or the link that an authenticator app reads. */
export function totpUri(secret: string, email: string): string {
  const parameters = new URLSearchParams({ secret, issuer: 'Vedette', digits: String(DIGITS), period: '30' });
  return `otpauth://totp/${encodeURIComponent(`Vedette:${email}`)}?${parameters}`;
}

const RECOVERY_CODES = 10;

/** Each stands once for a code, when the app is lost. 80 bits, so that a plain hash of them cannot be reversed. */
export function createRecoveryCodes(): string[] {
  return Array.from({ length: RECOVERY_CODES }, () => {
    const text = toBase32(randomBytes(10)).toLowerCase();
    return text.replace(/(.{4})(?=.)/g, '$1-');
  });
}

/** As it is hashed: people leave out dashes, or write capitals. */
export const plainRecoveryCode = (given: string): string => given.toLowerCase().replaceAll(/[\s-]/g, '');

function toBase32(bytes: Buffer): string {
  let text = '';
  let [value, bits] = [0, 0];
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32.charAt((value >> bits) & 31);
    }
  }
  return bits > 0 ? text + BASE32.charAt((value << (5 - bits)) & 31) : text;
}

function fromBase32(text: string): Buffer {
  const bytes: number[] = [];
  let [value, bits] = [0, 0];
  for (const character of text) {
    value = ((value << 5) | BASE32.indexOf(character)) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((value >> bits) & 255);
  }
  return Buffer.from(bytes);
}
