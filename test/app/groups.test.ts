import { test } from 'tap';
import { createApp } from '../../src/app.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { verify } from '../../src/processor/verify/index.ts';
import { countCronSlots } from '../../src/scheduler/slots.ts';
import { loadSettings } from '../../src/settings.ts';
import { createEmbeddedDriver } from '../../src/streaming/embedded/index.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { createFaultProxy } from '../helpers/fault-proxy.ts';
import { until } from '../helpers/until.ts';
import { serve } from '../monitors/support.ts';

const [ALL, ANY, BY_TAG, NESTED] = [10, 11, 12, 13];

test('groups follow their jobs, row by row, are missed while PostgreSQL is away, and every slot is counted once', async (t) => {
  const database = await createTestDatabase(t);
  const url = new URL(database.connectionString);
  const proxy = await createFaultProxy(t, { host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  const down = new Set<string>();
  let served = 0;
  const site = await serve(t, (incoming, response) => {
    served++;
    response.writeHead(down.has(incoming.url ?? '') ? 503 : 200).end('ok');
  });
  const job = (jobId: number, more: object) => ({ job_id: jobId, check_period_seconds: 0.5, ...more });
  const jobs = [
    // Named before the jobs that it names, and by name.
    job(ALL, { type: 'group', jobs: ['front', 'cache'], timeout_seconds: 0.4 }),
    job(1, { job_name: 'front', uri: `${site.uri}/front`, tags: ['shop'] }),
    job(2, { job_name: 'cache', uri: `${site.uri}/cache` }),
    job(ANY, { type: 'group', jobs: [1, 2], require: 'any', degraded_below: 'all' }),
    job(BY_TAG, { type: 'group', jobs_with_tag: 'shop', tags: ['shop'] }),
    job(NESTED, { type: 'group', jobs: [ALL, BY_TAG], require: 1 }),
  ];
  const cwd = t.testdir({ 'jobs.json': JSON.stringify(jobs) });
  const env = {
    ...{ DATABASE_URL: url.href, PORT: '0', VEDETTE_SCHEDULER_THREADS: '2', VEDETTE_PROCESSOR_FLUSH_INTERVAL: '100ms' },
  };
  const app = createApp(loadSettings({ env, cwd }), { logger: silentLogger, version: '1' });
  t.teardown(() => app.close());
  const { url: api } = await app.start();

  interface Row {
    outcome: string;
    reason: string | null;
    detail: string | null;
    rt: number | null;
    values: Record<string, number> | null;
  }
  const lastOf = async (jobId: number): Promise<Row> => {
    const { rows } = await database.query<Row>(
      `SELECT outcome, reason, detail, rt, "values" FROM results WHERE job_id = $1 ORDER BY at DESC LIMIT 1`,
      [jobId],
    );
    return rows[0] as Row;
  };
  const untilThey = (what: string, outcomes: Readonly<Record<number, string>>) =>
    until(what, async () => {
      for (const [jobId, outcome] of Object.entries(outcomes)) {
        if ((await lastOf(Number(jobId)))?.outcome !== outcome) return false;
      }
      return true;
    });

  await untilThey('all to be up', { [ALL]: 'up', [ANY]: 'up', [BY_TAG]: 'up', [NESTED]: 'up' });
  t.match(await lastOf(ALL), { rt: null, detail: null, values: { jobs_total: 2, jobs_up: 2, jobs_down: 0 } });

  down.add('/cache');
  await untilThey('cache to be down', { [ALL]: 'down', [ANY]: 'degraded', [BY_TAG]: 'up', [NESTED]: 'up' });
  t.match(await lastOf(ALL), {
    ...{ reason: 'status', detail: '1 of 2 jobs up, 2 required; down: cache' },
    values: { jobs_total: 2, jobs_up: 1, jobs_down: 1 },
  });
  t.match(await lastOf(ANY), { reason: 'status', detail: 'down: cache' });
  const byHand = await fetch(`${api}/job/${ALL}/check`, { method: 'POST' });
  t.match(await byHand.json(), { outcome: 'down', facts: { jobs: { 1: 'up', 2: 'down' } }, response_time: null });

  down.add('/front');
  await untilThey('front to be down', { [ALL]: 'down', [ANY]: 'down', [BY_TAG]: 'down', [NESTED]: 'down' });
  down.clear();
  await untilThey('all to be up again', { [ALL]: 'up', [ANY]: 'up', [BY_TAG]: 'up', [NESTED]: 'up' });

  await fetch(`${api}/job/2/stop`, { method: 'POST' });
  await until('the stopped job to be left out', async () => (await lastOf(ALL)).values?.jobs_total === 1);
  await fetch(`${api}/job/2/start`, { method: 'POST' });
  await until('it to count again', async () => (await lastOf(ALL)).values?.jobs_up === 2);

  await proxy.cut();
  const before = served;
  await until('checks without PostgreSQL', async () => served >= before + 12);
  await proxy.heal();
  const missed = await until('the slots of that time to be counted', async () => {
    const { rows } = await database.query<{ jobId: number; detail: string; slots: number }>(
      `SELECT job_id AS "jobId", min(detail) AS detail, sum(slots) AS slots FROM results
       WHERE reason = 'internal' AND detail LIKE 'the states of its jobs cannot be read: %' GROUP BY job_id ORDER BY job_id`,
    );
    return rows.length === 4 && rows.every(({ slots }) => slots >= 3) ? rows : null;
  });
  t.strictSame(
    missed.map(({ jobId }) => jobId),
    [ALL, ANY, BY_TAG, NESTED],
  );
  await untilThey('all to be up after it', { [ALL]: 'up', [ANY]: 'up', [BY_TAG]: 'up', [NESTED]: 'up' });

  await app.close();
  const driver = createEmbeddedDriver({ database, logger: silentLogger });
  t.teardown(() => driver.close());
  const range = { fromMs: Date.now() - 3_600_000, toMs: Date.now() + 1 };
  const report = await verify({
    ...{ database, driver, topics: ['checks'], countSlots: countCronSlots, ...range },
    results: { store: 'all', keptFromMs: 0 },
  });
  t.match(report, { ok: true, differenceCount: 0, rowDifferenceCount: 0 });
  t.ok(report.results > 50, `${report.results} results`);
});
