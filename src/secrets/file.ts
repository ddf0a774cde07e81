import type { Clock } from '../core/clock.ts';
import { readTextFile } from './read-file.ts';
import { type Found, type SecretSource, usable } from './source.ts';

const MAX_FILE_BYTES = 1_048_576;

interface Reading {
  atMs: number;
  text: string | null;
  /** The secrets by name, or why the file cannot be used. */
  secrets: ReadonlyMap<string, string> | string;
}

/** A file in YAML or JSON: a mapping of names to texts. It is read again after `recheckMs`. */
export function fileSource(path: string, clock: Pick<Clock, 'monotonicMs'>, recheckMs: number): SecretSource {
  let last: Reading | null = null;
  let reading: Promise<Reading> | null = null;

  const readAgain = async (): Promise<Reading> => {
    try {
      const atMs = clock.monotonicMs();
      const found = await readTextFile(path, MAX_FILE_BYTES, 'is larger than 1 MiB');
      if (found === null) last = { atMs, text: null, secrets: new Map() };
      else if ('fault' in found) last = { atMs, text: null, secrets: found.fault };
      else if (last !== null && last.text === found.value) last = { ...last, atMs };
      else last = { atMs, text: found.value, secrets: await parse(found.value) };
      return last;
    } finally {
      reading = null;
    }
  };

  return {
    placeOf: () => path,
    async find(name): Promise<Found | null> {
      const isFresh = last !== null && clock.monotonicMs() - last.atMs < recheckMs;
      reading ??= isFresh ? null : readAgain();
      const { secrets } = (await reading) ?? (last as Reading);
      if (typeof secrets === 'string') return { fault: secrets };
      const value = secrets.get(name);
      return value === undefined ? null : usable(value);
    },
  };
}

/** The parser is loaded with the first file: threads of checks seldom need one. */
async function parse(text: string): Promise<Reading['secrets']> {
  const { parseSecrets } = await import('./parse-secrets.ts');
  return parseSecrets(text);
}
