import type { ChildProcess } from 'node:child_process';
import { mkdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sleep, systemClock } from '../../core/clock.ts';
import { Lifecycle } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/logger.ts';
import { retry } from '../../core/retry.ts';
import { VedetteError } from '../../errors.ts';
import { findBinaries } from './binaries.ts';
import {
  type Cluster,
  connectionStringOf,
  hasExited,
  initCluster,
  signalIfAlive,
  spawnPostgres,
  stopPostgres,
  untilReady,
  withClient,
} from './cluster.ts';
import { accountOf, inspectCluster, loadPassword, placeCluster } from './folder.ts';
import { lockDataFolder } from './folder-lock.ts';
import { isServerOf, serversOf } from './process-identity.ts';

export interface EmbeddedServerOptions {
  /** The cluster goes to `<dataDir>/postgres`, beside its log, its password and its state. */
  dataDir: string;
  logger: Logger;
  /** When another process runs the server of this folder, use that one instead of VED_DATA_DIR_IN_USE. */
  join?: boolean;
  /** Called whenever PostgreSQL's programs work and this process only waits for them. */
  onWaiting?: (() => void) | undefined;
  /** The server ended unasked. It is started again without a call. */
  onCrash?: (how: { code: number | null; signal: string | null }) => void;
  /** It takes connections again after a crash, at the same address. */
  onRestart?: () => void;
}

export interface EmbeddedServer {
  connectionString: string;
  port: number;
  /** Another process owns the server: `stop` leaves it alone. */
  joined: boolean;
  /** Process id of the server; null while it is being started again, and when joined. */
  pid(): number | null;
  /** How often it was started again after a crash. */
  restarts(): number;
  /** Fast shutdown, then gives the data folder back. */
  stop(): Promise<void>;
}

const DATABASE = 'vedette';
const START_TIMEOUT_MS = 60_000;
const STOP_GRACE_MS = 5_000;
const JOIN_TIMEOUT_MS = 30_000;
/** A server that ends sooner than this after its start is started again more and more slowly. */
const STABLE_MS = 10_000;
const MAX_LOG_BYTES = 10 * 1024 * 1024;
/** Below the range from which systems take ports of outgoing connections, of which checks use many. */
const PORTS = { first: 15_432, count: 16_000 };

/** The state file of a running server, for processes that join, and its port for the next start. */
interface ServerState {
  port: number;
  database: string;
  /** Null when the server was stopped in order. */
  pid: number | null;
}

/** Starts the server of a data folder, making its cluster at first. Resolves when it takes connections. */
export async function startEmbeddedPostgres(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const dataDir = resolve(options.dataDir);
  let unlock: () => Promise<void>;
  try {
    await mkdir(dataDir, { recursive: true });
    unlock = await lockDataFolder(dataDir);
  } catch (error) {
    if (options.join && error instanceof VedetteError && error.code === 'VED_DATA_DIR_IN_USE')
      return joinServer(dataDir);
    throw notWritable(dataDir, error) ?? error;
  }
  const lifecycle = new Lifecycle();
  lifecycle.defer(unlock);
  try {
    return await own({ ...options, dataDir }, lifecycle);
  } catch (error) {
    await lifecycle.close();
    throw error;
  }
}

/** The connection string of the server that runs on this data folder; null when none does. */
export async function findEmbeddedConnection(dataDir: string): Promise<string | null> {
  const folder = resolve(dataDir);
  const state = await readState(folder);
  if (!state?.pid) return null;
  const password = await loadPassword(folder, { create: false });
  const running = await withClient({ password }, state.port, state.database, async () => true).catch(() => false);
  return running ? connectionStringOf(password, state.port, state.database) : null;
}

const NOT_WRITABLE: Readonly<Record<string, string>> = {
  EEXIST: 'it is no folder',
  ENOTDIR: 'it lies below something that is no folder',
  ENOENT: 'no file can be made there',
  ENOSPC: 'its disk is full',
  EROFS: 'it is read-only',
};

/** Explains a folder that cannot be written, such as one in a container with a read-only tree; null for other errors. */
function notWritable(dataDir: string, cause: unknown): VedetteError | null {
  const { code, syscall } = cause as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return null;
  const why = NOT_WRITABLE[code] ?? 'this user may not write there';
  const message =
    `The embedded PostgreSQL needs a folder that it can write to, and ${dataDir} is none, ${why} (${code}): ` +
    'name a PostgreSQL with DATABASE_URL or DB_HOST, or another folder with VEDETTE_DATA_DIR';
  return new VedetteError('VED_EMBEDDED_POSTGRES', message, { cause });
}

