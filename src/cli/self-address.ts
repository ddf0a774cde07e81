import { silentLogger } from '../core/logger.ts';
import type { FindSelf, SelfPlace } from '../monitors/self.ts';
import type { Settings } from '../settings.ts';

/** Asks the database of a running Vedette, once and only when a job names it; no server is started for it. */
export function createSelfFinder(settings: Settings): FindSelf {
  let found: Promise<SelfPlace | string> | undefined;
  return () => {
    found ??= find(settings).catch((error: Error) => `no database says where the API is: ${error.message}`);
    return found;
  };
}

async function find(settings: Settings): Promise<SelfPlace | string> {
  const [{ createDatabase }, { findEmbeddedConnection }, { findLive }] = await Promise.all([
    import('../postgres/pool.ts'),
    import('../postgres/embedded/server.ts'),
    import('../app/self-address.ts'),
  ]);
  const server = settings.databaseServer;
  const connectionString = server ? null : await findEmbeddedConnection(settings.dataDir);
  if (!server && connectionString === null) return `no Vedette runs on ${settings.dataDir}`;
  const database = await createDatabase({
    ...(server ?? { connectionString: connectionString as string }),
    schema: settings.storage.schema,
    poolSize: 1,
    statementTimeoutMs: settings.database.statementTimeoutMs,
    applicationName: 'vedette command',
    logger: silentLogger,
  });
  try {
    return await findLive(database);
  } finally {
    await database.close();
  }
}
