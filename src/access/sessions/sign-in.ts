import type { Clock } from '../../core/clock.ts';
import { VedetteError } from '../../errors.ts';
import type { Database, Transaction } from '../../postgres/database.ts';
import type { Access } from '../access.ts';
import { type Actor, writeAudit } from '../audit.ts';
import { isOutdated, type PasswordHasher } from '../people/passwords.ts';
import { useCode } from '../people/second-factor.ts';
import { subjectOf } from '../people/user-store.ts';
import { type Attempt, beginAttempt } from './attempts.ts';
import { type Browser, createSession, endSession, findWaiting, type Holder } from './session-store.ts';

/** Begins and ends sessions of browsers. A new one always has a new token, and the one before it ends. */
export interface SignIn {
  /**
   * Throws VED_SIGN_IN_FAILED, VED_RATE_LIMITED (TooManyAttempts), and VED_CODE_NEEDED where the second factor is missing;
   * with `mayWait` it then returns a session that waits for it.
   */
  withPassword(from: Visitor, given: Credentials, options?: { mayWait?: boolean }): Promise<SignedIn>;
  /** The second step of a session that waits: `from.previous` is its token. Throws VED_SIGN_IN_FAILED, VED_RATE_LIMITED. */
  withCode(from: Visitor, code: string): Promise<SignedIn>;
  /** Whether the browser has a session that waits for a code. */
  isWaiting(from: Visitor): Promise<boolean>;
  /** A key of the API or of the settings. Throws VED_SIGN_IN_FAILED, VED_RATE_LIMITED. */
  withKey(from: Visitor, key: string): Promise<SignedIn>;
  /** Somebody whom a provider vouches for. Throws VED_SIGN_IN_FAILED. */
  withUser(from: Visitor, userId: number): Promise<SignedIn>;
  /** Idempotent. */
  end(token: string): Promise<void>;
}

export interface Visitor extends Browser {
  /** Token of the session that the browser has already. */
  previous: string | null;
}

interface Credentials {
  email: string;
  password: string;
  code?: string | undefined;
}

export interface SignedIn {
  /** For the cookie. */
  token: string;
  endsAt: Date;
  /** Nobody is signed in before the code of the second factor has come. */
  waitsForCode: boolean;
}

export interface SignInOptions {
  database: Database;
  clock: Clock;
  access: Pick<Access, 'holderOfKey' | 'forget'>;
  hasher: PasswordHasher;
  /** After this time a session ends, used or not. */
  lifetimeMs: number;
}

/** How long the code may take. */
const WAIT_MS = 300_000;

interface Account {
  id: number;
  email: string;
  password: string | null;
  isDisabled: boolean;
  hasTwoFactor: boolean;
}

