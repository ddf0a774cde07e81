import { test } from 'tap';
import { COSTS } from '../../src/plan/costs.ts';
import { at, plan } from '../../src/plan/plan.ts';
import type { Workload } from '../../src/plan/workload.ts';
import { vedette } from '../cli/run.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { fillDatabase, sizeOf } from '../helpers/filled-database.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const usual: Workload = {
  groups: [{ jobs: 1_000, periodMs: 60_000 }],
  retention: { results: 2 * DAY_MS, minute: 7 * DAY_MS, hour: 90 * DAY_MS, day: null, stream: 2 * DAY_MS },
  store: 'all',
  stream: 'embedded',
  partitions: 12,
  replication: 3,
  failureShare: 0.02,
  responseSeconds: 0.3,
  responseBytes: 10_240,
  afterMs: 365 * DAY_MS,
  flushIntervalMs: 1000,
  lingerMs: 100,
};
const rowsOf = (workload: Workload, name: string) => plan(workload).tables.find((table) => table.name === name)?.rows;

test('the arithmetic: rates, rows and sizes', (t) => {
  const { checksPerSecond, resultsPerDay, checksUnderWay } = plan(usual);
  t.equal(Math.round(checksPerSecond * 60), 1_000);
  t.equal(Math.round(resultsPerDay), 1_440_000);
  t.equal(checksUnderWay, 5);
  t.equal(rowsOf(usual, 'numbers per minute'), 1_000 * 1_440 * (7 + 1), 'a partition more than the retention');
  t.equal(rowsOf(usual, 'numbers per hour'), 1_000 * 24 * (90 + 31));
  t.equal(rowsOf(usual, 'numbers per day'), 1_000 * 365, 'for ever: as long as it runs');
  t.equal(rowsOf({ ...usual, store: 'none' }, 'results'), 0);
  t.equal(rowsOf({ ...usual, groups: [{ jobs: 10, periodMs: HOUR_MS }] }, 'numbers per minute'), 10 * 24 * 8);
  const kafka = plan({ ...usual, stream: 'kafka' });
  t.ok(kafka.diskBytes.kafka > 0);
  t.equal(plan({ ...usual, stream: 'kafka', replication: 1 }).diskBytes.kafka * 3, kafka.diskBytes.kafka);
  t.end();
});

test('reports of push jobs: rows and WAL of their own, no check, counted like any result', (t) => {
  const [jobs, periodMs] = [1_000, 60_000];
  const checked = plan(usual);
  const half = [
    { jobs: jobs / 2, periodMs },
    { jobs: jobs / 2, periodMs, isReported: true },
  ];
  const mixed = plan({ ...usual, groups: half });
  t.equal(Math.round(mixed.checksPerSecond * 60), 500);
  t.equal(Math.round(mixed.reportsPerSecond * 60), 500);
  t.equal(mixed.resultsPerDay, checked.resultsPerDay);
  t.equal(mixed.checksUnderWay, 3);
  t.equal(rowsOf({ ...usual, groups: half }, 'reports of push jobs'), 500 * 1_440 * 7, 'a week of them');
  t.equal(rowsOf(usual, 'reports of push jobs'), undefined);
  const { reportRow, walReport, postgresReport } = COSTS;
  for (const { value } of [reportRow, walReport, postgresReport]) t.ok(value > 0);
  const bytes = (made: ReturnType<typeof plan>) => made.postgres.walBytesPerSecond;
  t.equal(Math.round(bytes(mixed) - bytes(checked)), Math.round((500 / 60) * walReport.value));
  t.equal(mixed.network.checksBytesPerSecond * 2, checked.network.checksBytesPerSecond);
  const many = plan({ ...usual, groups: [{ jobs: 1_000_000, periodMs, isReported: true }] });
  t.ok((many.processes.find(({ role }) => role === 'api')?.count ?? 0) > 2, 'processes that take reports');
  for (const { cores } of many.processes) t.ok(cores <= 0.5 + 1e-9, 'half a core at most');
  t.end();
});

