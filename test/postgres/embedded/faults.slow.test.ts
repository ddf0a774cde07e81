import { readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Test, test } from 'tap';
import { silentLogger as logger } from '../../../src/core/logger.ts';
import { stopPostgres } from '../../../src/postgres/embedded/cluster.ts';
import { isAlive, isServerOf, serversOf, startOf } from '../../../src/postgres/embedded/process-identity.ts';
import { startEmbeddedPostgres } from '../../../src/postgres/embedded/server.ts';
import { createDatabase } from '../../../src/postgres/pool.ts';
import { startProgram } from '../../helpers/child.ts';
import { createDataFolder } from '../../helpers/data-folder.ts';
import { databaseDefaults } from '../../helpers/defaults.ts';

interface Started {
  connectionString: string;
  pid: number;
  joined: boolean;
  code?: string;
  message?: string;
}

const startParent = (t: Test, dataDir: string, mode = '') => {
  const program = startProgram(t, 'fixtures/embedded-parent.ts', [dataDir, mode]);
  const started = async () => JSON.parse((await program.line()) ?? '{}') as Started;
  return { ...program, started };
};

/** A data folder of which no server is left running, however the test ends. */
const createFolder = async (t: Test) => {
  const dataDir = await createDataFolder(t);
  t.teardown(async () => {
    const folder = join(dataDir, 'postgres');
    for (const pid of await serversOf(folder)) await stopPostgres(pid, () => isServerOf(pid, folder), 2_000);
  });
  return dataDir;
};

test('a killed server is started again at the same address, with everything that was committed', async (t) => {
  const dataDir = await createFolder(t);
  const crashes: unknown[] = [];
  let onRestart: () => void = () => undefined;
  const server = await startEmbeddedPostgres({
    dataDir,
    logger,
    onCrash: (how) => crashes.push(how),
    onRestart: () => onRestart(),
  });
  t.teardown(() => server.stop());
  const database = await createDatabase({ ...databaseDefaults, connectionString: server.connectionString, logger });
  t.teardown(() => database.close());
  await database.query('CREATE TABLE things (id integer PRIMARY KEY)');
  let committed = 0;
  let writing = true;
  const writer = (async () => {
    while (writing) {
      try {
        await database.query('INSERT INTO things VALUES ($1)', [committed + 1]);
        committed++;
      } catch (error) {
        // A repetition of one whose answer was lost.
        if ((error as { code?: string }).code === '23505') committed++;
        await delay(5);
      }
    }
  })();
  for (let kill = 1; kill <= 3; kill++) {
    await delay(150);
    const restarted = new Promise<void>((resolve) => {
      onRestart = resolve;
    });
    process.kill(server.pid() as number, 'SIGKILL');
    await restarted;
    t.equal(server.restarts(), kill);
  }
  await delay(100);
  writing = false;
  await writer;
  t.equal(crashes.length, 3);
  const { rows } = await database.query<{ n: number; last: number }>(
    'SELECT count(*) AS n, max(id) AS last FROM things',
  );
  t.ok(rows[0].n >= committed, `${committed} acknowledged, ${rows[0].n} there`);
  t.equal(rows[0].n, rows[0].last);
});

test('after kill -9 of the parent, its server is taken over cleanly by the next start', async (t) => {
  const dataDir = await createFolder(t);
  const first = startParent(t, dataDir);
  const { connectionString, pid } = await first.started();
  const database = await createDatabase({ ...databaseDefaults, connectionString, logger });
  await database.query('CREATE TABLE things AS SELECT 1 AS id');
  await database.close();
  await first.kill('SIGKILL');
  t.ok(isAlive(pid), 'the server lives on');
  const second = await startEmbeddedPostgres({ dataDir, logger });
  t.teardown(() => second.stop());
  t.equal(second.connectionString, connectionString);
  t.equal(await startOf(pid), null, 'stopped, and perhaps not yet collected by its new parent');
  const again = await createDatabase({ ...databaseDefaults, connectionString, logger });
  t.strictSame((await again.query('SELECT id FROM things')).rows, [{ id: 1 }]);
  await again.close();
});

