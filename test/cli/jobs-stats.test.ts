import { test } from 'tap';
import { createTestDatabase } from '../helpers/database.ts';
import { insertMetric, insertProgress, insertResult, insertSpan } from '../stats/rows.ts';
import { vedette } from './run.ts';

test('jobs says how old its states are when nothing checks any more', async (t) => {
  const database = await createTestDatabase(t);
  const env = { DATABASE_URL: database.connectionString };
  await vedette(t, ['jobs', 'add', 'http://a.test/'], { env });
  const list = () => vedette(t, ['jobs'], { env });
  t.match(await list(), { code: 0, stderr: '' }, 'nothing was ever seen');
  const at = Date.now() - 3 * 3_600_000;
  await insertProgress(database, { slot: at });
  t.match(await list(), { code: 0, stderr: /^No scheduler runs: .* the newest is of .* \(3 hours ago\)\.\n$/ });
  await database.query(
    `INSERT INTO instances (instance_id, roles, location, version, started_at, seen_at, stats)
     VALUES ('a', '{scheduler}', 'default', '1', now(), now(), '{}')`,
  );
  t.match(await list(), { code: 0, stderr: '' }, 'a scheduler runs');
});

test('jobs --outcome down shows since when and why', async (t) => {
  const database = await createTestDatabase(t);
  const env = { DATABASE_URL: database.connectionString };
  const run = (...args: string[]) => vedette(t, ['jobs', ...args], { env });
  await run('add', 'http://a.test/', '--name', 'Shop');
  await run('add', 'http://b.test/', '--name', 'Docs');
  const at = Date.UTC(2026, 10, 21, 8, 30);
  await insertProgress(database, { slot: at, outcome: 'down', down: 3 });
  await insertProgress(database, { jobId: 2, slot: at, up: 3 });
  await insertResult(database, { at, outcome: 'down' });
  await database.query(
    `UPDATE series_progress SET last_reason = 'timeout', last_status = NULL, since_slot = $1 WHERE job_id = 1`,
    [at - 120_000],
  );
  await database.query(`UPDATE results SET detail = 'no answer within 10 s from http://user:s3cret@a.test/'`);
  const down = await run('--outcome', 'down');
  t.equal(down.code, 0);
  t.match(
    down.stdout,
    /^job +state .* name +since +why\n {2}1 +down +- .* Shop +2026-11-21 08:28:00Z +timeout: no answer/,
  );
  t.notMatch(down.stdout, /Docs|s3cret/);
  t.match(JSON.parse((await run('--outcome', 'down', '--json')).stdout), [
    {
      job_id: 1,
      last_result: { outcome: 'down', reason: 'timeout', since: at - 120_000, detail: /^no answer within/ },
    },
  ]);
  t.notMatch((await run('--outcome', 'up')).stdout, /since|why/, 'good news needs no reason');
});

