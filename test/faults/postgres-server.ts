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
import { type Account, findPostgresAccount } from '../../src/storage/embedded-account.ts';
import { makeUsable } from '../../src/storage/embedded-binaries.ts';
import { createDatabase } from '../../src/storage/pool.ts';
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
  const { bin: packed, version, unpacked } = installPostgres(major);
  const account = await findPostgresAccount(silentLogger);
  const bin = unpacked ? await makeUsable(unpacked.folder, unpacked.version, account) : packed;
  const identity = account ? { uid: account.uid, gid: account.gid } : {};
  const home = join(folder, `postgres-${major}`);
  await mkdir(home, { recursive: true });
  await give(home, account);
  const data = join(home, 'data');
  const initdb = ['-D', data, '-U', 'vedette', '-A', 'trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
  await run(join(bin, 'initdb'), initdb, { cwd: home, ...identity, env: { LC_ALL: 'C', PATH: process.env.PATH } });

  const port = await freePort();
  const settings = { port, listen_addresses: '127.0.0.1', unix_socket_directories: '', timezone: 'UTC' };
  const log = openSync(join(home, 'log'), 'a');
  const child = spawn(
    join(bin, 'postgres'),
    ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    {
      cwd: home,
      ...identity,
      env: { LC_ALL: 'C', PATH: process.env.PATH },
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
  const database = await createDatabase({ connectionString, logger: silentLogger });
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

async function give(path: string, account: Account | null): Promise<void> {
  if (account) await chown(path, account.uid, account.gid);
}
