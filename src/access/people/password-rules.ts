import { readFileSync } from 'node:fs';
import { VedetteError } from '../../errors.ts';

export const MIN_PASSWORD = 10;
export const MAX_PASSWORD = 256;

let common: ReadonlySet<string> | undefined;

/** Among the most common ones, in lower case; taken from @zxcvbn-ts/language-common 4.1.3 (MIT). */
function isCommon(password: string): boolean {
  common ??= new Set(readFileSync(new URL('./common-passwords.txt', import.meta.url), 'utf8').split('\n'));
  return common.has(password);
}

/**
 * Refuses passwords that are guessed first: short ones, the most common ones also with digits and signs around them, few
 * characters again and again, and the e-mail address itself. Throws VED_VALIDATION.
 */
export function checkPassword(password: string, email: string): void {
  const why = problemOf(password, email);
  // The password itself is never repeated.
  if (why !== null) throw new VedetteError('VED_VALIDATION', `password: ${why}`);
}

function problemOf(password: string, email: string): string | null {
  const length = [...password].length;
  if (length < MIN_PASSWORD) return `given ${length} characters, accepted: at least ${MIN_PASSWORD}`;
  if (length > MAX_PASSWORD) return `given ${length} characters, accepted: at most ${MAX_PASSWORD}`;
  if (password.includes('\0')) return 'given a text with NUL, accepted: any other characters';
  const plain = password.normalize('NFKC').toLowerCase();
  const core = plain.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, '');
  if (isCommon(plain) || isCommon(core) || isCommon(core.replaceAll(/[^\p{L}]/gu, ''))) {
    return 'given one of the most common ones, accepted: any that others do not use';
  }
  if (new Set(plain).size < 4) return 'given few characters again and again, accepted: at least 4 different ones';
  const [name = ''] = email.split('@');
  if (plain.includes(email) || plain === name || core === name) {
    return 'given the e-mail address, accepted: a text that others do not know';
  }
  return null;
}