test('jobs: add, list, stop, export, remove', async (t) => {
  const database = await createTestDatabase(t);
  const cwd = t.testdir({
    'more.json':
      '[{"job_id": 7, "uri": "http://b.test/", "tags": ["x"]}, {"uri": "http://c.test/", "check_cron": "0 * * * *"}]',
    'wrong.json': '[{"uri": "http://fine.test/"}, {"uri": 5, "perid": 2}]',
  });
  const run = (...args: string[]) =>
    vedette(t, ['jobs', ...args], { cwd, env: { DATABASE_URL: database.connectionString } });

  t.match(await run(), { code: 0, stdout: 'There are no jobs.\n' });
  const added = await run(
    'add',
    'http://a.test/',
    '--name',
    'A',
    '--period',
    '5',
    '-H',
    'Authorization: Bearer s3cret',
  );
  t.match(added, { code: 0, stdout: 'job 1 added: A\n', stderr: '' });
  t.match(await run('add', '--file', 'more.json'), { code: 0, stdout: /^job 7 added: .*\njob 8 added: .*\n$/ });
  t.match(await run('add', 'http://d.test', '--id', '7'), {
    code: 1,
    stderr: /Job 7 exists already \[VED_JOB_EXISTS\]/,
  });
  t.match(await run('add', '--file', 'wrong.json'), { code: 2, stderr: /perid/ });
  t.match(await run('add'), { code: 2, stderr: /Give an address .* or --file/ });

  t.match(await run('stop', '7,8'), { code: 0, stdout: 'job 7 is stopped\njob 8 is stopped\n' });
  t.match(await run('start', '8'), { code: 0, stdout: 'job 8 runs\n' });
  t.match(await run('start', '99'), { code: 1, stderr: /\[VED_JOB_NOT_FOUND\]/ });
  const list = await run('list');
  t.match(
    list.stdout,
    /^job {2}state +status {2}time {2}results +every {2}from {2}name\n {2}1 {2}new .* 5s {2}api +A\n {2}7 {2}stopped .* 1m .*\n {2}8 {2}new .* 0 \* \* \* \* /,
  );
  t.same(
    JSON.parse((await run('list', '--tag', 'x', '--json')).stdout).map((job: { job_id: number }) => job.job_id),
    [7],
  );
  t.match(await run('list', '--outcome', 'dwon'), { code: 2, stderr: /Did you mean down\?/ });

  t.match(await run('export'), {
    code: 2,
    stdout: '',
    stderr: /job 1: headers holds a secret\n.*--secrets writes them/,
  });
  const masked = await run('export', '--masked');
  t.notMatch(masked.stdout, 's3cret');
  t.match(masked.stdout, '********');
  const exported = JSON.parse((await run('export', '--secrets')).stdout);
  t.match(exported, [
    { job_id: 1, headers: { Authorization: 'Bearer s3cret' } },
    { job_id: 7, enabled: false },
    { job_id: 8, check_cron: '0 * * * *' },
  ]);

  t.match(await run('remove', '1,8'), { code: 0, stdout: 'job 1 removed\njob 8 removed\n' });
  t.match(JSON.parse((await run('list', '--json')).stdout), [{ job_id: 7 }]);
});

test('stats: table, JSON and CSV agree with the rows', async (t) => {
  const database = await createTestDatabase(t);
  const env = { DATABASE_URL: database.connectionString };
  await vedette(t, ['jobs', 'add', 'http://a.test/', '--name', 'A, with "comma"', '--period', '10'], { env });
  const hour = Date.UTC(2026, 10, 20, 8);
  await database.query("SELECT ensure_metric_partition('minute', $1::timestamptz, $1::timestamptz)", [
    new Date(hour).toISOString(),
  ]);
  for (const [minute, values] of [
    [
      0,
      '6, 5, 0, 1, 0, 6, 1000, 9000, 24000, \'{"200": 5, "500": 1}\', \'{"status": 1}\', histogram_of(ARRAY[1000], ARRAY[6])',
    ],
    [
      1,
      '6, 3, 1, 0, 2, 4, 2000, 40000, 52000, \'{"200": 4}\', \'{"overload": 2, "latency": 1}\', histogram_of(ARRAY[1000], ARRAY[4])',
    ],
  ] as const) {
    await database.query(
      `INSERT INTO metrics (granularity, job_id, location, dt, count, up, degraded, down, missed, rt_count, rt_min, rt_max, rt_sum, data, reasons, rt_hist)
       VALUES ('minute', 1, 'default', $1::timestamptz, ${values})`,
      [new Date(hour + minute * 60_000).toISOString()],
    );
  }
  await database.query(
    `INSERT INTO schedule_spans (job_id, location, version, period_ms, phase_ms, topic, epoch, from_slot, to_slot, slot_count)
     VALUES (1, 'default', 1, 10000, 0, 'checks', 1, $1, $2, 12)`,
    [hour, hour + 110_000],
  );
  const range = ['--from', '2026-11-20T08:00', '--to', '2026-11-20 08:02Z', '--granularity', 'minute'];
  const stats = (...args: string[]) => vedette(t, ['stats', ...range, ...args], { env });

  const json = JSON.parse((await stats('--json')).stdout);
  t.match(json, {
    from: '2026-11-20T08:00:00.000Z',
    to: '2026-11-20T08:02:00.000Z',
    granularity: 'minute',
    jobs: [
      {
        job_id: 1,
        uptime: 0.9,
        coverage: 1,
        known: 10 / 12,
        due: 12,
        count: 12,
        up: 8,
        degraded: 1,
        down: 1,
        missed: 2,
      },
    ],
  });
  t.match(json.jobs[0], {
    codes: { 200: 9, 500: 1 },
    reasons: { status: 1, overload: 2, latency: 1 },
    response_time: { min: 0.001, avg: 0.0076, max: 0.04 },
  });
  const table = await stats();
  t.match(
    table.stdout,
    /^2026-11-20 08:00:00Z to 2026-11-20 08:02:00Z, from the numbers per minute\njob +uptime +coverage +known/,
  );
  t.match(
    table.stdout,
    /\n {2}1 {2}90\.00% +100% +83\.33% +12 +1 +2 {2}1\.00 ms .* 40\.0 ms {2}200:9 500:1 {2}A, with "comma"\n$/,
  );
  const [head, row] = (await stats('--csv')).stdout.split('\n');
  t.match(head, /^job_id,job_name,uptime,coverage,known,due,count,up,/);
  t.match(row, /^1,"A, with ""comma""",0\.9,1,0\.8333333333333334,12,12,8,1,1,2,0\.001,0\.0076,/);

  t.match(await vedette(t, ['stats', '9'], { env }), { code: 1, stderr: /There is no job 9 \[VED_JOB_NOT_FOUND\]/ });
  t.match(await vedette(t, ['stats', '--range', 'soon'], { env }), { code: 2, stderr: /--range: given "soon"/ });
  t.match(await vedette(t, ['stats', '--from', '1h', '--to', '2h'], { env }), {
    code: 2,
    stderr: /is not before --to/,
  });
  t.match(await vedette(t, ['stats', '--granularity', 'week'], { env }), {
    code: 2,
    stderr: /one of minute, hour, day/,
  });
  t.match(await vedette(t, ['stats', '--database'], { env }), {
    code: 0,
    stdout: /jobs: 1, running: 1\n.*\ntable +rows/s,
  });
});

