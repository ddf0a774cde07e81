import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Queryable, Transaction } from '../../postgres/database.ts';
import { sha256 } from '../keys/key-text.ts';
import type { Principal } from '../principal.ts';
import { SETTINGS_KEY } from '../principal.ts';
import type { Scope } from '../scopes.ts';

/** A signed-in browser. */
export interface Session {
  id: number;
  principal: Principal;
  /** null: it was begun with a key. */
  userId: number | null;
  endsAt: Date;
}

/** On whose behalf a session is: a person, a key, or the SHA-256 of a key of the settings. */
export type Holder = { userId: number } | { keyId: number } | { settingsKey: Buffer };

/** Where a browser is, for the list of its owner. */
export interface Browser {
  address: string;
  userAgent: string | null;
}

export interface NewSession extends Browser {
  holder: Holder;
  lifetimeMs: number;
  /** The code of the second factor is still to come. */
  waitsForCode?: boolean;
}

/** A session as its owner sees it. */
export interface StoredSession {
  id: number;
  createdAt: Date;
  /** To the minute. */
  seenAt: Date;
  endsAt: Date;
  address: string | null;
  userAgent: string | null;
}

const TOKEN_FORM = /^[A-Za-z0-9_-]{43}$/;
const MAX_USER_AGENT = 300;

export const isToken = (text: string): boolean => TOKEN_FORM.test(text);
export const createToken = (): string => randomBytes(32).toString('base64url');

/** What a form or a header of a page must carry, so that a change is known to come from a page of ours. */
export function csrfTokenOf(token: string): string {
  return createHmac('sha256', token).update('csrf').digest('base64url');
}

export function isCsrfTokenOf(token: string, given: unknown): boolean {
  return typeof given === 'string' && timingSafeEqual(sha256(given), sha256(csrfTokenOf(token)));
}

/** Returns the token for the cookie; only its hash is stored. */
export async function createSession(tx: Queryable, session: NewSession): Promise<{ token: string; endsAt: Date }> {
  const token = createToken();
  const { holder, lifetimeMs, waitsForCode = false, address, userAgent } = session;
  const { rows } = await tx.query<{ endsAt: Date }>(
    `INSERT INTO sessions (hash, user_id, key_id, settings_key, ends_at, waits_for_code, address, user_agent)
     VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5), $6, $7, $8) RETURNING ends_at AS "endsAt"`,
    [
      sha256(token),
      'userId' in holder ? holder.userId : null,
      'keyId' in holder ? holder.keyId : null,
      'settingsKey' in holder ? holder.settingsKey : null,
      ...[lifetimeMs / 1_000, waitsForCode, address, userAgent?.slice(0, MAX_USER_AGENT) ?? null],
    ],
  );
  return { token, endsAt: (rows[0] as { endsAt: Date }).endsAt };
}

interface FoundRow {
  id: number;
  userId: number | null;
  settingsKey: Buffer | null;
  endsAt: Date;
  isSeenOld: boolean;
  email: string | null;
  keyName: string | null;
  scopes: Scope[] | null;
  tags: string[] | null;
}

/** `isSettingsKey`: whether the settings still have the key of this SHA-256. */
export async function findSession(
  database: Queryable,
  token: string,
  { idleMs, isSettingsKey }: { idleMs: number; isSettingsKey: (hash: Buffer) => boolean },
): Promise<Session | null> {
  const { rows } = await database.query<FoundRow>(
    `SELECT s.id, s.user_id AS "userId", s.settings_key AS "settingsKey", s.ends_at AS "endsAt", u.email,
       k.name AS "keyName", coalesce(u.scopes, k.scopes) AS scopes, coalesce(u.tags, k.tags) AS tags,
       s.seen_at < now() - interval '1 minute' AS "isSeenOld"
     FROM sessions s LEFT JOIN users u ON u.id = s.user_id LEFT JOIN api_keys k ON k.id = s.key_id
     WHERE s.hash = $1 AND s.ends_at > now() AND s.seen_at > now() - make_interval(secs => $2) AND NOT s.waits_for_code
       AND u.disabled_at IS NULL AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())`,
    [sha256(token), idleMs / 1_000],
    { prepared: true },
  );
  const [found] = rows;
  if (!found || (found.settingsKey !== null && !isSettingsKey(found.settingsKey))) return null;
  if (found.isSeenOld) await database.query('UPDATE sessions SET seen_at = now() WHERE id = $1', [found.id]);
  const { id, userId, endsAt } = found;
  return { id, userId, endsAt, principal: principalOf(found) };
}

function principalOf({ email, keyName, scopes, tags }: FoundRow): Principal {
  if (scopes === null) return SETTINGS_KEY;
  return email === null
    ? { kind: 'key', name: `key:${keyName}`, scopes, tags }
    : { kind: 'user', name: `user:${email}`, scopes, tags };
}

/** The person whose password was right, and whose code is still to come; null: nobody waits. */
export async function findWaiting(database: Queryable, token: string): Promise<number | null> {
  const { rows } = await database.query<{ userId: number }>(
    'SELECT user_id AS "userId" FROM sessions WHERE hash = $1 AND waits_for_code AND ends_at > now()',
    [sha256(token)],
  );
  return rows[0]?.userId ?? null;
}

export async function endSession(database: Queryable, token: string): Promise<void> {
  await database.query('DELETE FROM sessions WHERE hash = $1', [sha256(token)]);
}

export async function endSessionsOf(tx: Transaction, userId: number): Promise<void> {
  await tx.query('DELETE FROM sessions WHERE user_id = $1', [userId]);
}

/** Ends one of them, or all but one. Returns how many there were. */
export async function endOwnSessions(
  database: Queryable,
  userId: number,
  which: { id: number } | { allBut: number },
): Promise<number> {
  const [condition, id] = 'id' in which ? ['id = $2', which.id] : ['id <> $2', which.allBut];
  return (await database.query(`DELETE FROM sessions WHERE user_id = $1 AND ${condition}`, [userId, id])).rowCount;
}

/** Newest first. */
export async function listSessions(database: Queryable, userId: number, idleMs: number): Promise<StoredSession[]> {
  const { rows } = await database.query<StoredSession>(
    `SELECT id, created_at AS "createdAt", seen_at AS "seenAt", ends_at AS "endsAt", address, user_agent AS "userAgent"
     FROM sessions WHERE user_id = $1 AND ends_at > now() AND seen_at > now() - make_interval(secs => $2)
       AND NOT waits_for_code
     ORDER BY id DESC`,
    [userId, idleMs / 1_000],
  );
  return rows;
}
