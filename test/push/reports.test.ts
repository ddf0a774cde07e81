import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import { createDatabase } from '../../src/postgres/pool.ts';
import { createPushReports, expirePushReports, WAIT_MS } from '../../src/push/reports.ts';
import { readPushToken } from '../../src/push/tokens.ts';
import { testJobRules } from '../api/test-job-rules.ts';
import { createTestDatabase, createTestDatabaseUrl } from '../helpers/database.ts';
import { databaseDefaults } from '../helpers/defaults.ts';
import { createFaultProxy } from '../helpers/fault-proxy.ts';
import { until } from '../helpers/until.ts';

const never = new AbortController().signal;
const PUSH = { job_name: 'backup', type: 'push' };

async function setUp(t: Parameters<typeof createTestDatabase>[0]) {
  const database = await createTestDatabase(t);
  const store = createJobStore({ database, clock: systemClock, ...testJobRules });
  const { job } = await store.create(PUSH);
  const reports = createPushReports({ database, clock: systemClock });
  const token = (await readPushToken(database, job.jobId))!;
  return { database, store, reports, token, jobId: job.jobId };
}

test('a push job has a token of its own, which it keeps until it is removed', async (t) => {
  const { database, store, reports, token, jobId } = await setUp(t);
  t.match(token, /^[0-9a-f]{32}$/);
  const other = await store.create(PUSH);
  t.not(await readPushToken(database, other.job.jobId), token);
  await store.update(jobId, { ...PUSH, job_name: 'renamed' });
  t.equal(await readPushToken(database, jobId), token);
  const http = await store.create({ uri: 'http://127.0.0.1/' });
  t.equal(await readPushToken(database, http.job.jobId), null);
  await store.remove(jobId);
  t.equal(await readPushToken(database, jobId), null);
  t.equal(await reports.take(token, { kind: 'up' }, never), 'unknown token');
});

test('the first report from a time on is found, with the start before it', async (t) => {
  const { reports, token, jobId } = await setUp(t);
  t.equal(await reports.take('0'.repeat(32), { kind: 'up' }, never), 'unknown token');
  const before = await reports.read([{ jobId, fromMs: 0 }]);
  t.strictSame(before.found.get(jobId), { report: null, begunMs: null });
  t.equal(await reports.take(token, { kind: 'start' }, never), 'taken');
  const { found } = await reports.read([{ jobId, fromMs: 0 }]);
  t.equal(found.get(jobId)!.report, null);
  const begunMs = found.get(jobId)!.begunMs!;
  t.ok(begunMs >= before.nowMs);
  t.equal(await reports.take(token, { kind: 'down', message: 'no space', values: { rows: 3 } }, never), 'taken');
  t.equal(await reports.take(token, { kind: 'up', durationSeconds: 1.5 }, never), 'taken');
  const first = (await reports.read([{ jobId, fromMs: 0 }])).found.get(jobId)!;
  t.match(first, { begunMs, report: { kind: 'down', message: 'no space', duration: null, values: { rows: 3 } } });
  const fromMs = first.report!.receivedMs + 1;
  const second = (await reports.read([{ jobId, fromMs }])).found.get(jobId)!;
  if (second.report !== null) t.match(second, { begunMs: null, report: { kind: 'up', duration: 1.5 } });
});

test('a reader that does not fetch its answer holds nobody up', async (t) => {
  const { database, reports, token, jobId } = await setUp(t);
  await database.transaction(async (tx) => {
    await tx.query('SELECT * FROM find_reports($1, $2, $3)', [[jobId], [0], Date.now()]);
    t.equal(await reports.take(token, { kind: 'up' }, never), 'taken');
  });
});

test('a reader waits for reports that are being written, and knows all that were received before its time', async (t) => {
  const { database, reports, token, jobId } = await setUp(t);
  let written = () => {};
  const isWritten = new Promise<void>((resolve) => {
    written = resolve;
  });
  let commit = () => {};
  const mayCommit = new Promise<void>((resolve) => {
    commit = resolve;
  });
  const writing = database.transaction(async (tx) => {
    await tx.query("SELECT take_report($1, 0, gen_random_uuid(), 'up', NULL, NULL, NULL, 10, $2)", [
      token,
      database.qualifyChannel('push_reports'),
    ]);
    written();
    await mayCommit;
  });
  await isWritten;
  let isRead = false;
  const reading = reports.read([{ jobId, fromMs: 0 }]).finally(() => {
    isRead = true;
  });
  await until('the reader to wait', async () => {
    const { rows } = await database.query<{ waits: boolean }>(
      `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS waits`,
    );
    return rows[0]!.waits;
  });
  t.notOk(isRead);
  commit();
  await writing;
  const { found, nowMs } = await reading;
  const { receivedMs } = found.get(jobId)!.report!;
  t.ok(receivedMs <= nowMs);
});

