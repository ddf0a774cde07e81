import { readProduced } from '../installation/instances.ts';
import type { Database } from '../postgres/database.ts';

/**
 * Results that all processes have brought into the stream, those included that are gone. What a process that was killed
 * did after its last heartbeat is not among them: the total can fall by that much.
 */
export function createProducedTotal(database: Database, instanceId: string, own: () => number): () => Promise<number> {
  let others = 0;
  return async () => {
    // The last known number while the database is away.
    others = await readProduced(database, instanceId).catch(() => others);
    return others + own();
  };
}
