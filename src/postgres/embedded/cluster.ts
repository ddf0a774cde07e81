import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chown, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { VedetteError } from '../../errors.ts';
import type { Binaries } from './binaries.ts';

const run = promisify(execFile);

export const SUPERUSER = 'vedette';
/** Follows the name of the folder that a cluster is to have while initdb makes it. */
const ATTEMPT = '.initializing';

/** A folder with a whole cluster in it, and how it is run. */
export interface Cluster {
  binaries: Binaries;
  /** PostgreSQL's data directory. */
  folder: string;
  /** Where the server's messages go. */
  logFile: string;
  password: string;
  /** Settings of the server beyond ours. */
  settings?: Readonly<Record<string, string>>;
}

/** Sane for a small server of our own that only this machine reaches. Durability is left at its defaults: full. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '64MB',
  max_wal_size: '512MB',
  min_wal_size: '64MB',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_messages: 'warning',
  // Clients log their failed statements themselves.
  log_min_error_statement: 'panic',
  jit: 'off',
  // Its backends write pages themselves, where they must.
  bgwriter_lru_maxpages: '0',
  bgwriter_delay: '2s',
  io_method: 'sync',
  // What reads and writes at once needs no room for more, nor does anything lock by predicates: 6 MB less.
  io_max_concurrency: '4',
  max_pred_locks_per_transaction: '10',
  // Only leases are committed without waiting for the disk, and a lease that a crash forgets has run out.
  wal_writer_delay: '1s',
  // A minute changes some hundred rows of small tables, which are pruned without a vacuum. Large tables follow their size.
  autovacuum_vacuum_threshold: '1000',
  autovacuum_analyze_threshold: '1000',
  // Nothing is replicated: its launcher would be a process more.
  max_logical_replication_workers: '0',
};

/**
 * Makes the cluster's folder: whole or not at all, because it is renamed into place when it is ready. Rests of
 * an interrupted try are removed. The caller holds the lock of the data folder.
 */
export async function initCluster(
  { binaries, folder, password }: Omit<Cluster, 'logFile'>,
  onWaiting?: () => void,
): Promise<void> {
  await removeAttempts(folder);
  // A name of its own: an initdb that outlived a killed process removes, when it fails, the folder of the name it knows.
  const making = `${folder}${ATTEMPT}${randomBytes(4).toString('hex')}`;
  await mkdir(making, { recursive: true, mode: 0o700 });
  await giveTo(binaries, making);
  const passwordFile = join(making, 'password');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  await giveTo(binaries, passwordFile);
  const cluster = join(making, 'cluster');
  const options = ['--auth=scram-sha-256', `--username=${SUPERUSER}`, `--pwfile=${passwordFile}`, '--no-instructions'];
  // The builtin provider gives the same UTF-8 order on every machine, independent of its locales.
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const initdb = runAs(binaries, 'initdb', ['-D', cluster, ...options, ...locale, '--no-sync']);
  onWaiting?.();
  await initdb;
  await syncFiles(binaries, cluster);
  await rename(cluster, folder);
  await rm(making, { recursive: true, force: true });
}

