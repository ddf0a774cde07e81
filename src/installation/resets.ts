import type { Database, Queryable } from '../postgres/database.ts';

/** Notifies processes of a reset. */
export const RESET_CHANNEL = 'vedette_reset';

/** The number of resets of the tables. */
async function countResets(database: Queryable): Promise<number> {
  const { rows } = await database.query<{ resets: number }>('SELECT resets FROM installation');
  return rows[0]?.resets ?? 0;
}

/**
 * Calls back after each reset of the tables, by any process, those during a lost connection included. The returned
 * function stops it.
 */
export async function watchResets(
  database: Database,
  onReset: () => void,
  onError: (error: unknown) => void,
): Promise<() => Promise<void>> {
  let known = await countResets(database);
  const look = async () => {
    const resets = await countResets(database);
    if (resets === known) return;
    known = resets;
    onReset();
  };
  return database.listen(RESET_CHANNEL, () => void look().catch(onError));
}