async function joinServer(dataDir: string): Promise<EmbeddedServer> {
  const deadline = performance.now() + JOIN_TIMEOUT_MS;
  for (;;) {
    const connectionString = await findEmbeddedConnection(dataDir).catch(() => null);
    if (connectionString) {
      const { port } = (await readState(dataDir)) as ServerState;
      return { connectionString, port, joined: true, pid: () => null, restarts: () => 0, stop: async () => undefined };
    }
    if (performance.now() > deadline) {
      const message = `The process that owns ${dataDir} has no database that takes connections`;
      throw new VedetteError('VED_EMBEDDED_POSTGRES', message);
    }
    await delay(100);
  }
}

async function own(options: EmbeddedServerOptions, lifecycle: Lifecycle): Promise<EmbeddedServer> {
  const { dataDir, logger, onWaiting = () => {} } = options;
  const cluster = await prepareCluster(dataDir, logger, onWaiting);
  await endSurvivors(cluster.folder, logger);
  const previous = await readState(dataDir);
  const { child, port } = await startSomewhere(cluster, previous?.port ?? firstPort(dataDir), onWaiting);
  const supervisor = new Supervisor(options, cluster, port, child);
  lifecycle.defer(() => supervisor.stop());
  await ensureDatabase(cluster, port);
  await supervisor.saveState();
  return {
    connectionString: connectionStringOf(cluster.password, port, DATABASE),
    port,
    joined: false,
    pid: () => supervisor.pid(),
    restarts: () => supervisor.restarts,
    stop: () => lifecycle.close(),
  };
}

async function prepareCluster(dataDir: string, logger: Logger, onWaiting: () => void): Promise<Cluster> {
  const owner = await accountOf(join(dataDir, 'postgres'));
  const binaries = await findBinaries(logger, owner);
  const folder = await placeCluster(dataDir, binaries.account, logger);
  const isThere = await inspectCluster(folder, binaries, logger);
  const password = await loadPassword(dataDir, { create: !isThere });
  const logFile = join(dataDir, 'postgres.log');
  if ((await sizeOf(logFile)) > MAX_LOG_BYTES / 10) await rename(logFile, `${logFile}.1`);
  const cluster: Cluster = { binaries, folder, logFile, password };
  if (!isThere) {
    await initCluster(cluster, onWaiting);
    logger.info({ folder }, 'database created');
  }
  return cluster;
}

/** Stops a server that outlived a killed parent, and ends processes of a killed server, because they block a start. */
async function endSurvivors(folder: string, logger: Logger): Promise<void> {
  const pidFile = join(folder, 'postmaster.pid');
  const pid = Number((await readFile(pidFile, 'utf8').catch(() => '')).split('\n')[0]);
  if (pid > 0 && (await isServerOf(pid, folder))) {
    logger.warn({ pid }, 'a database server of a former process still runs: stopping it');
    await stopPostgres(pid, () => isServerOf(pid, folder), STOP_GRACE_MS);
  }
  const orphans = await serversOf(folder);
  for (const orphan of orphans) signalIfAlive(orphan, 'SIGKILL');
  for (let tries = 0; tries < 100 && (await serversOf(folder)).length > 0; tries++) await delay(20);
  // No process of it is left: the number in the file may be somebody else's by now, for which PostgreSQL would give up.
  if (pid > 0 && process.platform === 'linux') await rm(pidFile, { force: true });
}

/** Tries the port first, then others. */
async function startSomewhere(
  cluster: Cluster,
  firstTry: number,
  onWaiting: () => void,
): Promise<{ child: ChildProcess; port: number }> {
  for (let tries = 0, port = firstTry; ; tries++, port = nextPort(port)) {
    if (!(await isFree(port)) && tries < PORTS.count) continue;
    try {
      return { child: await startAt(cluster, port, onWaiting), port };
    } catch (error) {
      // Taken between the look and the start.
      if (tries > 20 || !/in use|could not bind/i.test((error as Error).message)) throw error;
    }
  }
}

async function startAt(cluster: Cluster, port: number, onWaiting?: () => void): Promise<ChildProcess> {
  const logFrom = await sizeOf(cluster.logFile);
  const child = await spawnPostgres(cluster, port);
  onWaiting?.();
  try {
    await untilReady(cluster, child, { timeoutMs: START_TIMEOUT_MS, logFrom });
    return child;
  } catch (error) {
    if (!hasExited(child)) await stopPostgres(child.pid as number, async () => !hasExited(child), STOP_GRACE_MS);
    throw error;
  }
}

/** The database that initdb makes becomes ours: making another one would take as long again. */
async function ensureDatabase(cluster: Cluster, port: number): Promise<void> {
  await withClient(cluster, port, 'template1', async (client) => {
    const { rows } = await client.query<{ datname: string }>('SELECT datname FROM pg_database');
    const names = rows.map(({ datname }) => datname);
    if (names.includes(DATABASE)) return;
    if (names.includes('postgres')) {
      await client.query(`ALTER DATABASE postgres RENAME TO ${DATABASE}; COMMENT ON DATABASE ${DATABASE} IS NULL`);
    } else await client.query(`CREATE DATABASE ${DATABASE} TEMPLATE template0`);
  });
}

