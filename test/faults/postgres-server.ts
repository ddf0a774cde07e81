import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { freePort } from '../../scripts/free-port.ts';
import { installPostgres, type PostgresMajor } from '../../scripts/postgres/installation.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { type Account, findPostgresAccount } from '../../src/postgres/embedded/account.ts';
import { createDatabase } from '../../src/postgres/pool.ts';
import { databaseDefaults } from '../helpers/defaults.ts';
import { until } from '../helpers/until.ts';
import { endWithThisProcess } from './last-resort.ts';

const run = promisify(execFile);

export interface PostgresServer {
  connectionString: string;
  /** As it calls itself. */
  version: string;
}

/** A PostgreSQL of the given major version with its own defaults, below `folder`. */
export async function startPostgres(
  t: Pick<Test, 'teardown' | 'comment'>,
  major: PostgresMajor,
  folder: string,
): Promise<PostgresServer> {
  const installed = installPostgres(major);
  const { version } = installed;
  const account = await findPostgresAccount(silentLogger);
  const identity = account ? { uid: account.uid, gid: account.gid } : {};
  const home = join(folder, `postgres-${major}`);
  await mkdir(home, { recursive: true });
  await give(home, account);
  const bin = installed.unpacked === null ? installed.bin : await copyPrograms(installed.unpacked, home);
  // Packages of older versions do not find their own libraries.
  const env = { LC_ALL: 'C', PATH: process.env.PATH, LD_LIBRARY_PATH: join(bin, '../lib') };
  const data = join(home, 'data');
  const initdb = ['-D', data, '-U', 'vedette', '-A', 'trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
  await run(join(bin, 'initdb'), initdb, { cwd: home, ...identity, env });

  const port = await freePort();
  const settings = { port, listen_addresses: '127.0.0.1', unix_socket_directories: '', timezone: 'UTC' };
  const log = openSync(join(home, 'log'), 'a');
  const child = spawn(
    join(bin, 'postgres'),
    ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    {
      cwd: home,
      ...identity,
      env,
      detached: true,
      stdio: ['ignore', log, log],
    },
  );
  closeSync(log);
  const release = endWithThisProcess(child, 'SIGINT');
  t.teardown(async () => {
    await end(child);
    release();
  });
  const connectionString = `postgresql://vedette@127.0.0.1:${port}/postgres`;
  await until(`PostgreSQL ${major} to take connections`, () => answers(connectionString, child), 60_000);
  t.comment(`${version}, port ${port}`);
  return { connectionString, version };
}

async function answers(connectionString: string, child: ChildProcess): Promise<boolean> {
  if (child.exitCode !== null) throw new Error('PostgreSQL ended');
  const database = await createDatabase({ ...databaseDefaults, connectionString, logger: silentLogger });
  try {
    await database.query('SELECT 1');
    return true;
  } finally {
    await database.close();
  }
}

/** Immediately: nobody needs what is in it any more. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGQUIT');
  await exited;
}

/** The account that PostgreSQL runs as may not be able to enter the cache. Answers the folder of the programs. */
async function copyPrograms(from: string, home: string): Promise<string> {
  const programs = join(home, 'programs');
  await run('cp', ['-a', '--reflink=auto', from, programs]);
  await run('chmod', ['-R', 'a+rX', programs]);
  await run('chmod', ['a+x', ...['postgres', 'initdb'].map((name) => join(programs, 'bin', name))]);
  return join(programs, 'bin');
}

async function give(path: string, account: Account | null): Promise<void> {
  if (account) await chown(path, account.uid, account.gid);
}
