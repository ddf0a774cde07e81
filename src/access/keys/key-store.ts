import { timingSafeEqual } from 'node:crypto';
import { firstOf } from '../../core/first-of.ts';
import { VedetteError } from '../../errors.ts';
import type { Database, Queryable } from '../../postgres/database.ts';
import { type Actor, writeAudit } from '../audit.ts';
import type { Within } from '../idempotency.ts';
import type { Scope } from '../scopes.ts';
import { createKeyText, prefixOf, sha256 } from './key-text.ts';

/** A key as it is known after it was shown. */
export interface StoredKey {
  id: number;
  name: string;
  /** The beginning of the key. */
  prefix: string;
  scopes: Scope[];
  /** null: all jobs. */
  tags: string[] | null;
  createdAt: Date;
  createdBy: string;
  expiresAt: Date | null;
  /** To the minute. */
  lastUsedAt: Date | null;
}

/** A key at the one time its text is known. */
export interface MadeKey {
  text: string;
  key: StoredKey;
}

export interface NewKey {
  name: string;
  scopes: readonly Scope[];
  tags: readonly string[] | null;
  expiresAt: Date | null;
}

const COLUMNS = `id, name, prefix, scopes, tags, created_at AS "createdAt", created_by AS "createdBy",
  expires_at AS "expiresAt", last_used_at AS "lastUsedAt"`;

/** Makes a key. Its text is returned this once. Throws VED_KEY_EXISTS for a name in use. */
export function addKey(database: Database, actor: Actor, key: NewKey, within?: Within<MadeKey>): Promise<MadeKey> {
  const text = createKeyText();
  const make = async (tx: Queryable): Promise<MadeKey> => {
    const { rows } = await tx.query<StoredKey>(
      `INSERT INTO api_keys (name, prefix, hash, scopes, tags, expires_at, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7)
       ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING RETURNING ${COLUMNS}`,
      [key.name, prefixOf(text), sha256(text), key.scopes, key.tags, key.expiresAt, actor.name],
    );
    const [stored] = rows;
    if (!stored) {
      const problem = { path: 'name', given: key.name, accepted: 'a name that no key has' };
      throw new VedetteError('VED_KEY_EXISTS', `There is a key ${JSON.stringify(key.name)} already`, {
        problems: [problem],
      });
    }
    await writeAudit(tx, actor, [
      { action: 'key.add', subject: subjectOf(stored), before: null, after: shown(stored) },
    ]);
    return { text, key: stored };
  };
  return database.transaction((tx) => (within ? within(tx, () => make(tx)) : make(tx)));
}

/** Keys that were not revoked, expired ones included, by id. */
export async function listKeys(database: Queryable): Promise<StoredKey[]> {
  const { rows } = await database.query<StoredKey>(
    `SELECT ${COLUMNS} FROM api_keys WHERE revoked_at IS NULL ORDER BY id`,
  );
  return rows;
}

/** Ends a key at once, by its id or its name. Throws VED_KEY_NOT_FOUND. */
export function revokeKey(
  database: Database,
  actor: Actor,
  which: { id: number } | { name: string },
): Promise<StoredKey> {
  const [column, value] = 'id' in which ? ['id', which.id] : ['name', which.name];
  return database.transaction(async (tx) => {
    const { rows } = await tx.query<StoredKey>(
      `UPDATE api_keys SET revoked_at = now() WHERE ${column} = $1 AND revoked_at IS NULL RETURNING ${COLUMNS}`,
      [value],
    );
    const [stored] = rows;
    if (!stored) throw new VedetteError('VED_KEY_NOT_FOUND', `There is no key ${JSON.stringify(value)}`);
    await writeAudit(tx, actor, [
      { action: 'key.revoke', subject: subjectOf(stored), before: shown(stored), after: null },
    ]);
    return stored;
  });
}

/** The key of this text; null: unknown, revoked or expired. Notes its use, at most once a minute. */
export async function findKey(database: Queryable, text: string): Promise<StoredKey | null> {
  const prefix = prefixOf(text);
  if (prefix === null) return null;
  const { rows } = await database.query<StoredKey & { hash: Buffer; isUseOld: boolean }>(
    `SELECT ${COLUMNS}, hash, coalesce(last_used_at < now() - interval '1 minute', true) AS "isUseOld" FROM api_keys
     WHERE prefix = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`,
    [prefix],
    { prepared: true },
  );
  const [found] = rows;
  if (!found || !timingSafeEqual(found.hash, sha256(text))) return null;
  const { hash: _hash, isUseOld, ...key } = found;
  if (isUseOld) await database.query('UPDATE api_keys SET last_used_at = now() WHERE id = $1', [key.id]);
  return key;
}

/** How many keys are in force. */
export async function countKeys(database: Queryable): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    `SELECT count(*)::integer AS count FROM api_keys
     WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`,
  );
  return firstOf(rows).count;
}

const subjectOf = ({ name }: StoredKey): string => `key:${name}`;

function shown({ name, prefix, scopes, tags, expiresAt }: StoredKey): Record<string, unknown> {
  return { name, prefix, scopes, tags, expires_at: expiresAt?.toISOString() ?? null };
}
