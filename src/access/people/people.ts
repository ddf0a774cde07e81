import type { Clock } from '../../core/clock.ts';
import { VedetteError } from '../../errors.ts';
import type { Database } from '../../postgres/database.ts';
import { type Actor, writeAudit } from '../audit.ts';
import type { Rights } from '../rights.ts';
import { beginAttempt } from '../sessions/attempts.ts';
import {
  type Browser,
  createSession,
  endOwnSessions,
  endSessionsOf,
  listSessions,
  type Session,
  type StoredSession,
} from '../sessions/session-store.ts';
import { failed, type SignedIn, settle } from '../sessions/sign-in.ts';
import { readEmail } from './email.ts';
import { checkPassword } from './password-rules.ts';
import type { PasswordHasher } from './passwords.ts';
import { confirm, disable, enrol } from './second-factor.ts';
import {
  type AddUserOptions,
  addUser,
  changeUser,
  findUser,
  listUsers,
  passwordChanged,
  removeUser,
  type StoredUser,
  type UserChange,
  type WhichUser,
} from './user-store.ts';

/** The people who may sign in: what administrators do with them, and each with themselves. Every change is audited. */
export interface People {
  /** Throws VED_USER_EXISTS, VED_VALIDATION. */
  add(
    actor: Actor,
    user: { email: string; name: string | null; rights: Rights; password: string | null },
    options?: AddUserOptions,
  ): Promise<StoredUser>;
  list(): Promise<StoredUser[]>;
  /** Throws VED_USER_NOT_FOUND, VED_LAST_ADMIN, VED_VALIDATION. */
  change(actor: Actor, which: WhichUser, change: UserChange): Promise<StoredUser>;
  /** Throws VED_USER_NOT_FOUND, VED_LAST_ADMIN. */
  remove(actor: Actor, which: WhichUser): Promise<StoredUser>;

  /** Throws VED_USER_NOT_FOUND. */
  get(userId: number): Promise<StoredUser>;
  /** Ends all sessions of the user, and begins a new one. Throws VED_SIGN_IN_FAILED, VED_RATE_LIMITED, VED_VALIDATION. */
  changeOwnPassword(self: Self, current: string, next: string): Promise<SignedIn>;
  /** The password is asked again, as for the others. Throws VED_SIGN_IN_FAILED, VED_RATE_LIMITED. */
  enrolTwoFactor(self: Self, password: string): Promise<{ secret: string; uri: string }>;
  /** Returns recovery codes this once. Throws VED_VALIDATION. */
  confirmTwoFactor(self: Self, code: string): Promise<string[]>;
  disableTwoFactor(self: Self, password: string): Promise<void>;
  sessions(userId: number): Promise<StoredSession[]>;
  /** One, or all but the present one. Throws VED_SESSION_NOT_FOUND. */
  endSessions(self: Self, id: number | 'others'): Promise<void>;
}

/** Somebody who is signed in. */
export interface Self extends Browser {
  userId: number;
  sessionId: Session['id'];
}

export interface PeopleOptions {
  database: Database;
  clock: Clock;
  hasher: PasswordHasher;
  /** Whether the last administrator may go: there is another way to everything. */
  mayLoseAdmins: boolean;
  sessions: { idleMs: number; lifetimeMs: number };
  /** Called after a change of users or sessions. */
  onChange: () => void;
}

export function createPeople(options: PeopleOptions): People {
  const { database, clock, hasher, sessions, onChange } = options;
  const force = { force: options.mayLoseAdmins };

  async function hashNew(password: string, email: string): Promise<string> {
    checkPassword(password, email);
    return hasher.hash(password);
  }

  /** Whoever finds an open browser does not know the password. */
  async function confirmSelf({ userId, address }: Self, password: string): Promise<StoredUser> {
    const user = await findUser(database, { id: userId });
    if (!user.hasPassword)
      throw new VedetteError('VED_VALIDATION', `${user.email} signs in by ${user.provider}, without a password`);
    const attempt = await beginAttempt(database, user.email, address);
    return settle(attempt, async () => {
      const { rows } = await database.query<{ password: string }>('SELECT password FROM users WHERE id = $1', [userId]);
      if (!(await hasher.verify(password, rows[0]?.password ?? null))) throw failed('The password is wrong');
      await attempt.succeed();
      return user;
    });
  }

  return {
    async add(actor, { password, ...user }, options) {
      const email = readEmail(user.email);
      const hash = password === null ? null : await hashNew(password, email);
      const added = await addUser(database, actor, { ...user, email, password: hash }, options);
      onChange();
      return added;
    },
    list: () => listUsers(database),
    async change(actor, which, { password, ...change }) {
      const { email } = await findUser(database, which);
      const hash = password === undefined ? undefined : await hashNew(password, email);
      const changed = await changeUser(database, actor, which, { ...change, password: hash }, force);
      onChange();
      return changed;
    },
    async remove(actor, which) {
      const removed = await removeUser(database, actor, which, force);
      onChange();
      return removed;
    },

    get: (userId) => findUser(database, { id: userId }),
    async changeOwnPassword(self, current, next) {
      const user = await confirmSelf(self, current);
      const hash = await hashNew(next, user.email);
      const begun = await database.transaction(async (tx) => {
        await tx.query('UPDATE users SET password = $2 WHERE id = $1', [user.id, hash]);
        await writeAudit(tx, actorOf(user, self), [passwordChanged(user)]);
        await endSessionsOf(tx, user.id);
        const { lifetimeMs } = sessions;
        return createSession(tx, { ...self, holder: { userId: user.id }, lifetimeMs });
      });
      onChange();
      return { ...begun, waitsForCode: false };
    },
    async enrolTwoFactor(self, password) {
      await confirmSelf(self, password);
      return enrol(database, self.userId);
    },
    async confirmTwoFactor(self, code) {
      const user = await findUser(database, { id: self.userId });
      return confirm(database, clock, actorOf(user, self), user.id, code);
    },
    async disableTwoFactor(self, password) {
      const user = await confirmSelf(self, password);
      await disable(database, actorOf(user, self), user.id);
    },
    sessions: (userId) => listSessions(database, userId, sessions.idleMs),
    async endSessions({ userId, sessionId }, id) {
      const which = id === 'others' ? { allBut: sessionId } : { id };
      const ended = await endOwnSessions(database, userId, which);
      onChange();
      if (ended === 0 && id !== 'others') {
        throw new VedetteError('VED_SESSION_NOT_FOUND', `You have no session ${id}`);
      }
    },
  };
}

const actorOf = ({ email }: StoredUser, { address }: Self): Actor => ({ name: `user:${email}`, address });
