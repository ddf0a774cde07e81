import type { Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import { retry } from '../core/retry.ts';
import { VedetteError } from '../errors.ts';
import type { Database } from '../postgres/database.ts';
import { startEmbeddedPostgres } from '../postgres/embedded/server.ts';
import { createDatabase, isRetryable } from '../postgres/pool.ts';
import type { Settings } from '../settings.ts';
import { chooseDriver } from '../streaming/choose.ts';
import type { StreamDriver } from '../streaming/driver.ts';
import { streamDrivers } from '../streaming/index.ts';
import { isRefused } from '../streaming/kafka/errors.ts';

export interface OpenedDatabase {
  database: Database;
  /** `embedded`, or `host:port/name`; never with a password. */
  place: string;
  isEmbedded: boolean;
}

/**
 * Connects to the PostgreSQL of the settings, or starts the embedded one. A server that is away is waited for until
 * `signal` aborts; wrong credentials are thrown at once. Everything is released with `lifecycle`.
 */
export async function openDatabase(
  settings: Settings,
  options: {
    logger: Logger;
    lifecycle: Lifecycle;
    signal?: AbortSignal;
    /** Called, perhaps several times, when other processes work and this one could do something else. */
    onWaiting?: () => void;
  },
): Promise<OpenedDatabase> {
  const { logger, lifecycle, signal, onWaiting } = options;
  const server = settings.databaseServer;
  let connection: object;
  let place: string;
  if (server) {
    connection = server;
    place = `${server.host}:${server.port}/${server.database}`;
    onWaiting?.();
  } else {
    const { dataDir } = settings;
    const embedded = await startEmbeddedPostgres({ dataDir, logger, join: settings.database.join, onWaiting });
    lifecycle.defer(() => embedded.stop());
    connection = { connectionString: embedded.connectionString };
    place = `embedded in ${settings.dataDir}, port ${embedded.port}${embedded.joined ? ' (joined)' : ''}`;
  }
  const database = await untilThere(
    async () => {
      const opened = await createDatabase({
        ...connection,
        schema: settings.storage.schema,
        poolSize: settings.database.poolSize,
        statementTimeoutMs: settings.database.statementTimeoutMs,
        applicationName: 'vedette',
        logger,
      });
      if (signal?.aborted) await opened.close(); // Too late: it is not waited for any more.
      return opened;
    },
    (error) => error instanceof VedetteError && isRetryable(error.cause),
    { logger, signal, what: 'database', place },
  );
  lifecycle.defer(() => database.close());
  return { database, place, isEmbedded: server === null };
}

/** The stream of the settings, closed with `lifecycle`. */
export async function openStream(
  settings: Settings,
  options: { database: Database; logger: Logger; lifecycle: Lifecycle },
): Promise<StreamDriver> {
  const { driver: wanted, retentionMs } = settings.stream;
  const { name, reason } = await chooseDriver(wanted, settings.kafkaConnection !== null);
  const driver = await streamDrivers.get(name).create({
    logger: options.logger,
    database: options.database,
    kafka: settings.kafkaConnection,
    ...(retentionMs === null ? {} : { retentionMs }),
  });
  options.logger.info({ driver: name, reason }, 'stream opened');
  options.lifecycle.defer(() => driver.close());
  return driver;
}

/**
 * What needs the stream (and the database, where it is stored in there): both are waited for while they are away, until
 * `signal` aborts.
 */
export function untilStreamThere<T>(
  work: () => Promise<T>,
  { logger, signal }: { logger: Logger; signal: AbortSignal },
): Promise<T> {
  const mayHeal = (error: unknown) =>
    error instanceof VedetteError ? error.code === 'VED_STREAM_UNAVAILABLE' && !isRefused(error) : isRetryable(error);
  return untilThere(work, mayHeal, { logger, signal, what: 'stream' });
}

/** How often a process that waits says so. */
const REMIND_MS = 30_000;

/** Repeats `work` while a server is away, and says so; rejects at once, whatever is under way, when `signal` aborts. */
async function untilThere<T>(
  work: () => Promise<T>,
  mayHeal: (error: unknown) => boolean,
  { logger, signal, what, place }: { logger: Logger; signal?: AbortSignal | undefined; what: string; place?: string },
): Promise<T> {
  const waiting = retry(work, {
    ...(signal ? { signal } : {}),
    isRetryable: mayHeal,
    remindMs: REMIND_MS,
    onTransition: (state) =>
      state.failing
        ? logger.warn(
            { place, reason: reasonOf(state.error), waitedMs: state.forMs },
            `${what} cannot be reached, waiting for it`,
          )
        : logger.info({ place }, `${what} is there`),
  });
  return signal ? Promise.race([waiting, abortOf(signal)]) : waiting;
}

/** A server that is away is no defect: where in the program it was missed is of no use to anybody. */
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
