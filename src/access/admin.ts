import type { Database } from '../postgres/database.ts';
import { type Actor, type AuditQuery, readAudit, type StoredAuditEntry } from './audit.ts';
import type { Within } from './idempotency.ts';
import { addKey, listKeys, type MadeKey, type NewKey, revokeKey, type StoredKey } from './keys/key-store.ts';

/** Keys as administrators make and end them, and the audit. Each change notes itself in the audit, in its transaction. */
export interface AccessAdmin {
  /** Returns the text of the key this once. Throws VED_KEY_EXISTS. */
  addKey(actor: Actor, key: NewKey, within?: Within<MadeKey>): Promise<MadeKey>;
  /** Keys that were not revoked, by id. */
  listKeys(): Promise<StoredKey[]>;
  /** Ends a key at once. Throws VED_KEY_NOT_FOUND. */
  revokeKey(actor: Actor, id: number): Promise<StoredKey>;
  /** Newest first. */
  audit(query: AuditQuery): Promise<StoredAuditEntry[]>;
}

export function createAccessAdmin(database: Database): AccessAdmin {
  return {
    addKey: (actor, key, within) => addKey(database, actor, key, within),
    listKeys: () => listKeys(database),
    revokeKey: (actor, id) => revokeKey(database, actor, { id }),
    audit: (query) => readAudit(database, query),
  };
}
