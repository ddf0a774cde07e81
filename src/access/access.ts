import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { Database } from '../postgres/database.ts';
import { countKeys, findKey } from './keys/key-store.ts';
import { prefixOf, sha256 } from './keys/key-text.ts';
import { countUsers } from './people/user-store.ts';
import { type Principal, SETTINGS_KEY } from './principal.ts';
import { type RecallOptions, Remembered, unlessAway } from './remembered.ts';
import { findSession, type Holder, isToken, type Session } from './sessions/session-store.ts';

/** The principals of keys and sessions, as far as PostgreSQL and the settings know them. Rejects while the database is away, unless it says otherwise. */
export interface Access {
  /** Whether the settings have keys. */
  readonly hasSettingsKeys: boolean;
  /**
   * The principal of a key; null: it is unknown, revoked or expired. `remembered`: while the database is away, or does not
   * answer in time, a key that was good within the last minutes still is.
   */
  principalOfKey(text: string, options?: RecallOptions): Promise<Principal | null>;
  /** Whose key it is, to begin a session with it; null as above. */
  holderOfKey(text: string): Promise<Holder | null>;
  /** The session of a cookie; null: it is unknown, or has ended. `remembered` as with keys. */
  sessionOf(token: string, options?: RecallOptions): Promise<Session | null>;
  /** Whether any person is known, as it was at most a second ago; while the database is away, as last known. */
  hasUsers(): Promise<boolean>;
  /** Whether there is any key in force, or a person. */
  hasAnybody(): Promise<boolean>;
  /** Call after users or sessions were changed in this process. */
  forget(): void;
}

export interface AccessOptions {
  database: Database;
  clock: Clock;
  /** Plain, or `sha256:` and the hash of one in hex. */
  settingsKeys: readonly string[];
  /** How long a session may be unused. */
  sessionIdleMs: number;
}

const USERS_MS = 1_000;

interface FoundKey {
  principal: Principal;
  holder: Holder;
  expiresAt: Date | null;
}

export function createAccess(options: AccessOptions): Access {
  return new PostgresAccess(options);
}

class PostgresAccess implements Access {
  readonly #options: AccessOptions;
  readonly #settingsHashes: readonly Buffer[];
  #users: { known: boolean; atMs: number } | null = null;
  readonly #keys = new Remembered<FoundKey>();
  readonly #sessions = new Remembered<Session>();

  constructor(options: AccessOptions) {
    this.#options = options;
    this.#settingsHashes = options.settingsKeys.map(toHash);
  }

  get hasSettingsKeys(): boolean {
    return this.#settingsHashes.length > 0;
  }

  async principalOfKey(text: string, options: RecallOptions = {}): Promise<Principal | null> {
    return (await this.#findKey(text, options))?.principal ?? null;
  }

  async holderOfKey(text: string): Promise<Holder | null> {
    return (await this.#findKey(text, {}))?.holder ?? null;
  }

  async #findKey(text: string, options: RecallOptions): Promise<FoundKey | null> {
    const hash = sha256(text);
    if (this.#isSettingsKey(hash)) {
      return { principal: SETTINGS_KEY, holder: { settingsKey: hash }, expiresAt: null };
    }
    if (prefixOf(text) === null) return null;
    const { database, clock } = this.#options;
    const find = async (): Promise<FoundKey | null> => {
      const key = await findKey(database, text);
      if (key === null) return null;
      const { id, name, scopes, tags, expiresAt } = key;
      return { principal: { kind: 'key', name: `key:${name}`, scopes, tags }, holder: { keyId: id }, expiresAt };
    };
    const isOver = ({ expiresAt }: FoundKey) => expiresAt !== null && expiresAt.getTime() <= clock.wallMs();
    return this.#keys.through(text, clock.monotonicMs(), find, { ...options, isOver });
  }

  async sessionOf(token: string, recall: RecallOptions = {}): Promise<Session | null> {
    if (!isToken(token)) return null;
    const { database, clock, sessionIdleMs } = this.#options;
    const options = { idleMs: sessionIdleMs, isSettingsKey: (hash: Buffer) => this.#isSettingsKey(hash) };
    const find = () =>
      findSession(database, token, options).catch((error: unknown) => {
        if (isUndefinedTable(error)) return null;
        throw error;
      });
    return this.#sessions.through(token, clock.monotonicMs(), find, recall);
  }

  /** Compared in constant time, all of them. */
  #isSettingsKey(given: Buffer): boolean {
    let known = false;
    for (const hash of this.#settingsHashes) known = timingSafeEqual(hash, given) || known;
    return known;
  }

  async hasUsers(): Promise<boolean> {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#users !== null && nowMs - this.#users.atMs < USERS_MS) return this.#users.known;
    const last = this.#users;
    const asking = this.#askForUsers();
    return last === null ? asking : unlessAway(asking, last.known);
  }

  async #askForUsers(): Promise<boolean> {
    try {
      const known = (await countUsers(this.#options.database)) > 0;
      this.#users = { known, atMs: this.#options.clock.monotonicMs() };
      return this.#users.known;
    } catch (error) {
      // Nobody can be known where there are no tables yet.
      if (isUndefinedTable(error)) return false;
      throw error;
    }
  }

  async hasAnybody(): Promise<boolean> {
    return this.hasSettingsKeys || hasPrincipals(this.#options.database);
  }

  forget(): void {
    this.#users = null;
    this.#sessions.forget();
  }
}

/** Whether the database has a key in force, or a person. */
export async function hasPrincipals(database: Database): Promise<boolean> {
  try {
    return (await countUsers(database)) > 0 || (await countKeys(database)) > 0;
  } catch (error) {
    if (isUndefinedTable(error)) return false;
    throw error;
  }
}

const isUndefinedTable = (error: unknown): boolean => (error as { code?: unknown } | null)?.code === '42P01';

function toHash(key: string): Buffer {
  const hex = /^sha256:([0-9a-f]{64})$/i.exec(key)?.[1];
  return hex === undefined ? sha256(key) : Buffer.from(hex, 'hex');
}
