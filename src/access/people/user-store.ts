import { VedetteError } from '../../errors.ts';
import type { Database, Queryable, Transaction } from '../../postgres/database.ts';
import { type Actor, writeAudit } from '../audit.ts';
import type { Within } from '../idempotency.ts';
import type { Rights } from '../rights.ts';
import { hasScope, type Scope } from '../scopes.ts';
import { endSessionsOf } from '../sessions/session-store.ts';

/** A person as others may see them. */
export interface StoredUser {
  id: number;
  email: string;
  name: string | null;
  scopes: Scope[];
  /** null: all jobs. */
  tags: string[] | null;
  hasPassword: boolean;
  hasTwoFactor: boolean;
  /** Issuer of the OpenID provider that they are linked to. */
  provider: string | null;
  createdAt: Date;
  createdBy: string;
  lastSignInAt: Date | null;
  disabledAt: Date | null;
}

export interface NewUser {
  /** As `readEmail` returns it. */
  email: string;
  name: string | null;
  rights: Rights;
  /** Hashed; null: signs in by a provider only. */
  password: string | null;
  /** Of a provider. */
  subject?: { issuer: string; subject: string };
}

export interface UserChange {
  name?: string | null | undefined;
  rights?: Rights | undefined;
  /** Hashed. */
  password?: string | undefined;
  isDisabled?: boolean | undefined;
  /** Takes the second factor away, for somebody who lost it. */
  twoFactor?: false | undefined;
}

export type WhichUser = { id: number } | { email: string };

export const USER_COLUMNS = `id, email, name, scopes, tags, password IS NOT NULL AS "hasPassword",
  totp_secret IS NOT NULL AS "hasTwoFactor", oidc_issuer AS provider, created_at AS "createdAt",
  created_by AS "createdBy", last_sign_in_at AS "lastSignInAt", disabled_at AS "disabledAt"`;

export interface AddUserOptions {
  /** Only while there is nobody. */
  onlyFirst?: boolean;
  within?: Within<StoredUser> | undefined;
}

/** Throws VED_USER_EXISTS; with `onlyFirst` also when there is any user. */
export function addUser(
  database: Database,
  actor: Actor,
  user: NewUser,
  { onlyFirst = false, within }: AddUserOptions = {},
): Promise<StoredUser> {
  const make = async (tx: Transaction): Promise<StoredUser> => {
    if (onlyFirst) {
      await lockUsers(tx);
      const { rowCount } = await tx.query('SELECT FROM users LIMIT 1');
      if (rowCount > 0) throw new VedetteError('VED_USER_EXISTS', 'There is a user already; sign in');
    }
    const { email, name, rights, password, subject } = user;
    const { rows } = await tx.query<StoredUser>(
      `INSERT INTO users (email, name, scopes, tags, password, oidc_issuer, oidc_subject, created_by)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (email) DO NOTHING RETURNING ${USER_COLUMNS}`,
      [email, name, rights.scopes, rights.tags, password, subject?.issuer, subject?.subject, actor.name],
    );
    const [stored] = rows;
    if (!stored) throw new VedetteError('VED_USER_EXISTS', `There is a user ${email} already`);
    await writeAudit(tx, actor, [
      { action: 'user.add', subject: subjectOf(stored), before: null, after: shown(stored) },
    ]);
    return stored;
  };
  return database.transaction((tx) => (within ? within(tx, () => make(tx)) : make(tx)));
}

/** By e-mail address. */
export async function listUsers(database: Queryable): Promise<StoredUser[]> {
  const { rows } = await database.query<StoredUser>(`SELECT ${USER_COLUMNS} FROM users ORDER BY email`);
  return rows;
}

/** How many may sign in. */
export async function countUsers(database: Queryable): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    'SELECT count(*)::integer AS count FROM users WHERE disabled_at IS NULL',
    [],
    { prepared: true },
  );
  return rows[0]?.count ?? 0;
}

/** Throws VED_USER_NOT_FOUND. */
export async function findUser(database: Queryable, which: WhichUser): Promise<StoredUser> {
  const [column, value] = keyOf(which);
  const { rows } = await database.query<StoredUser>(`SELECT ${USER_COLUMNS} FROM users WHERE ${column} = $1`, [value]);
  const [user] = rows;
  if (!user) throw new VedetteError('VED_USER_NOT_FOUND', `There is no user ${JSON.stringify(value)}`);
  return user;
}