export function createSignIn({ database, clock, access, hasher, lifetimeMs }: SignInOptions): SignIn {
  async function findAccount(column: 'id' | 'email', value: number | string): Promise<Account | null> {
    const { rows } = await database.query<Account>(
      `SELECT id, email, password, disabled_at IS NOT NULL AS "isDisabled", totp_secret IS NOT NULL AS "hasTwoFactor"
       FROM users WHERE ${column} = $1`,
      [value],
    );
    return rows[0] ?? null;
  }

  function start(from: Visitor, holder: Holder, note: (tx: Transaction) => Promise<void>): Promise<SignedIn> {
    return database.transaction(async (tx) => {
      await note(tx);
      if (from.previous !== null) await endSession(tx, from.previous);
      return { ...(await createSession(tx, { ...from, holder, lifetimeMs })), waitsForCode: false };
    });
  }

  /** An account that was changed since it was read is not signed in to: its sessions have just been ended. */
  function startFor(from: Visitor, account: Account): Promise<SignedIn> {
    return start(from, { userId: account.id }, async (tx) => {
      const { rowCount } = await tx.query(
        `UPDATE users SET last_sign_in_at = now()
         WHERE id = $1 AND disabled_at IS NULL AND password IS NOT DISTINCT FROM $2`,
        [account.id, account.password],
      );
      if (rowCount === 0) throw failed();
      const subject = subjectOf(account);
      await writeAudit(tx, actorAt(from, subject), [{ action: 'session.start', subject, before: null, after: null }]);
    });
  }

  async function wait(from: Visitor, account: Account): Promise<SignedIn> {
    const session = { ...from, holder: { userId: account.id }, lifetimeMs: WAIT_MS, waitsForCode: true };
    if (from.previous !== null) await endSession(database, from.previous);
    return { ...(await createSession(database, session)), waitsForCode: true };
  }

  async function checkPassword({ email, password }: Credentials): Promise<Account> {
    const account = await findAccount('email', email);
    const isRight = await hasher.verify(password, account?.password ?? null);
    if (account === null || !isRight || account.isDisabled) throw failed();
    return account;
  }

  async function renewHash(account: Account, password: string): Promise<Account> {
    if (account.password === null || !isOutdated(account.password)) return account;
    const renewed = await hasher.hash(password);
    const { rowCount } = await database.query('UPDATE users SET password = $2 WHERE id = $1 AND password = $3', [
      ...[account.id, renewed, account.password],
    ]);
    return rowCount === 0 ? account : { ...account, password: renewed };
  }

  return {
    async withPassword(from, given, { mayWait = false } = {}) {
      const email = given.email.trim().normalize('NFC').toLowerCase();
      const attempt = await beginAttempt(database, email, from.address);
      return settle(attempt, async () => {
        const account = await renewHash(await checkPassword({ ...given, email }), given.password);
        if (account.hasTwoFactor && given.code === undefined) {
          await attempt.undo();
          if (mayWait) return wait(from, account);
          throw new VedetteError(
            'VED_CODE_NEEDED',
            'The password is right; a code of the second factor is needed, too',
          );
        }
        const isRight = account.hasTwoFactor ? await useCode(database, clock, account.id, given.code ?? '') : true;
        if (isRight === false) throw failed();
        await attempt.succeed();
        return startFor(from, account);
      });
    },
    async withCode(from, code) {
      const userId = from.previous === null ? null : await findWaiting(database, from.previous);
      const account = userId === null ? null : await findAccount('id', userId);
      if (account === null) throw failed('The sign-in took too long; begin again');
      const attempt = await beginAttempt(database, account.email, from.address);
      return settle(attempt, async () => {
        if ((await useCode(database, clock, account.id, code)) !== true) throw failed('The code is wrong, or was used');
        await attempt.succeed();
        return startFor(from, account);
      });
    },
    isWaiting: async ({ previous }) => previous !== null && (await findWaiting(database, previous)) !== null,
    async withKey(from, key) {
      const attempt = await beginAttempt(database, null, from.address);
      return settle(attempt, async () => {
        const holder = await access.holderOfKey(key);
        if (holder === null) throw failed('The key is not known here, or has expired');
        await attempt.succeed();
        return start(from, holder, async () => {});
      });
    },
    async withUser(from, userId) {
      const account = await findAccount('id', userId);
      if (account === null || account.isDisabled) throw failed('This user may not sign in here');
      return startFor(from, account);
    },
    async end(token) {
      await endSession(database, token);
      access.forget();
    },
  };
}

/** What is neither right nor wrong, such as a database that goes away, is no failure of the person. */
export async function settle<T>(attempt: Attempt, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isTheirs = error instanceof VedetteError && ['VED_SIGN_IN_FAILED', 'VED_CODE_NEEDED'].includes(error.code);
    // The error itself is what matters.
    if (!isTheirs) await attempt.undo().catch(() => undefined);
    throw error;
  }
}

/** One text for an account that is not there, a password that is wrong and a user who is disabled. */
export function failed(text = 'The e-mail address, the password or the code is wrong'): VedetteError {
  return new VedetteError('VED_SIGN_IN_FAILED', text);
}

const actorAt = ({ address }: Visitor, name: string): Actor => ({ name, address });