test('numbers of a removed job, and of ids that only other producers use, stay readable', async (t) => {
  const database = await createTestDatabase(t);
  const run = (...args: string[]) => vedette(t, args, { env: { DATABASE_URL: database.connectionString } });
  await run('jobs', 'add', 'http://user:s3cret@a.test/', '--id', '7');
  await run('jobs', 'add', 'http://b.test/', '--id', '8', '--name', 'B');
  const at = Math.floor(Date.now() / 60_000) * 60_000 - 600_000;
  for (const jobId of [7, 8, 4711]) {
    await insertMetric(database, { jobId, at, up: 3, missed: 1 });
    await insertProgress(database, { jobId, slot: jobId === 4711 ? -1 : at, up: 3 });
  }
  for (const jobId of [7, 8]) await insertSpan(database, { jobId, from: at, to: at + 3_000, slots: 4 });
  await insertProgress(database, { jobId: 99, slot: -1, up: 1 });
  await run('jobs', 'remove', '7');

  const table = await run('stats');
  t.match(table.stdout, /\n +7 +100% +100% +75\.00% +4 .* {2}http:\/\/user:\*+@a\.test\/ \(removed\)\n/);
  t.match(table.stdout, /\n *4711 +100% +- +- +4 .* {2}\(no job\)\n/);
  t.notMatch(table.stdout, /\n +99 /, 'nothing of it lies in the range');
  t.notMatch(table.stdout, /s3cret/);
  t.match(JSON.parse((await run('stats', '7,99', '--json')).stdout).jobs, [
    { job_id: 7, job: 'removed', count: 4, known: 0.75 },
    { job_id: 99, job: 'none', job_name: null, count: 0 },
  ]);
  t.match(await run('stats', '5'), { code: 1, stderr: /There is no job 5 / });
  t.same(
    JSON.parse((await run('stats', '--query', 'b', '--json')).stdout).jobs.map(
      ({ job_id }: { job_id: number }) => job_id,
    ),
    [8],
  );

  const list = await run('series', 'list');
  t.match(list.stdout, /^ *job +location +topic +from +last .*\n +7 +default +checks +vedette +up .*\(removed\)\n/);
  t.match(list.stdout, /\n4711 +default +checks +others +up .*\(no job\)\n$/);
  t.same(
    JSON.parse((await run('series', 'list', '--foreign', '--json')).stdout).map(
      ({ job_id, job, last }: { job_id: number; job: string; last: { slot: string | null } }) => [
        job_id,
        job,
        last.slot,
      ],
    ),
    [
      [99, 'none', null],
      [4711, 'none', null],
    ],
  );
  t.match(await run('series', 'list', '--job', '5'), { code: 0, stdout: 'There are no series.\n' });
  t.match(await run('series', 'list', '--own', '--foreign'), { code: 2, stderr: /exclude each other/ });
});