/** Keeps the server running at its port until stop(). */
class Supervisor {
  readonly #options: EmbeddedServerOptions;
  readonly #cluster: Cluster;
  readonly #port: number;
  readonly #abort = new AbortController();
  readonly #trimming: NodeJS.Timeout;
  #child: ChildProcess;
  #restarting: Promise<void> | undefined;
  #startedAt = performance.now();
  /** Ends in a row, each soon after the start before it. */
  #shortLives = 0;
  restarts = 0;
  /** The last resort when this process ends without stop(): the server is signalled without waiting for it. */
  readonly #onExit = () => {
    if (!hasExited(this.#child)) signalIfAlive(this.#child.pid as number, 'SIGINT');
  };

  constructor(options: EmbeddedServerOptions, cluster: Cluster, port: number, child: ChildProcess) {
    this.#options = options;
    this.#cluster = cluster;
    this.#port = port;
    this.#child = child;
    this.#watch(child);
    process.on('exit', this.#onExit);
    // The server appends, so that its log can be cut while it runs.
    this.#trimming = setInterval(() => void this.#trimLog(), 60_000);
    this.#trimming.unref();
  }

  pid(): number | null {
    return hasExited(this.#child) ? null : (this.#child.pid as number);
  }

  /** Only processes that join and the next start read it: a full disk is no reason to fail. */
  async saveState(): Promise<void> {
    const { dataDir, logger } = this.#options;
    await writeState(dataDir, { port: this.#port, database: DATABASE, pid: this.pid() }).catch((error) => {
      logger.warn({ err: error }, 'the state of the database server could not be written');
    });
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    clearInterval(this.#trimming);
    await this.#restarting;
    const child = this.#child;
    if (!hasExited(child)) await stopPostgres(child.pid as number, async () => !hasExited(child), STOP_GRACE_MS);
    process.off('exit', this.#onExit);
    await this.saveState();
  }

  #watch(child: ChildProcess): void {
    const onExit = (code: number | null, signal: string | null) => {
      if (this.#abort.signal.aborted) return;
      this.#shortLives = performance.now() - this.#startedAt < STABLE_MS ? this.#shortLives + 1 : 0;
      this.#options.logger.warn({ code, signal }, 'the database server ended by itself: starting it again');
      this.#options.onCrash?.({ code, signal });
      this.#restarting = this.#restart().finally(() => {
        this.#restarting = undefined;
      });
    };
    // It may have ended before anybody listened.
    if (hasExited(child)) onExit(child.exitCode, child.signalCode);
    else child.once('exit', onExit);
  }

  async #restart(): Promise<void> {
    const { logger } = this.#options;
    if (this.#shortLives > 1) {
      logger.error({ times: this.#shortLives }, 'the database server ends again and again: its log says why');
      await sleep(systemClock, Math.min(10_000, 100 * 2 ** this.#shortLives), this.#abort.signal);
      if (this.#abort.signal.aborted) return;
    }
    try {
      this.#child = await retry(
        async () => {
          await endSurvivors(this.#cluster.folder, logger);
          return startAt(this.#cluster, this.#port);
        },
        {
          minDelayMs: 200,
          maxDelayMs: 5_000,
          signal: this.#abort.signal,
          onTransition: (state) => {
            if (state.failing) logger.error({ err: state.error }, 'the database server cannot be started again');
          },
        },
      );
    } catch {
      return; // Only stop() ends the tries.
    }
    this.restarts++;
    this.#startedAt = performance.now();
    logger.info({ restarts: this.restarts }, 'the database server runs again');
    await this.saveState();
    this.#watch(this.#child);
    this.#options.onRestart?.();
  }

  async #trimLog(): Promise<void> {
    const { logFile } = this.#cluster;
    if ((await sizeOf(logFile)) > MAX_LOG_BYTES) await truncate(logFile, 0).catch(() => undefined); // Next minute, then.
  }
}

async function readState(dataDir: string): Promise<ServerState | null> {
  try {
    return JSON.parse(await readFile(join(dataDir, 'postgres.json'), 'utf8')) as ServerState;
  } catch {
    return null; // A first start, or a file that was being written: nothing of it is needed.
  }
}

async function writeState(dataDir: string, state: ServerState): Promise<void> {
  const path = join(dataDir, 'postgres.json');
  await writeFile(`${path}.new`, JSON.stringify(state));
  await rename(`${path}.new`, path);
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}

/** The same folder begins with the same port, and different ones hardly ever meet. */
function firstPort(dataDir: string): number {
  let hash = 0;
  for (const character of dataDir) hash = (hash * 31 + character.charCodeAt(0)) >>> 0;
  return PORTS.first + (hash % PORTS.count);
}

function nextPort(port: number): number {
  return PORTS.first + ((port + 1 - PORTS.first) % PORTS.count);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
