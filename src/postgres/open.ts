import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import { untilReachable } from '../core/until-reachable.ts';
import { VedetteError } from '../errors.ts';
import type { ConnectionOptions } from './connection.ts';
import type { Database } from './database.ts';
import { createDatabase, isRetryable } from './pool.ts';

/** How a server is reached; how it is used is up to whoever opens it. */
type ServerAddress = Omit<ConnectionOptions, 'schema' | 'statementTimeoutMs'>;

/** Where the database is: a server, or the embedded one of a data folder. The settings have this shape. */
export interface DatabaseLocation {
  databaseServer: (ServerAddress & { host: string; port: number; database: string }) | null;
  dataDir: string;
  storage: { schema: string };
}

export interface OpenOptions extends Pick<ConnectionOptions, 'statementTimeoutMs' | 'connectionTimeoutMs' | 'graceMs'> {
  logger: Logger;
  /** Everything opened is released with it. */
  lifecycle: Lifecycle;
  applicationName: string;
  poolSize: number;
  /** Oldest major version of PostgreSQL that is accepted. */
  oldestVersion?: number;
}

export interface StartOptions extends OpenOptions {
  /** Use the embedded server of another process on the same data folder, if one runs. */
  join: boolean;
  /** Wait, until it aborts, for a server that cannot be reached. Absent: one attempt. */
  waitSignal?: AbortSignal;
  /** Called, perhaps several times, when other processes work and this one could do something else. */
  onWaiting?: (() => void) | undefined;
}

export interface OpenedDatabase {
  database: Database;
  /** For people: `embedded in ...`, or `host:port/name`; never with a password. */
  place: string;
  /** Of the embedded server; null for one of the settings. */
  embedded: { connectionString: string; joined: boolean } | null;
}

/** Whether the embedded server has ever run on this data folder. */
export function hasEmbeddedDatabase({ dataDir }: Pick<DatabaseLocation, 'dataDir'>): boolean {
  return existsSync(path.join(dataDir, 'postgres'));
}

/** Connects to the server of the settings, or starts or joins the embedded one. Wrong credentials are thrown at once. */
export async function openDatabase(location: DatabaseLocation, options: StartOptions): Promise<OpenedDatabase> {
  const { logger, lifecycle, join, onWaiting } = options;
  const server = location.databaseServer;
  if (server) {
    onWaiting?.();
    const place = `${server.host}:${server.port}/${server.database}`;
    return { database: await connect(location, server, place, options), place, embedded: null };
  }
  const { startEmbeddedPostgres } = await import('./embedded/server.ts');
  const { dataDir } = location;
  const running = await startEmbeddedPostgres({ dataDir, logger, join, onWaiting });
  lifecycle.defer(() => running.stop());
  const { connectionString, joined, port } = running;
  const place = `embedded in ${dataDir}, port ${port}${joined ? ' (joined)' : ''}`;
  const database = await connect(location, { connectionString }, place, options);
  return { database, place, embedded: { connectionString, joined } };
}

/** As openDatabase, but starts nothing: null when the embedded server of the data folder does not run. */
export async function openRunningDatabase(location: DatabaseLocation, options: OpenOptions): Promise<Database | null> {
  if (location.databaseServer) return create(location, location.databaseServer, options);
  const { findEmbeddedConnection } = await import('./embedded/server.ts');
  const connectionString = await findEmbeddedConnection(location.dataDir);
  return connectionString === null ? null : create(location, { connectionString }, options);
}

async function connect(
  location: DatabaseLocation,
  connection: ServerAddress,
  place: string,
  options: StartOptions,
): Promise<Database> {
  const { logger, waitSignal } = options;
  if (!waitSignal) return create(location, connection, options);
  return untilReachable(() => create(location, connection, options, waitSignal), {
    isRetryable: (error) => error instanceof VedetteError && isRetryable(error.cause),
    logger,
    signal: waitSignal,
    server: 'database',
    place,
  });
}

async function create(
  { storage: { schema } }: DatabaseLocation,
  connection: ServerAddress,
  options: OpenOptions,
  signal?: AbortSignal,
): Promise<Database> {
  const { logger, lifecycle, applicationName, poolSize, oldestVersion } = options;
  const { statementTimeoutMs, connectionTimeoutMs, graceMs } = options;
  const database = await createDatabase({
    ...connection,
    ...(connectionTimeoutMs === undefined ? {} : { connectionTimeoutMs }),
    ...(graceMs === undefined ? {} : { graceMs }),
    ...(oldestVersion === undefined ? {} : { oldestVersion }),
    schema,
    poolSize,
    statementTimeoutMs,
    applicationName,
    logger,
  });
  // When the signal has aborted, nobody waits for it any more.
  if (signal?.aborted) await database.close();
  else lifecycle.defer(() => database.close());
  return database;
}
