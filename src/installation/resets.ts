import type { Database, Queryable } from '../postgres/database.ts';

/** Everybody who holds something that a reset takes away is told here. */
export const RESET_CHANNEL = 'vedette_reset';

/** How often the tables were made anew. */
export async function countResets(database: Queryable): Promise<number> {
  const { rows } = await database.query<{ resets: number }>('SELECT resets FROM installation');
  return rows[0]?.resets ?? 0;
}

/**
 * Calls back after each reset of the tables, by whichever process, those included that happened while the connection was
 * away. The answer stops it.
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
