import { firstOf } from '../core/first-of.ts';
import type { Database, Transaction } from './database.ts';

/**
 * Runs `work` in a transaction unless another process of the same schema does so under the same name now: then returns
 * null without waiting.
 */
export function ifAlone<T>(database: Database, name: string, work: (tx: Transaction) => Promise<T>): Promise<T | null> {
  return database.transaction(
    async (tx) => {
      const { rows } = await tx.query<{ alone: boolean }>(
        `SELECT pg_try_advisory_xact_lock(hashtextextended('vedette ' || $1 || ' ' || current_schema(), 0)) AS alone`,
        [name],
      );
      return firstOf(rows).alone ? work(tx) : null;
    },
    { statementTimeoutMs: 600_000 },
  );
}
