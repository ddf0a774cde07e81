import type { Database, Transaction } from '../../postgres/database.ts';

/** Sessions that hold these locks and say nothing for seconds are taken for frozen, and ended. */
const SIGN_OF_LIFE_MS = 1_000;

/**
 * Runs `work` while no processor can commit anything of the topics: their flushes wait, and go on afterwards. The
 * transaction is committed with it; other transactions read as usual.
 */
export function whileCountingWaits<T>(
  database: Database,
  topics: readonly string[],
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  return database.transaction(
    async (tx) => {
      await tx.query('SET LOCAL idle_in_transaction_session_timeout = 0');
      await tx.query('SELECT FROM stream_offsets WHERE topic = ANY ($1) ORDER BY topic, partition FOR UPDATE', [
        topics,
      ]);
      // A failure of the connection shows in the next statement of the work.
      const timer = setInterval(() => void tx.query('SELECT').catch(() => undefined), SIGN_OF_LIFE_MS);
      try {
        return await work(tx);
      } finally {
        clearInterval(timer);
      }
    },
    { statementTimeoutMs: 0 },
  );
}
