import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { type Clock, systemClock } from './core/clock.ts';
import { Lifecycle } from './core/lifecycle.ts';
import type { Logger } from './core/logger.ts';
import { tryPort } from './core/try-port.ts';
import { hasEmbeddedDatabase, openDatabase } from './postgres/open.ts';
import type { ProcessorHooks } from './processor/writing/hooks.ts';
import type { Settings } from './settings.ts';

export interface StartInfo {
  /** Where the page is; null without the role `api`. */
  url: string | null;
  /** Where the database is, for people. */
  database: string;
  /** Name of the stream driver. */
  stream: string;
  roles: readonly string[];
  /** The server is public, and there is neither a key nor a person yet: nobody can do anything. */
  isLocked: boolean;
}

/** One process of Vedette, with the roles of its settings. */
export interface App {
  /** Opens and starts everything. When that fails, it releases everything it opened and throws. */
  start(): Promise<StartInfo>;
  /** Ends in order: no new checks, results published and counted, connections and the embedded database closed. */
  close(): Promise<void>;
}

export interface AppOptions {
  logger: Logger;
  version: string;
  clock?: Clock;
  /** Starting waits for nothing any more when this aborts. */
  signal?: AbortSignal;
  /** Called within the flushes of the role `processor`. */
  hooks?: ProcessorHooks;
}

export function createApp(settings: Settings, options: AppOptions): App {
  const lifecycle = new Lifecycle();
  const abort = new AbortController();
  const signal = AbortSignal.any([abort.signal, ...(options.signal ? [options.signal] : [])]);
  return {
    async start() {
      try {
        return await start(settings, options, lifecycle, signal);
      } catch (error) {
        await lifecycle.close().catch((cause) => options.logger.warn({ err: cause }, 'release failed'));
        throw error;
      }
    },
    close() {
      abort.abort();
      return lifecycle.close();
    },
  };
}

/** Opens in the order of dependence; `lifecycle` releases in the opposite order. */
async function start(
  settings: Settings,
  { logger, version, clock = systemClock, hooks }: AppOptions,
  lifecycle: Lifecycle,
  signal: AbortSignal,
): Promise<StartInfo> {
  const isListening = settings.roles.includes('api') || settings.server.probes;
  if (isListening && settings.server.port !== 0) await tryPort(settings.server);
  await readNewJobs(settings);
  const name = settings.instance ?? `${hostname()}-${process.pid}`;
  const parts = {
    settings,
    logger,
    clock,
    version,
    lifecycle,
    signal,
    hooks,
    instanceId: `${name}-${randomBytes(3).toString('hex')}`,
  };
  const { database, place } = await openDatabase(settings, {
    logger,
    lifecycle,
    applicationName: 'vedette',
    poolSize: settings.database.poolSize,
    statementTimeoutMs: settings.database.statementTimeoutMs,
    join: settings.database.join,
    waitSignal: signal,
    // Its errors are thrown again below.
    onWaiting: () => void loadCode(settings).catch(() => undefined),
  });
  const { createRoles, startRoles, createApi } = await loadCode(settings);
  const { services, roles } = await createRoles({ ...parts, database });
  const api = createApi?.(services, roles);
  let address: string | null = null;
  await startRoles(services, roles, async () => {
    address = (await api?.listen()) ?? null;
  });
  const isApi = settings.roles.includes('api');
  return {
    url: isApi ? address : null,
    database: place,
    stream: services.driver.name,
    roles: settings.roles,
    isLocked: isApi && (await api?.isLocked()) === true,
  };
}

/** Before the first database is made, jobs that cannot be read are reported: then a failed start leaves nothing behind. */
async function readNewJobs(settings: Settings): Promise<void> {
  const isNew = !settings.databaseServer && !hasEmbeddedDatabase(settings);
  if (!isNew || !settings.roles.includes('scheduler')) return;
  const [{ jobSourceOf }, { createRules }] = await Promise.all([
    import('./jobs/files/source.ts'),
    import('./app/jobs.ts'),
  ]);
  await jobSourceOf(settings, createRules(settings, { self: () => Promise.resolve('not asked') }))?.read();
}

/** Only the first call takes time. The API is not loaded where it is not wanted. */
async function loadCode(settings: Settings) {
  const isListening = settings.roles.includes('api') || settings.server.probes;
  const [{ createRoles, startRoles }, api] = await Promise.all([
    import('./app/roles.ts'),
    isListening ? import('./app/api.ts') : null,
  ]);
  return { createRoles, startRoles, createApi: api?.createApi };
}
