import { createHash, randomBytes } from 'node:crypto';

/** `ved_` and 8 characters, by which a key is found, then 32 that nobody can guess (190 bits). */
const FORM = /^ved_[0-9A-Za-z]{8}_[0-9A-Za-z]{32}$/;
const PREFIX_LENGTH = 12;
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

export function createKeyText(): string {
  return `ved_${randomText(8)}_${randomText(32)}`;
}

/** The part by which a key is found; null: it is no key of this form. */
export function prefixOf(key: string): string | null {
  return FORM.test(key) ? key.slice(0, PREFIX_LENGTH) : null;
}

export function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Bytes beyond the last whole multiple of the alphabet are dropped, so that each character is equally likely. */
function randomText(length: number): string {
  const limit = 256 - (256 % ALPHABET.length);
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < limit && text.length < length) text += ALPHABET[byte % ALPHABET.length];
    }
  }
  return text;
}
