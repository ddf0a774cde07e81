import type { Clock } from '../core/clock.ts';
import { withDeadline } from '../core/deadline.ts';
import { environmentSource } from './environment.ts';
import { fileSource } from './file.ts';
import { folderSource } from './folder.ts';
import type { SecretSource } from './source.ts';

/** Where the secrets of jobs are; plain values, so that a thread can be told. */
export interface SecretPlaces {
  readonly folder: string | null;
  readonly file: string | null;
  readonly envPrefix: string;
  /** The variables with that prefix. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/** As last read. It stays the same object as long as its value stays the same. */
export type Secret = { readonly name: string; readonly value: string } | UnusableSecret;

interface UnusableSecret {
  readonly name: string;
  /** Why there is no value, and where it was looked for; a text for people. */
  readonly fault: string;
}

/** The secrets that jobs may refer to. Values are kept in memory only, and read again when they are asked for later. */
export interface SecretStore {
  /** Returns the secrets if each was read a short time ago; null if one has to be read. */
  recent(names: readonly string[]): readonly Secret[] | null;
  /** Returns the secrets, reading those that were not read a short time ago. Never rejects, and ends within a second or so. */
  read(names: readonly string[]): Promise<readonly Secret[]>;
}

/** Of programs without places for secrets. */
export const NO_SECRETS: SecretStore = {
  recent: () => null,
  read: async (names) => names.map((name) => ({ name, fault: 'there is no place for secrets' })),
};

/**
 * Values are read again when they are older than this, and the file of secrets, too: a change is seen after twice the
 * time at the latest.
 */
const RECHECK_MS = 5_000;
/** A file system that takes longer than this hangs. */
const READ_MS = 1_000;
const MAX_KEPT = 10_000;

interface Entry {
  secret: Secret | null;
  readAtMs: number;
  reading: Promise<Secret> | null;
}

/** The first place that has a secret gives it: the folder, the file, the environment. */
export function createSecretStore(
  { folder, file, envPrefix, variables }: SecretPlaces,
  clock: Pick<Clock, 'monotonicMs'>,
): SecretStore {
  const sources = [
    ...(folder === null ? [] : [folderSource(folder)]),
    ...(file === null ? [] : [fileSource(file, clock, RECHECK_MS)]),
    environmentSource(envPrefix, variables),
  ];
  return new SourcesStore(sources, clock);
}

/** The secrets of some sources, in their order. */
export class SourcesStore implements SecretStore {
  readonly #sources: readonly SecretSource[];
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #entries = new Map<string, Entry>();

  constructor(sources: readonly SecretSource[], clock: Pick<Clock, 'monotonicMs'>) {
    this.#sources = sources;
    this.#clock = clock;
  }

  recent(names: readonly string[]): readonly Secret[] | null {
    const oldest = this.#clock.monotonicMs() - RECHECK_MS;
    const secrets: Secret[] = [];
    for (const name of names) {
      const entry = this.#entries.get(name);
      if (!entry?.secret || entry.readAtMs <= oldest) return null;
      secrets.push(entry.secret);
    }
    return secrets;
  }

  async read(names: readonly string[]): Promise<readonly Secret[]> {
    return this.recent(names) ?? Promise.all(names.map((name) => this.#readOne(name)));
  }

  async #readOne(name: string): Promise<Secret> {
    const [known] = this.recent([name]) ?? [];
    if (known) return known;
    const entry = this.#entryOf(name);
    // One at a time, so that a file system that hangs does not take every thread that reads files.
    entry.reading ??= this.#readAgain(name, entry);
    try {
      return await withDeadline(entry.reading, READ_MS, 'not read');
    } catch (error) {
      return entry.secret ?? { name, fault: (error as Error).message };
    }
  }

  #entryOf(name: string): Entry {
    let entry = this.#entries.get(name);
    if (!entry) {
      entry = { secret: null, readAtMs: Number.NEGATIVE_INFINITY, reading: null };
      if (this.#entries.size >= MAX_KEPT) this.#entries.delete(this.#entries.keys().next().value as string);
      this.#entries.set(name, entry);
    }
    return entry;
  }

  async #readAgain(name: string, entry: Entry): Promise<Secret> {
    const atMs = this.#clock.monotonicMs();
    const secret = await this.#find(name).catch((): Secret => ({ name, fault: 'it cannot be looked up' }));
    if (entry.secret === null || !isSame(entry.secret, secret)) entry.secret = secret;
    entry.readAtMs = atMs;
    entry.reading = null;
    return entry.secret;
  }

  /** A secret that is somewhere and cannot be used is not looked for elsewhere: another value would be the wrong one. */
  async #find(name: string): Promise<Secret> {
    for (const source of this.#sources) {
      const found = await source.find(name);
      if (found !== null) {
        return 'value' in found ? { name, ...found } : { name, fault: `${source.placeOf(name)} ${found.fault}` };
      }
    }
    const places = this.#sources.map((source) => source.placeOf(name));
    return { name, fault: `it is not in ${places.join(', ')}` };
  }
}

function isSame(a: Secret, b: Secret): boolean {
  return 'value' in a ? 'value' in b && a.value === b.value : 'fault' in b && a.fault === b.fault;
}
