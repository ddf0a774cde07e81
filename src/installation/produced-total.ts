import type { Database } from '../postgres/database.ts';
import { readProduced } from './instances.ts';

/**
 * The number of results that all processes have published, those that are gone included. Results that a killed process
 * published after its last heartbeat are not counted: the total can fall by that many.
 */
export function createProducedTotal(database: Database, instanceId: string, own: () => number): () => Promise<number> {
  let others = 0;
  return async () => {
    // The last known number while the database is away.
    others = await readProduced(database, instanceId).catch(() => others);
    return others + own();
  };
}
