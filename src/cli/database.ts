import { Lifecycle } from '../core/lifecycle.ts';
import { createLogger } from '../core/logger.ts';
import { VedetteError } from '../errors.ts';
import type { Database } from '../postgres/database.ts';
import type { Settings } from '../settings.ts';

export interface OpenOptions {
  /**
   * `ready`: the tables must be there and new, or it fails and says how to make them; `migrate`: they are made;
   * `anything`: they are not looked at.
   */
  tables: 'ready' | 'migrate' | 'anything';
}

export interface OpenDatabase {
  database: Database;
  connectionString: string;
  /** The embedded server runs only because of this command. */
  isTemporary: boolean;
}

/**
 * Runs `work` on the database of the settings. The embedded server of a running Vedette is joined; where none runs, one
 * is started and stopped again afterwards.
 */
export async function withDatabase<T>(
  settings: Settings,
  { tables }: OpenOptions,
  work: (open: OpenDatabase) => Promise<T>,
): Promise<T> {
  const lifecycle = new Lifecycle();
  try {
    return await work(await open(settings, tables, lifecycle));
  } finally {
    await lifecycle.close();
  }
}

async function open(settings: Settings, tables: OpenOptions['tables'], lifecycle: Lifecycle): Promise<OpenDatabase> {
  const [{ hasEmbeddedDatabase, openDatabase }, { migrate, pendingMigrations }] = await Promise.all([
    import('../postgres/open.ts'),
    import('../postgres/migrate.ts'),
  ]);
  // A look at numbers in the wrong folder should not leave a database there.
  if (!settings.databaseServer && tables !== 'migrate' && !hasEmbeddedDatabase(settings)) {
    throw new VedetteError(
      'VED_DATABASE_UNAVAILABLE',
      `There is no database in ${settings.dataDir}: begin with \`vedette serve\`, or name the folder with --data-dir`,
    );
  }
  const logger = cliLogger(settings);
  const { database, embedded } = await openDatabase(settings, {
    logger,
    lifecycle,
    applicationName: 'vedette command',
    poolSize: 4,
    statementTimeoutMs: settings.database.statementTimeoutMs,
    join: true,
  });
  const connectionString = embedded?.connectionString ?? connectionStringOf(settings);
  const isTemporary = embedded?.joined === false;
  if (tables === 'migrate') await migrate(database, { logger });
  if (tables === 'ready') {
    const pending = await pendingMigrations(database);
    if (pending.length > 0) {
      throw new VedetteError(
        'VED_DATABASE_UNAVAILABLE',
        `Tables are missing or old in ${database.databaseName} (${pending.join(', ')}): run \`vedette db migrate\``,
      );
    }
  }
  return { database, connectionString, isTemporary };
}

/** Logs of commands go to stderr, and only what somebody has to know, unless the settings ask for more. */
export function cliLogger(settings: Settings) {
  const { level, format } = settings.logging;
  return createLogger({ level: level === 'auto' ? 'error' : level, fd: 2, format });
}

/** For psql and other tools. Certificates are named by their own variables there (PGSSLROOTCERT and so on). */
function connectionStringOf({ databaseServer }: Settings): string {
  if (!databaseServer) throw new Error('The embedded server knows its own connection string');
  const { host, port, user, password, database, tls } = databaseServer;
  const encode = encodeURIComponent;
  const isSocket = host.startsWith('/');
  const parameters = new URLSearchParams();
  if (isSocket) parameters.set('host', host);
  if (tls)
    parameters.set(
      'sslmode',
      tls.rejectUnauthorized ? (tls.checkServerIdentity ? 'verify-ca' : 'verify-full') : 'require',
    );
  const login = password === undefined ? encode(user) : `${encode(user)}:${encode(password)}`;
  const place = isSocket ? '' : host.includes(':') ? `[${host}]` : host;
  return `postgres://${login}@${place}:${port}/${encode(database)}${parameters.size > 0 ? `?${parameters}` : ''}`;
}
