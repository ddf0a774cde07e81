import { test } from 'tap';
import { silentLogger } from '../../src/core/logger.ts';
import { createDatabase } from '../../src/postgres/pool.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { databaseDefaults } from '../helpers/defaults.ts';

test('a transaction commits, or rolls back and keeps the error', async (t) => {
  const database = await createTestDatabase(t, { migrated: false });
  await database.query('CREATE TABLE things (id bigint PRIMARY KEY)');
  const answer = await database.transaction(async (tx) => {
    await tx.query('INSERT INTO things VALUES ($1)', [1]);
    return 'done';
  });
  t.equal(answer, 'done');
  await t.rejects(
    database.transaction(async (tx) => {
      await tx.query('INSERT INTO things VALUES (2)');
      throw new Error('changed my mind');
    }),
    { message: 'changed my mind' },
  );
  await t.rejects(
    database.transaction(async (tx) => {
      await tx.query('INSERT INTO things VALUES (3)');
      await tx.query('SELECT 1/0').catch(() => undefined);
    }),
    /rolled back/,
    'an error that was swallowed does not look like success',
  );
  t.strictSame((await database.query('SELECT id FROM things')).rows, [{ id: 1 }]);
});

test('int8 arrives as a number, and one that a number cannot hold is refused', async (t) => {
  const database = await createTestDatabase(t, { migrated: false });
  const { rows } = await database.query('SELECT 9007199254740991::int8 AS n, ARRAY[1::int8, NULL] AS list');
  t.strictSame(rows, [{ n: 9007199254740991, list: [1, null] }]);
  await t.rejects(database.query('SELECT 9007199254740992::int8'), /does not fit/);
  t.strictSame((await database.query('SELECT 1 AS one')).rows, [{ one: 1 }], 'the connection is still good');
});

test('COPY streams rows in', async (t) => {
  const database = await createTestDatabase(t, { migrated: false });
  await database.query('CREATE TABLE things (id bigint, name text)');
  await database.transaction((tx) =>
    tx.copyFrom('things (id, name)', [Buffer.from('1\tone\n2\tt'), Buffer.from('wo\n')]),
  );
  t.equal((await database.query<{ n: number }>('SELECT count(*) AS n FROM things')).rows[0].n, 2);
  await t.rejects(
    database.transaction((tx) => tx.copyFrom('things', [Buffer.from('x\tone\n')])),
    { code: '22P02' },
  );
  t.equal((await database.query<{ n: number }>('SELECT count(*) AS n FROM things')).rows[0].n, 2);
});

test('COPY of chunks that take long to make leaves the event loop its turns', async (t) => {
  const database = await createTestDatabase(t, { migrated: false });
  await database.query('CREATE TABLE things (id bigint)');
  let turns = 0;
  const turn = () => {
    turns++;
    next = setImmediate(turn);
  };
  let next = setImmediate(turn);
  t.teardown(() => clearImmediate(next));
  const seen: number[] = [];
  function* chunks() {
    for (let chunk = 0; chunk < 5; chunk++) {
      seen.push(turns);
      for (const start = performance.now(); performance.now() - start < 6; );
      yield Buffer.from(`${chunk}\n`);
    }
  }
  await database.transaction((tx) => tx.copyFrom('things', chunks()));
  t.equal(new Set(seen).size, 5, 'a turn between any two');
  t.equal((await database.query<{ n: number }>('SELECT count(*) AS n FROM things')).rows[0].n, 5);
});

test('a server that is not there is said plainly', async (t) => {
  const server = { host: '127.0.0.1', port: 1, database: 'x', user: 'x', password: 'secret' };
  const options = { ...databaseDefaults, ...server, logger: silentLogger };
  await t.rejects(createDatabase(options), {
    code: 'VED_DATABASE_UNAVAILABLE',
    message: /PostgreSQL at 127.0.0.1:1\/x cannot be used/,
  });
});

test('notifications reach listeners of the same schema only', async (t) => {
  const database = await createTestDatabase(t, { migrated: false });
  const other = await createDatabase({
    ...databaseDefaults,
    connectionString: database.connectionString,
    schema: 'other',
    logger: silentLogger,
  });
  t.teardown(() => other.close());
  const heard: Array<string | null> = [];
  const done = new Promise<void>((resolve) => {
    void database
      .listen('news', (payload) => {
        heard.push(payload);
        if (payload === 'last') resolve();
      })
      .then(async () => {
        await other.notify('news', 'not for us');
        await database.notify('news', 'first');
        await database.notify('news', 'last');
      });
  });
  await done;
  t.strictSame(heard, ['first', 'last']);
});

test('statements at the same time take turns on one connection; behind one that takes long another is opened', async (t) => {
  const database = await createTestDatabase(t, { migrated: false });
  const backendOf = async () => (await database.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0].pid;
  const backends = new Set(await Promise.all(Array.from({ length: 20 }, backendOf)));
  t.equal(backends.size, 1);
  const long = database.query('SELECT pg_sleep(3)');
  const startedAt = performance.now();
  const others = new Set(await Promise.all(Array.from({ length: 5 }, backendOf)));
  t.ok(performance.now() - startedAt < 2_500, 'they did not wait for it');
  t.notOk(others.has([...backends][0] as number));
  await long;
});

test('a statement within a transaction gets a connection of its own, however many there are', async (t) => {
  const database = await createTestDatabase(t, { migrated: false });
  const sums = await Promise.all(
    [1, 2, 3].map((one) =>
      database.transaction(async (tx) => {
        const { rows } = await database.query<{ n: number }>('SELECT $1::int AS n', [one]);
        return (await tx.query<{ n: number }>('SELECT $1::int + 1 AS n', [rows[0].n])).rows[0].n;
      }),
    ),
  );
  t.strictSame(sums, [2, 3, 4]);
});