test('more jobs never need less, and the shape follows', (t) => {
  const sizes = [10, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];
  const plans = sizes.map((jobs) => plan({ ...usual, groups: [{ jobs, periodMs: 60_000 }] }));
  t.equal(plans[0]?.shape, 'one process');
  t.equal(plans.at(-1)?.shape, 'roles apart, on Kafka');
  for (const [index, more] of plans.entries()) {
    const fewer = plans[index - 1];
    if (!fewer) continue;
    t.ok(more.diskBytes.postgres > fewer.diskBytes.postgres);
    t.ok(more.postgres.cores > fewer.postgres.cores);
    t.ok(more.partitions.needed >= fewer.partitions.needed);
  }
  for (const { processes } of plans)
    for (const { cores } of processes) t.ok(cores <= 0.5 + 1e-9, 'half a core at most');
  t.end();
});

test('between measured points a cost changes with the logarithm', (t) => {
  const curve = [
    [1, 100],
    [100, 300],
  ] as const;
  t.same(
    [0.5, 1, 10, 100, 1e6].map((count) => at(curve, count)),
    [100, 100, 200, 300, 300],
  );
  for (const { measured } of Object.values(COSTS)) t.match(measured, /\d{4}-\d{2}-\d{2}$/, 'each cost says when');
  t.end();
});

test('a small run takes what the plan says, within a factor of two', async (t) => {
  const database = await createTestDatabase(t);
  const filling = { jobs: 60, periodMs: 20_000, durationMs: HOUR_MS };
  const results = await fillDatabase(database, filling);
  const { tables } = plan({ ...usual, groups: [filling], afterMs: filling.durationMs });
  const planned = (name: string) => tables.find((table) => table.name === name)?.bytes ?? 0;
  t.equal(results, 60 * 180);
  // How often PostgreSQL could use the room of dead rows again is chance, and other tests on the server may hold them: the
  // sizes of copies, stored as partitions are, are what the rows take.
  for (const [table, name, storage] of [
    ['metrics_minute', 'numbers per minute', 'WITH (fillfactor = 60)'],
    ['metrics_hour', 'numbers per hour', 'WITH (fillfactor = 60)'],
    ['results', 'results', ''],
  ] as const) {
    await database.query(`CREATE TABLE copied (LIKE ${table} INCLUDING ALL) ${storage}`);
    await database.query(`INSERT INTO copied SELECT * FROM ${table}`);
    const { bytes } = await sizeOf(database, 'copied');
    await database.query('DROP TABLE copied');
    const ratio = bytes / planned(name);
    t.ok(ratio > 0.5 && ratio < 2, `${table}: ${bytes} bytes, planned ${Math.round(planned(name))}`);
  }
});

test('the command: options, the job file, what is refused', async (t) => {
  const { stdout } = await vedette(t, ['plan', '--jobs', '100000', '--stream', 'kafka', '--json']);
  t.match(JSON.parse(stdout), { jobs: 100_000, shape: 'roles apart, on Kafka', workload: { replication: 3 } });
  const cwd = t.testdir({
    'jobs.json':
      '[{"job_id":1,"job_name":"a","uri":"http://127.0.0.1/","check_period_seconds":10},{"job_id":2,"job_name":"b","uri":"http://127.0.0.1/","enabled":false}]',
  });
  t.match(await vedette(t, ['plan'], { cwd }), {
    code: 0,
    stdout: /^1 jobs, 0\.1 checks a second, 8 640 results a day/,
  });
  const push = t.testdir({ 'jobs.json': '[{"job_id":1,"type":"push","check_period_seconds":10}]' });
  t.match(await vedette(t, ['plan'], { cwd: push }), {
    code: 0,
    stdout: /^1 jobs, 0 checks a second and 0\.1 reports, 8 640 results a day/,
  });
  const part = await vedette(t, ['plan', '--jobs', '1000', '--push', '10', '--json']);
  t.match(JSON.parse(part.stdout), {
    jobs: 1_000,
    checksPerSecond: 15,
    workload: { groups: [{ jobs: 900 }, { jobs: 100 }] },
  });
  t.match(await vedette(t, ['plan', '--jobs', '5', '--push', '101']), { code: 2, stderr: /--push: given "101"/ });
  t.match(await vedette(t, ['plan']), { code: 2, stderr: /say how many with --jobs/ });
  t.match(await vedette(t, ['plan', '--jobs', '5', '--retention', 'week=2d']), {
    code: 2,
    stderr: /accepted: results=/,
  });
  t.match(await vedette(t, ['plan', '--jobs', '5', '--period', 'often']), {
    code: 2,
    stderr: /--period: given "often"/,
  });
  t.match(await vedette(t, ['plan', '--costs']), { code: 0, stdout: /benchmarks\/row-sizes\.ts/ });
});