test('kill -9 of parent and server at once, a busy backend left over', async (t) => {
  const dataDir = await createFolder(t);
  const first = startParent(t, dataDir);
  const { connectionString, pid } = await first.started();
  const database = await createDatabase({ ...databaseDefaults, connectionString, logger, statementTimeoutMs: 0 });
  const busy = database
    .query('DO $$ BEGIN FOR i IN 1..2000000000 LOOP PERFORM 1; END LOOP; END $$')
    .catch(() => undefined);
  await delay(100);
  await first.kill('SIGKILL');
  process.kill(pid, 'SIGKILL');
  await delay(20);
  const second = await startEmbeddedPostgres({ dataDir, logger });
  await second.stop();
  await busy;
  await database.close();
});

test('kill -9 at any moment of the first start leaves nothing that the next start minds', async (t) => {
  const dataDir = await createFolder(t);
  for (const afterMs of [350, 500, 650, 800, 950]) {
    const parent = startParent(t, dataDir);
    await delay(afterMs);
    await parent.kill('SIGKILL');
  }
  const server = await startEmbeddedPostgres({ dataDir, logger });
  const database = await createDatabase({ ...databaseDefaults, connectionString: server.connectionString, logger });
  t.equal(database.databaseName, 'vedette');
  await database.close();
  await server.stop();
});

test('a second process is refused, or joins', async (t) => {
  const dataDir = await createFolder(t);
  const owner = startParent(t, dataDir);
  const { connectionString } = await owner.started();
  const refused = await startParent(t, dataDir).started();
  t.equal(refused.code, 'VED_DATA_DIR_IN_USE');
  t.match(refused.message, new RegExp(`${dataDir} is in use by process ${owner.pid}, which runs since 20`));
  const joining = startParent(t, dataDir, 'join');
  t.match(await joining.started(), { connectionString, joined: true });
  await joining.kill('SIGTERM');
  const database = await createDatabase({ ...databaseDefaults, connectionString, logger });
  await database.close();
  await owner.kill('SIGTERM');
  await t.rejects(createDatabase({ ...databaseDefaults, connectionString, logger }), {
    code: 'VED_DATABASE_UNAVAILABLE',
  });
});

test('of several that start at once on an empty folder, one owns it and the others join', async (t) => {
  const dataDir = await createFolder(t);
  const parents = [1, 2, 3].map(() => startParent(t, dataDir, 'join'));
  const started = await Promise.all(parents.map((parent) => parent.started()));
  t.equal(started.filter(({ joined }) => !joined).length, 1, JSON.stringify(started));
  t.equal(new Set(started.map(({ connectionString }) => connectionString)).size, 1);
  await Promise.all(parents.map((parent) => parent.kill('SIGTERM')));
});

test('the server is in a process group of its own, so that Ctrl-C does not reach it', {
  skip: notLinux(),
}, async (t) => {
  const dataDir = await createFolder(t);
  const server = await startEmbeddedPostgres({ dataDir, logger });
  t.teardown(() => server.stop());
  const groupOf = async (pid: number) => (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1].split(' ')[2];
  t.not(await groupOf(server.pid() as number), await groupOf(process.pid));
  t.equal(await readlink(`/proc/${server.pid()}/cwd`), join(dataDir, 'postgres'));
});

test('stopping cuts off clients that are in the middle of something', async (t) => {
  const dataDir = await createFolder(t);
  const server = await startEmbeddedPostgres({ dataDir, logger });
  const database = await createDatabase({ ...databaseDefaults, connectionString: server.connectionString, logger });
  const busy = t.rejects(database.query('SELECT pg_sleep(60)'));
  await delay(50);
  const started = performance.now();
  await server.stop();
  t.ok(performance.now() - started < 5_000);
  await busy;
  await database.close();
  t.strictSame(await serversOf(join(dataDir, 'postgres')), []);
  t.ok((await stat(join(dataDir, 'postgres.log'))).size > 0);
});

function notLinux(): string | false {
  return process.platform === 'linux' ? false : 'reads /proc';
}
