import { Lifecycle } from '../../core/lifecycle.ts';
import { silentLogger } from '../../core/logger.ts';
import type { Database } from '../../postgres/database.ts';
import type { Settings } from '../../settings.ts';

/** Runs `work` on the database of a running Vedette; no server is started for it: null when none runs. */
export async function withRunningDatabase<T>(
  settings: Settings,
  work: (database: Database) => Promise<T>,
): Promise<T | null> {
  const { openRunningDatabase } = await import('../../postgres/open.ts');
  const lifecycle = new Lifecycle();
  try {
    const { statementTimeoutMs } = settings.database;
    const options = {
      logger: silentLogger,
      lifecycle,
      applicationName: 'vedette command',
      poolSize: 1,
      statementTimeoutMs,
    };
    const database = await openRunningDatabase(settings, options);
    return database === null ? null : await work(database);
  } finally {
    await lifecycle.close();
  }
}