/** Somebody of an OpenID provider; null: not known yet. */
export async function findUserOfProvider(
  database: Queryable,
  { issuer, subject }: { issuer: string; subject: string },
): Promise<StoredUser | null> {
  const { rows } = await database.query<StoredUser>(
    `SELECT ${USER_COLUMNS} FROM users WHERE oidc_issuer = $1 AND oidc_subject = $2`,
    [issuer, subject],
  );
  return rows[0] ?? null;
}

/**
 * A change of password, rights or the second factor, and being disabled, ends the sessions of the user. Throws
 * VED_USER_NOT_FOUND, and VED_LAST_ADMIN unless `force`.
 */
export function changeUser(
  database: Database,
  actor: Actor,
  which: WhichUser,
  change: UserChange,
  { force = false } = {},
): Promise<StoredUser> {
  return database.transaction(async (tx) => {
    await lockUsers(tx);
    const before = await findUser(tx, which);
    const { name = before.name, rights = before, password, isDisabled, twoFactor } = change;
    const isEnabled = isDisabled === undefined ? before.disabledAt === null : !isDisabled;
    if (!force && !(isEnabled && hasScope(rights.scopes, 'admin'))) await keepAnAdmin(tx, before);
    const { rows } = await tx.query<StoredUser>(
      `UPDATE users SET name = $2, scopes = $3, tags = $4, password = coalesce($5, password),
         disabled_at = CASE WHEN $6 THEN NULL ELSE coalesce(disabled_at, now()) END,
         totp_secret = CASE WHEN $7 THEN totp_secret END, totp_pending = CASE WHEN $7 THEN totp_pending END,
         recovery_codes = CASE WHEN $7 THEN recovery_codes ELSE '{}' END
       WHERE id = $1 RETURNING ${USER_COLUMNS}`,
      [before.id, name, rights.scopes, rights.tags, password ?? null, isEnabled, twoFactor !== false],
    );
    const after = rows[0] as StoredUser;
    const [was, is] = [shown(before), shown(after)];
    const isChanged = JSON.stringify(was) !== JSON.stringify(is);
    await writeAudit(tx, actor, [
      ...(isChanged ? [{ action: 'user.update', subject: subjectOf(after), before: was, after: is }] : []),
      ...(password === undefined ? [] : [passwordChanged(after)]),
    ]);
    const { name: _was, ...wasRight } = was;
    const { name: _is, ...isRight } = is;
    if (password !== undefined || JSON.stringify(wasRight) !== JSON.stringify(isRight))
      await endSessionsOf(tx, after.id);
    return after;
  });
}

/** Throws VED_USER_NOT_FOUND, and VED_LAST_ADMIN unless `force`. */
export function removeUser(
  database: Database,
  actor: Actor,
  which: WhichUser,
  { force = false } = {},
): Promise<StoredUser> {
  return database.transaction(async (tx) => {
    await lockUsers(tx);
    const user = await findUser(tx, which);
    if (!force) await keepAnAdmin(tx, user);
    await tx.query('DELETE FROM users WHERE id = $1', [user.id]);
    await writeAudit(tx, actor, [
      { action: 'user.remove', subject: subjectOf(user), before: shown(user), after: null },
    ]);
    return user;
  });
}

export const passwordChanged = ({ email }: Pick<StoredUser, 'email'>) => {
  return { action: 'user.password', subject: subjectOf({ email }), before: null, after: null };
};

export const subjectOf = ({ email }: Pick<StoredUser, 'email'>): string => `user:${email}`;

/** Two administrators must not remove each other at the same time. */
async function lockUsers(tx: Transaction): Promise<void> {
  await tx.query('LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE');
}

async function keepAnAdmin(tx: Transaction, user: StoredUser): Promise<void> {
  if (user.disabledAt !== null || !hasScope(user.scopes, 'admin')) return;
  const { rowCount } = await tx.query(
    "SELECT FROM users WHERE disabled_at IS NULL AND 'admin' = ANY (scopes) AND id <> $1",
    [user.id],
  );
  if (rowCount > 0) return;
  const text = `${user.email} is the last administrator: give another user the role admin first, or do it with \`vedette users\` and --force`;
  throw new VedetteError('VED_LAST_ADMIN', text);
}

/** As the audit shows it. */
function shown({ email, name, scopes, tags, hasTwoFactor, provider, disabledAt }: StoredUser) {
  return { email, name, scopes, tags, two_factor: hasTwoFactor, provider, disabled: disabledAt !== null };
}

function keyOf(which: WhichUser): ['id' | 'email', number | string] {
  return 'id' in which ? ['id', which.id] : ['email', which.email];
}
