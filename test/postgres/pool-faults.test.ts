import { type Test, test } from 'tap';
import { silentLogger as logger } from '../../src/core/logger.ts';
import { CommitUnknownError } from '../../src/postgres/database.ts';
import { createDatabase, type DatabaseOptions, isRetryable } from '../../src/postgres/pool.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { databaseDefaults } from '../helpers/defaults.ts';
import { createFaultProxy } from '../helpers/fault-proxy.ts';

/** `direct` reaches the database, `database` the same one through a proxy. */
const setUp = async (t: Test, options: Partial<DatabaseOptions> = {}) => {
  const direct = await createTestDatabase(t, { migrated: false });
  await direct.query('CREATE TABLE things (id integer PRIMARY KEY)');
  const url = new URL(direct.connectionString);
  const proxy = await createFaultProxy(t, { host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  const database = await createDatabase({ ...databaseDefaults, connectionString: url.href, logger, ...options });
  t.teardown(() => database.close());
  const ids = async () =>
    (await direct.query<{ id: number }>('SELECT id FROM things ORDER BY id')).rows.map(({ id }) => id);
  return { direct, proxy, database, ids };
};

const isCommit = (chunk: Buffer) => chunk.includes('COMMIT');
const errorOf = (work: Promise<unknown>) =>
  work.then(
    () => null,
    (error: unknown) => error,
  );

test('a connection that breaks during COMMIT leaves the outcome unknown, either way', async (t) => {
  const { proxy, database, ids } = await setUp(t);
  for (const [id, when] of [
    [1, 'before'],
    [2, 'after'],
  ] as const) {
    proxy.cutWhen(isCommit, when);
    const error = await errorOf(database.transaction((tx) => tx.query('INSERT INTO things VALUES ($1)', [id])));
    t.ok(error instanceof CommitUnknownError, `${when}: ${error}`);
    t.ok(isRetryable(error));
  }
  t.strictSame(await ids(), [2], 'the first did not happen, the second did');
  await database.transaction((tx) => tx.query('INSERT INTO things VALUES (3)'));
  t.strictSame(await ids(), [2, 3], 'the pool goes on');
});

test('a connection that breaks before COMMIT is a plain failure that may be repeated', async (t) => {
  const { proxy, database, ids } = await setUp(t);
  const error = await errorOf(
    database.transaction(async (tx) => {
      await tx.query('INSERT INTO things VALUES (1)');
      proxy.reset();
      await tx.query('INSERT INTO things VALUES (2)');
    }),
  );
  t.notOk(error instanceof CommitUnknownError);
  t.ok(isRetryable(error), String(error));
  const between = await errorOf(
    database.transaction(async (tx) => {
      await tx.query('INSERT INTO things VALUES (3)');
      proxy.reset();
      // Nobody queries while the connection goes away.
      await new Promise((resolve) => setTimeout(resolve, 50));
    }),
  );
  t.notOk(between instanceof CommitUnknownError, 'COMMIT was never sent');
  t.ok(isRetryable(between), String(between));
  t.strictSame(await ids(), []);
});

test('a server that swallows everything does not hold a query for ever', async (t) => {
  const { proxy, database, ids } = await setUp(t, { statementTimeoutMs: 200, graceMs: 200, connectionTimeoutMs: 300 });
  proxy.swallow();
  const error = await errorOf(database.query('SELECT 1'));
  t.ok(isRetryable(error), String(error));
  const connecting = await errorOf(database.query('SELECT 1'));
  t.ok(isRetryable(connecting), String(connecting));
  await proxy.heal();
  proxy.cutWhen(() => false);
  const committing = await errorOf(
    database.transaction(async (tx) => {
      await tx.query('INSERT INTO things VALUES (1)');
      proxy.swallow('toClient');
    }),
  );
  t.ok(committing instanceof CommitUnknownError, String(committing));
  await proxy.heal();
  t.strictSame(await ids(), [1]);
  const copying = await errorOf(
    database.transaction((tx) => {
      proxy.swallow();
      return tx.copyFrom(
        'things',
        Array.from({ length: 100 }, (_, id) => Buffer.from(`${id + 10}\n`)),
      );
    }),
  );
  t.ok(isRetryable(copying), String(copying));
  await proxy.heal();
  t.strictSame((await database.query('SELECT 1 AS one')).rows, [{ one: 1 }]);
});

test('statements have a limit, which a transaction may lift', async (t) => {
  const { database } = await setUp(t, { statementTimeoutMs: 100 });
  const error = await errorOf(database.query('SELECT pg_sleep(5)'));
  t.match(error, { code: '57014' });
  t.ok(isRetryable(error));
  await database.transaction((tx) => tx.query('SELECT pg_sleep(0.3)'), { statementTimeoutMs: 0 });
  t.match((await database.query('SHOW statement_timeout')).rows, [{ statement_timeout: '100ms' }], 'only that one');
});

test('what the data is to blame for is not retryable, and the connection is kept', async (t) => {
  const { proxy, database } = await setUp(t, { poolSize: 1 });
  const connections = proxy.connections;
  await database.query('INSERT INTO things VALUES (1)');
  const duplicate = await errorOf(database.query('INSERT INTO things VALUES (1)'));
  t.match(duplicate, { code: '23505' });
  t.notOk(isRetryable(duplicate));
  t.notOk(isRetryable(await errorOf(database.query('SELECT nonsense'))));
  t.equal(proxy.connections, connections);
});

test('idle connections that are reset are replaced without a word', async (t) => {
  const { proxy, database } = await setUp(t, { poolSize: 2 });
  await Promise.all([database.query('SELECT 1'), database.query('SELECT 2')]);
  proxy.reset();
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.strictSame((await database.query('SELECT 3 AS n')).rows, [{ n: 3 }]);
});

test('a terminated backend is a retryable failure, also during COMMIT', async (t) => {
  const { direct, database } = await setUp(t);
  const error = await errorOf(
    database.transaction(async (tx) => {
      const { rows } = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await direct.query('SELECT pg_terminate_backend($1)', [rows[0].pid]);
      await tx.query('SELECT 1');
    }),
  );
  t.ok(isRetryable(error), String(error));
});

test('listeners are told after a reconnect that they may have missed something', async (t) => {
  const { direct, proxy, database } = await setUp(t);
  const heard: Array<string | null> = [];
  let onHeard: () => void = () => undefined;
  const stop = await database.listen('news', (payload) => {
    heard.push(payload);
    onHeard();
  });
  const next = () => new Promise<void>((resolve) => (onHeard = resolve));
  let hearing = next();
  await direct.notify('news', 'one');
  await hearing;
  hearing = next();
  await proxy.cut();
  await direct.notify('news', 'missed');
  await proxy.heal();
  await hearing;
  t.strictSame(heard, ['one', null]);
  hearing = next();
  await direct.transaction((tx) => direct.notify('news', 'two', tx));
  await hearing;
  t.strictSame(heard, ['one', null, 'two']);
  await stop();
  await direct.notify('news', 'unheard');
  await database.query('SELECT 1');
  t.equal(heard.length, 3);
});

test('closing ends listeners and everything that waits', async (t) => {
  const { proxy, database } = await setUp(t);
  await proxy.cut();
  const listening = errorOf(database.listen('news', () => undefined));
  await database.close();
  await database.close();
  t.ok(await listening, 'it was never reached');
  t.ok(await errorOf(database.query('SELECT 1')));
});
