import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../scripts/free-port.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { findBinaries } from '../../src/postgres/embedded/binaries.ts';
import {
  type Cluster,
  generatePassword,
  giveTo,
  initCluster,
  SUPERUSER,
  spawnPostgres,
  untilReady,
  withClient,
} from '../../src/postgres/embedded/cluster.ts';

/**
 * One PostgreSQL for all tests of this checkout, shared by every tap run and by tests run alone. Its folder lies under
 * the system's temporary folder, because the account PostgreSQL runs as may not be able to enter the checkout. Whoever
 * uses it leaves a file named after its process id; the last one out stops the server.
 */
export interface TestServer {
  host: string;
  port: number;
  user: string;
  password: string;
}

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(tmpdir(), `vedette-test-${createHash('sha256').update(checkout).digest('hex').slice(0, 12)}`);
const stateFile = join(folder, 'server.json');
const usersFolder = join(folder, 'users');

interface State extends TestServer {
  pid: number;
}

/** Another server to test against, such as an older version: postgresql://vedette:password@host:port */
const given = process.env.VEDETTE_TEST_POSTGRES;

/** Starts the server unless it runs, and counts process `pid` as one of its users. */
export async function useServer(pid: number): Promise<TestServer> {
  if (given) {
    const { hostname, port, username, password } = new URL(given);
    return { host: hostname, port: Number(port), user: username, password };
  }
  return exclusively(async () => {
    await mkdir(usersFolder, { recursive: true });
    const running = await readState();
    const server = running && (await answers(running)) ? running : await start(running);
    await writeFile(join(usersFolder, String(pid)), '');
    return server;
  });
}

/** Process `pid` is done; stops the server when nobody else uses it. */
export async function leaveServer(pid: number): Promise<void> {
  if (given) return;
  await exclusively(async () => {
    await rm(join(usersFolder, String(pid)), { force: true });
    if ((await liveUsers()).length > 0) return;
    const state = await readState();
    if (state) await stop(state);
    await rm(stateFile, { force: true });
  });
}

/** Stops the server if it was left running, and removes its folder with the templates of databases, unless it is used. */
export async function removeServer(): Promise<void> {
  await leaveServer(process.pid);
  if ((await liveUsers()).length === 0) await rm(folder, { recursive: true, force: true });
}

async function start(stale: State | null): Promise<State> {
  if (stale) await stop(stale);
  const binaries = await findBinaries(silentLogger);
  const password = (await readOrNull(join(folder, 'password'))) ?? (await makePassword());
  const cluster: Cluster = {
    binaries,
    folder: join(folder, 'cluster'),
    logFile: join(folder, 'postgres.log'),
    password,
    // Tests of durability start a server of their own; here a lost machine may lose everything.
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '300' },
  };
  await giveTo(binaries, folder);
  if ((await readOrNull(join(cluster.folder, 'PG_VERSION')))?.trim() !== binaries.major) {
    await rm(cluster.folder, { recursive: true, force: true });
    await initCluster(cluster);
  }
  const port = await freePort();
  const child = await spawnPostgres(cluster, port);
  await untilReady(cluster, child, { timeoutMs: 60_000 });
  const state: State = { host: '127.0.0.1', port, user: SUPERUSER, password, pid: child.pid as number };
  await dropLeftovers(state);
  await writeFile(`${stateFile}.new`, JSON.stringify(state), { mode: 0o600 });
  await rename(`${stateFile}.new`, stateFile);
  return state;
}

/** Databases of tests that were killed. Templates are kept: they make the next run faster. */
async function dropLeftovers(state: State): Promise<void> {
  await withClient(state, state.port, 'postgres', async (client) => {
    const { rows } = await client.query<{ datname: string }>(
      "SELECT datname FROM pg_database WHERE datname LIKE 'test\\_%' OR datname LIKE 'making\\_%'",
    );
    for (const { datname } of rows) await client.query(`DROP DATABASE "${datname}" WITH (FORCE)`);
  });
}

async function stop({ pid }: State): Promise<void> {
  if (!(await isOurs(pid))) return;
  process.kill(pid, 'SIGINT');
  for (let waited = 0; await isOurs(pid); waited += 20) {
    if (waited === 5_000) process.kill(pid, 'SIGQUIT');
    await delay(20);
  }
}

/** Whether the process is the server of this folder and not one that got its number later. */
async function isOurs(pid: number): Promise<boolean> {
  if (!isAlive(pid)) return false;
  const pidFile = await readOrNull(join(folder, 'cluster/postmaster.pid'));
  return pidFile?.split('\n')[0] === String(pid);
}

async function answers(state: State): Promise<boolean> {
  return withClient(state, state.port, 'postgres', async () => true).catch(() => false);
}

async function liveUsers(): Promise<number[]> {
  const names = await readdir(usersFolder).catch(() => []);
  return names.map(Number).filter(isAlive);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function readState(): Promise<State | null> {
  const text = await readOrNull(stateFile);
  return text === null ? null : (JSON.parse(text) as State);
}

async function makePassword(): Promise<string> {
  const password = generatePassword();
  await rm(join(folder, 'cluster'), { recursive: true, force: true }); // Its password is unknown now.
  await writeFile(join(folder, 'password'), password, { mode: 0o600 });
  return password;
}

async function readOrNull(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(() => null);
}

/** One process at a time: the others wait. A lock left by a killed process is taken over. */
async function exclusively<T>(work: () => Promise<T>): Promise<T> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const lock = join(folder, 'lock');
  for (;;) {
    try {
      const file = await open(lock, 'wx');
      await file.writeFile(String(process.pid));
      await file.close();
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const holder = Number(await readOrNull(lock));
      const age = Date.now() - ((await stat(lock).catch(() => null))?.mtimeMs ?? Date.now());
      if ((holder > 0 && !isAlive(holder)) || age > 60_000) await rm(lock, { force: true });
      await delay(25);
    }
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}
