import { firstOf } from '../core/first-of.ts';
import type { Database, Queryable } from '../postgres/database.ts';

/** How long an answer is remembered. */
export const IDEMPOTENCY_HOURS = 24;

/** A request that may be sent again. */
export interface IdempotentRequest {
  /** Who sent it, as the audit names it. */
  actor: string;
  /** Its Idempotency-Key. */
  key: string;
  /** SHA-256 of all that makes it this request. */
  fingerprint: Buffer;
}

export interface RememberedAnswer {
  status: number;
  /** By names in lower case. */
  headers: Readonly<Record<string, string>>;
  body: string;
}

/** What is known of the first request with a key. `another`: it was not the same request. */
export type FirstRequest = { state: 'answered'; answer: RememberedAnswer } | { state: 'another' | 'under way' };

/** Runs `work`, which makes a change in the transaction `tx`, and does in it whatever belongs to the change. */
export type Within<T> = (tx: Queryable, work: () => Promise<T>) => Promise<T>;

/**
 * Answers to requests with an Idempotency-Key, for a day. An answer is committed with the change that it tells of, and
 * neither is there without the other. So a request that was refused, or whose process died, has left its key free.
 */
export interface Idempotency {
  /** Returns what was answered with the key; null: nothing. */
  find(request: IdempotentRequest): Promise<FirstRequest | null>;
  /** Remembers what `toAnswer` makes of the change. Throws KeyTakenError in place of a change. */
  within<T>(request: IdempotentRequest, toAnswer: (made: T) => RememberedAnswer): Within<T>;
}

/** There is a first request with the key already. */
export class KeyTakenError extends Error {
  readonly first: FirstRequest;

  constructor(first: FirstRequest) {
    super('The Idempotency-Key is taken');
    this.name = 'KeyTakenError';
    this.first = first;
  }
}

export function createIdempotency(database: Database): Idempotency {
  return {
    find: (request) => findFirst(database, request),
    within: (request, toAnswer) => async (tx, work) => {
      if (!(await lockKey(tx, request))) throw new KeyTakenError({ state: 'under way' });
      const first = await findFirst(tx, request);
      if (first !== null) throw new KeyTakenError(first);
      const made = await work();
      await remember(tx, request, toAnswer(made));
      return made;
    },
  };
}

/** PostgreSQL unlocks it when the transaction ends, also by the death of the process. */
async function lockKey(tx: Queryable, { actor, key }: IdempotentRequest): Promise<boolean> {
  const { rows } = await tx.query<{ locked: boolean }>(
    `SELECT pg_try_advisory_xact_lock(hashtextextended(
       concat_ws(E'\\n', 'vedette idempotency', current_schema(), $1::text, $2::text), 0)) AS locked`,
    [actor, key],
  );
  return firstOf(rows).locked;
}

async function findFirst(
  database: Queryable,
  { actor, key, fingerprint }: IdempotentRequest,
): Promise<FirstRequest | null> {
  const { rows } = await database.query<RememberedAnswer & { request: Buffer }>(
    `SELECT request, status, headers, body FROM idempotency_keys
     WHERE actor = $1 AND key = $2 AND created_at > now() - make_interval(hours => $3)`,
    [actor, key, IDEMPOTENCY_HOURS],
  );
  const [found] = rows;
  if (!found) return null;
  const { request, ...answer } = found;
  return request.equals(fingerprint) ? { state: 'answered', answer } : { state: 'another' };
}

/** The key has no row, or one that is older than a day. */
async function remember(
  tx: Queryable,
  { actor, key, fingerprint }: IdempotentRequest,
  { status, headers, body }: RememberedAnswer,
): Promise<void> {
  await tx.query(
    `INSERT INTO idempotency_keys (actor, key, request, status, headers, body) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (actor, key) DO UPDATE SET request = excluded.request, status = excluded.status,
       headers = excluded.headers, body = excluded.body, created_at = now()`,
    [actor, key, fingerprint, status, JSON.stringify(headers), body],
  );
}