test('the metrics, results and uptime of a series that only others write, by location', async (t) => {
  const database = await createTestDatabase(t);
  const run = (...args: string[]) => vedette(t, args, { env: { DATABASE_URL: database.connectionString } });
  await run('jobs', 'add', 'http://a.test/', '--id', '7', '--name', 'A');
  const hour = Math.floor(Date.now() / 3_600_000) * 3_600_000;
  const place = { jobId: 4711, granularity: 'hour', location: 'mars' };
  await insertMetric(database, { ...place, at: hour - 3_600_000, up: 3, down: 1 });
  await insertMetric(database, { ...place, at: hour, up: 2 });
  await insertMetric(database, { ...place, at: hour, location: 'moon', down: 6 });
  for (const location of ['mars', 'moon']) await insertProgress(database, { jobId: 4711, location, slot: -1, up: 5 });
  for (const [offset, outcome] of ['up', 'down', 'up'].entries()) {
    const at = hour - 60_000 * (offset + 1);
    await insertResult(database, { jobId: 4711, location: 'mars', at, offset, outcome, foreign: true });
  }

  const json = async (...args: string[]) => JSON.parse((await run(...args)).stdout);
  const hours = ['--granularity', 'hour', '--range', '3h'];
  t.match((await json('stats', ...hours, '--json')).jobs, [
    { job_id: 7, count: 0 },
    { job_id: 4711, count: 12, up: 5, down: 7 },
  ]);
  const mars = (await json('stats', ...hours, '--location', 'mars', '--json')).jobs;
  t.match(mars, [{ job_id: 4711, count: 6, uptime: 5 / 6, due: 0, coverage: null }]);
  t.equal(mars.length, 1, 'a job without results there is left out');
  t.match(await run('stats', '7', '--location', 'mars'), { code: 0, stdout: /\n +7 +- / });

  const metrics = await json('series', 'metrics', '4711', '--location', 'mars', '--range', '3h', '--json');
  t.match(metrics, {
    ...{ job_id: 4711, location: 'mars', granularity: 'hour' },
    metrics: [
      { from: new Date(hour - 3_600_000).toISOString(), count: 4, uptime: 0.75 },
      { from: new Date(hour).toISOString(), to: new Date(hour + 3_600_000).toISOString(), count: 2, uptime: 1 },
    ],
  });
  const table = (await run('series', 'metrics', '4711', '--range', '3h')).stdout;
  t.match(table, /^ *from +uptime +coverage .*\n.* 75\.00% .*\n.* 25\.00% .*\n$/);
  t.match((await run('series', 'metrics', '4711', '--range', '3h', '--csv')).stdout, /^from,uptime,.*\n.*Z,0\.75,.*\n/);
  t.match(await run('series', 'metrics', '7'), { code: 0, stdout: 'There are no numbers of this time.\n' });
  t.match(await run('series', 'metrics', '4711', '--granularity', '7m'), {
    code: 2,
    stderr: /--granularity: given "7m", accepted: one of minute, hour, day/,
  });

  const results = (await run('series', 'results', '4711')).stdout;
  t.match(results, /^.* job 4711@mars +up .* foreign\n.* down .*\n.* up .*\n$/, 'newest first');
  const lines = (await run('series', 'results', '4711', '--outcome', 'up', '--json', '--limit', '1')).stdout;
  t.match(JSON.parse(lines), { job_id: 4711, location: 'mars', outcome: 'up', slot: null, offset: 0 });
  t.equal((await run('series', 'results', '4711', '--limit', '2')).stdout.trimEnd().split('\n').length, 2);
  for (const filter of [
    ['--location', 'moon'],
    ['--topic', 'other'],
    ['--to', '2020-01-01'],
  ]) {
    t.match(await run('series', 'results', '4711', ...filter), { code: 0, stdout: 'There are no results.\n' });
  }
  for (const command of ['metrics', 'results']) {
    t.match(await run('series', command, '5'), { code: 1, stderr: /no job 5, and nothing was counted under this id / });
  }
});