/** Removes leftovers of earlier attempts. One still under way fails without its files; the rest goes next time. */
async function removeAttempts(folder: string): Promise<void> {
  const parent = dirname(folder);
  for (const name of await readdir(parent)) {
    if (!name.startsWith(basename(folder) + ATTEMPT)) continue;
    await rm(join(parent, name), { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
  }
}

/** One pass over the finished files is faster than initdb's, which also syncs what it later removes. */
async function syncFiles(binaries: Binaries, folder: string): Promise<void> {
  await runAs(binaries, 'initdb', ['-D', folder, '--sync-only']);
}

async function runAs(binaries: Binaries, program: string, parameters: string[]): Promise<void> {
  try {
    await run(join(binaries.bin, program), parameters, { cwd: '/', ...identity(binaries), env: environment() });
  } catch (error) {
    const output = (error as { stderr?: string }).stderr?.trim() || (error as Error).message;
    throw new VedetteError('VED_EMBEDDED_POSTGRES', `${program} failed: ${output}`, { cause: error });
  }
}

/**
 * Starts the server in a process group of its own, so that a Ctrl-C meant for us does not reach it, and with its output
 * in a file, so that it outlives us without harm.
 */
export async function spawnPostgres(cluster: Cluster, port: number): Promise<ChildProcess> {
  const settings = Object.entries({ ...SETTINGS, ...cluster.settings, port: String(port) });
  const log = await open(cluster.logFile, 'a', 0o600);
  try {
    const child = spawn(
      join(cluster.binaries.bin, 'postgres'),
      ['-D', cluster.folder, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      {
        cwd: dirname(cluster.folder),
        ...identity(cluster.binaries),
        env: environment(),
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
      },
    );
    await once(child, 'spawn');
    child.unref();
    return child;
  } finally {
    await log.close();
  }
}

/**
 * Resolves when the server takes connections. Rejects with its output when it exits before that. `logFrom` is where in
 * its log this start begins.
 */
export async function untilReady(
  cluster: Cluster,
  child: ChildProcess,
  { timeoutMs, logFrom = 0 }: { timeoutMs: number; logFrom?: number },
): Promise<void> {
  for (const deadline = performance.now() + timeoutMs; ; await delay(10)) {
    if (hasExited(child)) {
      const said = await tailOf(cluster.logFile, logFrom);
      throw new VedetteError('VED_EMBEDDED_POSTGRES', `The embedded PostgreSQL ended: ${said}`);
    }
    if (await saysReady(cluster.folder, child.pid as number)) return;
    if (performance.now() > deadline) {
      const said = await tailOf(cluster.logFile, logFrom);
      throw new VedetteError('VED_EMBEDDED_POSTGRES', `The embedded PostgreSQL takes no connections: ${said}`);
    }
  }
}

/** Read from its lock file, as pg_ctl does: trying to connect would cost it a process, and a line in its log, each time. */
async function saysReady(folder: string, pid: number): Promise<boolean> {
  const lines = (await readFile(join(folder, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}

export function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/**
 * Ends a server: fast shutdown (clients are cut off, everything is written), and when that takes longer than `graceMs`,
 * an immediate one, which the next start recovers from.
 */
export async function stopPostgres(pid: number, isRunning: () => Promise<boolean>, graceMs: number): Promise<void> {
  const signals: Array<[NodeJS.Signals, number]> = [
    ['SIGINT', graceMs],
    ['SIGQUIT', 2_000],
    ['SIGKILL', 2_000],
  ];
  for (const [signal, waitMs] of signals) {
    signalIfAlive(pid, signal);
    for (const deadline = performance.now() + waitMs; performance.now() < deadline; await delay(10)) {
      if (!(await isRunning())) return;
    }
  }
}

export function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Runs `work` on a connection of the superuser. */
export async function withClient<T>(
  { password }: Pick<Cluster, 'password'>,
  port: number,
  database: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    database,
    user: SUPERUSER,
    password,
    ssl: false,
    connectionTimeoutMillis: 5_000,
  });
  client.on('error', () => undefined); // The query under way rejects as well.
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

export function connectionStringOf(password: string, port: number, database: string): string {
  return `postgresql://${SUPERUSER}:${encodeURIComponent(password)}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}

export function generatePassword(): string {
  return randomBytes(24).toString('base64url');
}

/** As root, a file or folder has to belong to the account that PostgreSQL runs as. */
export async function giveTo({ account }: Binaries, path: string): Promise<void> {
  if (account) await chown(path, account.uid, account.gid);
}

async function tailOf(file: string, from: number): Promise<string> {
  const text = (await readFile(file).catch(() => Buffer.alloc(0))).subarray(from).toString();
  return text.trim().split('\n').slice(-4).join(' | ') || 'it said nothing';
}

function identity({ account }: Binaries): { uid?: number; gid?: number } {
  return account ? { uid: account.uid, gid: account.gid } : {};
}

/** Nothing of ours: PG* variables and secrets are not for the server. */
function environment(): Record<string, string> {
  return { LC_ALL: 'C', PATH: '/usr/bin:/bin', TZ: 'UTC' };
}
