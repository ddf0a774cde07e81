import type { Queryable } from '../postgres/database.ts';
import { dropExpiredPartitions } from '../postgres/partitions.ts';
import { IDEMPOTENCY_HOURS } from './idempotency.ts';

/** Longer than failed sign-ins count. */
const FAILURE_DAYS = 2;

/** Drops the months that lie wholly before the retention; null: the audit is kept for ever. */
export async function expireAudit(tx: Queryable, keepMs: number | null, nowMs: number): Promise<void> {
  if (keepMs !== null) await dropExpiredPartitions(tx, { table: 'audit', beforeMs: nowMs - keepMs });
}

/** Deletes what no request can use any more. */
export async function expireAccess(tx: Queryable): Promise<void> {
  await tx.query('DELETE FROM sessions WHERE ends_at < now()');
  await tx.query('DELETE FROM sign_in_failures WHERE last_at < now() - make_interval(days => $1)', [FAILURE_DAYS]);
  await tx.query('DELETE FROM idempotency_keys WHERE created_at < now() - make_interval(hours => $1)', [
    IDEMPOTENCY_HOURS,
  ]);
}