test('reports are told to those who watch, bounded per job and minute, and deleted in the end', async (t) => {
  const { database, reports, token, jobId } = await setUp(t);
  const told: Array<number | null> = [];
  let tell = () => {};
  const isTold = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const stop = await reports.watch((id) => {
    told.push(id);
    if (id !== null) tell();
  });
  t.teardown(stop);
  t.equal(await reports.take(token, { kind: 'up' }, never), 'taken');
  await isTold;
  t.equal(told.at(-1), jobId);
  await database.query(
    `INSERT INTO push_reports (job_id, received_ms, id, kind)
     SELECT $1, floor(extract(epoch FROM clock_timestamp()) * 1000) - n / 100, gen_random_uuid(), 'up'
     FROM generate_series(1, 1200) AS n`,
    [jobId],
  );
  t.equal(await reports.take(token, { kind: 'up' }, never), 'too many');
  await database.query('UPDATE push_reports SET received_ms = received_ms - 8 * 86400000');
  t.equal(await reports.take(token, { kind: 'up' }, never), 'taken');
  await expirePushReports(database);
  const { rows } = await database.query<{ count: number }>('SELECT count(*) AS count FROM push_reports');
  t.equal(rows[0]!.count, 1);
});

test('while PostgreSQL is away a report waits for it, as received when it came, and then is unavailable', async (t) => {
  const url = new URL(await createTestDatabaseUrl(t));
  const direct = await openPool(t, url.href);
  const store = createJobStore({ database: direct, clock: systemClock, ...testJobRules });
  const { job } = await store.create(PUSH);
  const token = (await readPushToken(direct, job.jobId))!;
  const proxy = await createFaultProxy(t, { host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  const database = await openPool(t, url.href);
  const reports = createPushReports({ database, clock: systemClock });
  t.equal(await reports.take(token, { kind: 'up', message: 'before' }, never), 'taken');

  await proxy.cut();
  let isTaken = false;
  const taking = reports.take(token, { kind: 'down', message: 'meanwhile' }, never).finally(() => {
    isTaken = true;
  });
  await sleep(1_500);
  t.notOk(isTaken);
  const { nowMs } = await createPushReports({ database: direct, clock: systemClock }).read([{ jobId: 1, fromMs: 0 }]);
  await proxy.heal();
  t.equal(await taking, 'taken');
  const { rows } = await direct.query<{ received_ms: number }>(
    "SELECT received_ms FROM push_reports WHERE message = 'meanwhile'",
  );
  t.equal(rows.length, 1);
  t.ok(rows[0]!.received_ms < nowMs, 'it was received before PostgreSQL came back');

  await proxy.cut();
  // A clock on which the time to wait is soon over.
  const clock = {
    ...systemClock,
    after: (ms: number, call: () => void) => systemClock.after(ms === WAIT_MS ? 600 : ms, call),
  };
  t.equal(await createPushReports({ database, clock }).take(token, { kind: 'up' }, never), 'unavailable');
  t.equal(await reports.take(token, { kind: 'up' }, AbortSignal.abort()), 'unavailable');
});

test('a server that does not answer makes nobody wait longer; an answer that came too late is a repetition', async (t) => {
  const { database, token } = await setUp(t);
  let tries = 0;
  let isSilent = true;
  const slow: typeof database = Object.create(database, {
    query: {
      value: async (sql: string, parameters?: readonly unknown[]) => {
        tries++;
        const result = await database.query(sql, parameters);
        if (isSilent) await new Promise(() => {});
        return result;
      },
    },
  });
  const clock = {
    ...systemClock,
    after: (ms: number, call: () => void) => systemClock.after(ms === WAIT_MS ? 600 : ms, call),
  };
  const reports = createPushReports({ database: slow, clock });
  t.equal(await reports.take(token, { kind: 'up' }, never), 'unavailable');
  t.equal(tries, 1);
  isSilent = false;
  t.equal(await reports.take(token, { kind: 'up' }, never), 'taken');
  const { rows } = await database.query<{ count: number }>('SELECT count(*) AS count FROM push_reports');
  t.equal(rows[0]!.count, 2, 'the first one came, too; it was not said');
});

test('however many wait for PostgreSQL, one tries at a time, and all are stored when it is back', async (t) => {
  const { database, token } = await setUp(t);
  let isAway = true;
  let tries = 0;
  const flaky: typeof database = Object.create(database, {
    query: {
      value: async (sql: string, parameters?: readonly unknown[]) => {
        tries++;
        if (isAway) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
        return database.query(sql, parameters);
      },
    },
  });
  const reports = createPushReports({ database: flaky, clock: systemClock });
  const gone = new AbortController();
  const leaving = Array.from({ length: 100 }, () => reports.take(token, { kind: 'down' }, gone.signal));
  const takings = Array.from({ length: 200 }, () => reports.take(token, { kind: 'up' }, never));
  const begun = performance.now();
  await until('further tries', async () => tries >= 303);
  const after = tries - 300;
  t.ok(after <= (performance.now() - begun) / 250 + 1, `the first of each, and then one in 250 ms: ${after}`);
  gone.abort();
  t.strictSame(new Set(await Promise.all(leaving)), new Set(['unavailable']));
  isAway = false;
  t.strictSame(new Set(await Promise.all(takings)), new Set(['taken']));
  const { rows } = await database.query<{ kind: string; count: number }>(
    'SELECT kind, count(*) AS count FROM push_reports GROUP BY kind',
  );
  t.strictSame(rows, [{ kind: 'up', count: 200 }], 'who went away while it waited has reported nothing');
});

async function openPool(t: Parameters<typeof createTestDatabase>[0], connectionString: string) {
  const database = await createDatabase({ ...databaseDefaults, logger: silentLogger, poolSize: 2, connectionString });
  t.teardown(() => database.close());
  return database;
}
