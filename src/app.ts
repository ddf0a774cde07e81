import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { openDatabase } from './app/connections.ts';
import { type Clock, systemClock } from './core/clock.ts';
import { Lifecycle } from './core/lifecycle.ts';
import type { Logger } from './core/logger.ts';
import type { ProcessorHooks } from './processor/hooks.ts';
import type { Settings } from './settings.ts';

export interface StartInfo {
  /** Where the page is; null without the role `api`. */
  url: string | null;
  /** Where the database is, for people. */
  database: string;
  /** Name of the stream driver. */
  stream: string;
  roles: readonly string[];
}

/** One process of Vedette, with the roles of its settings. */
export interface App {
  /** Opens and starts everything. Throws when something cannot be had, after releasing what was opened. */
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

/** Opens from the ground up; `lifecycle` releases in the opposite order, so that what is above stops first. */
async function start(
  settings: Settings,
  { logger, version, clock = systemClock, hooks }: AppOptions,
  lifecycle: Lifecycle,
  signal: AbortSignal,
): Promise<StartInfo> {
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
  const load = once(() => loadParts(settings));
  const { database, place } = await openDatabase(settings, { ...parts, onWaiting: load });
  const { openJobs, rules, createRoles, startRoles, createApi } = await load();
  const jobs = openJobs(rules, { clock, database });
  const { foundation, roles } = await createRoles({ ...parts, database, jobs });
  const api = createApi?.(foundation, roles);
  let address: string | null = null;
  await startRoles(foundation, roles, async () => {
    address = (await api?.listen()) ?? null;
  });
  const isApi = settings.roles.includes('api');
  return { url: isApi ? address : null, database: place, stream: foundation.driver.name, roles: settings.roles };
}

/** Code, and what needs nothing but settings; the API not at all where it is not wanted. */
async function loadParts(settings: Settings) {
  const isListening = settings.roles.includes('api') || settings.server.probes;
  const [jobs, roles, api] = await Promise.all([
    import('./app/jobs.ts'),
    import('./app/roles.ts'),
    isListening ? import('./app/api.ts') : null,
  ]);
  const rules = jobs.createRules(settings);
  if (settings.roles.includes('scheduler')) rules.warmUp();
  return { ...jobs, ...roles, createApi: api?.createApi, rules };
}

/** Errors are those of whoever awaits the answer. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    made.catch(() => undefined);
    return made;
  };
}
