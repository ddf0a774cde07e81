import { Lifecycle } from '../../core/lifecycle.ts';
import { silentLogger } from '../../core/logger.ts';
import type { FindSelf, SelfPlace } from '../../monitors/self.ts';
import type { Settings } from '../../settings.ts';

/** Asks the database of a running Vedette, once and only when a job names it; no server is started for it. */
export function createSelfFinder(settings: Settings): FindSelf {
  let found: Promise<SelfPlace | string> | undefined;
  return () => {
    found ??= find(settings).catch((error: Error) => `no database says where the API is: ${error.message}`);
    return found;
  };
}

async function find(settings: Settings): Promise<SelfPlace | string> {
  const [{ openRunningDatabase }, { findLive }] = await Promise.all([
    import('../../postgres/open.ts'),
    import('../../installation/self-address.ts'),
  ]);
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
    return database === null ? `no Vedette runs on ${settings.dataDir}` : await findLive(database);
  } finally {
    await lifecycle.close();
  }
}
