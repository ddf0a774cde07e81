import { MASK, maskText } from '../core/masking.ts';
import { listedNames, secretValues } from './secrets.ts';
import type { JobDefinition } from './store.ts';

export interface Covered {
  /** With the values of the secrets that it refers to. */
  definition: JobDefinition;
  /** Paths of secrets. */
  secrets: readonly string[];
  /** Further texts that are secret. */
  encoded: readonly string[];
  /** Values of the secrets that the job refers to. */
  referred: readonly string[];
}

/** Replacing shorter secrets would mask half of every text. */
const MIN_LENGTH = 6;
/** It is known of a value that was referred to that it is secret. */
const MIN_REFERRED_LENGTH = 3;
/** Ends a text that was cut off. */
const CUT = '…';

/**
 * Removes the secrets of the job from details and facts, in case the site repeats them, and secrets within addresses.
 */
export function maskReport<T>(value: T, covered: Covered): T {
  const names = listedNames(covered.definition);
  const known = knownTexts(covered);
  const mask = (text: string): string => {
    let masked = text;
    for (const secret of known) masked = masked.replaceAll(secret, MASK);
    return maskText(maskEnd(masked, known), names);
  };
  return mapTexts(value, mask) as T;
}

/** The longest first. */
function knownTexts({ definition, secrets, encoded, referred }: Covered): string[] {
  const own = [...secretValues(definition, secrets), ...encoded].filter(({ length }) => length >= MIN_LENGTH);
  const texts = own.flatMap(formsOf).filter(({ length }) => length >= MIN_LENGTH);
  texts.push(...referred.flatMap(formsOf).filter(({ length }) => length >= MIN_REFERRED_LENGTH));
  return [...new Set(texts)].sort((a, b) => b.length - a.length);
}

/** As it is, as a line of a detail, as the bytes of a header are read, in an address, and in quotes. */
function formsOf(value: string): string[] {
  const bytes = Buffer.from(value);
  // As it is sent: half a pair of surrogates cannot be encoded.
  const encoded = encodeURIComponent(bytes.toString('utf8'));
  return [
    value,
    value.replace(/\p{Cc}+/gu, ' ').trim(),
    bytes.toString('latin1'),
    encoded,
    encoded.replaceAll('%20', '+'),
    encoded.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    JSON.stringify(value).slice(1, -1),
  ];
}

/** A text that was cut off may end in the beginning of a secret. */
function maskEnd(text: string, known: readonly string[]): string {
  if (!text.endsWith(CUT)) return text;
  const whole = text.slice(0, -CUT.length);
  for (const secret of known) {
    for (let length = Math.min(secret.length, whole.length); length >= MIN_REFERRED_LENGTH; length--) {
      if (whole.endsWith(secret.slice(0, length))) return whole.slice(0, -length) + MASK + CUT;
    }
  }
  return text;
}

function mapTexts(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === 'string') return map(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, map));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapTexts(item, map)]));
}
