import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { SELF_HOST } from '../../src/monitors/self.ts';
import { Example, type Row } from './example.ts';
import { root } from './production-tree.ts';

const each = (rows: readonly Row[], column: string, names: readonly string[]) =>
  names.every((name) => rows.some((row) => row[column] === name));

test('jobs.json', async (t) => {
  const example = await Example.open(t, 'jobs-json');
  await example.runAll();
  const rows = await example.rows((rows) => new Set(rows.map(({ job_id }) => job_id)).size === 3);
  t.match(
    rows.find(({ job_id }) => job_id === 1),
    { granularity: 'minute', rt_min: Number, data: { 200: Number } },
  );
  t.match(
    rows.find(({ job_id }) => job_id === 3),
    { data: { 404: Number } },
  );
});

test('YAML with checks', async (t) => {
  const example = await Example.open(t, 'yaml-checks');
  await example.runAll();
  const rows = await example.rows((rows) => each(rows, 'code', ['200', '404', '500']));
  for (const row of rows) t.match(row, { success: true, response_time: Number, length: Number });
});

test('a targets file', async (t) => {
  const example = await Example.open(t, 'targets-file');
  await example.runAll();
  const rows = await example.rows((rows) => rows.length === 2 && rows.every(({ success }) => success !== null));
  t.match(rows, [
    { uri: /body=No$/, success: false, code: '200' },
    { uri: /body=Yes$/, success: true, code: '200' },
  ]);
});

test('INI', async (t) => {
  const example = await Example.open(t, 'ini');
  await example.runAll();
  const rows = await example.rows((rows) => rows.length === 2 && rows.every(({ last_check }) => last_check !== null));
  t.match(rows, [
    { job_name: 'front page', success: true, response_time: Number, length: 2, code: '200' },
    { job_name: 'shop', success: true, length: 8 },
  ]);
});

test('CSV', async (t) => {
  const example = await Example.open(t, 'csv');
  await example.runAll();
  const rows = await example.rows((rows) => each(rows, 'job_name', ['front page', 'old address']));
  for (const row of rows) t.match(row, { success: true });
});

test('a view for each topic, in a schema of its own', async (t) => {
  const example = await Example.open(t, 'topic-views');
  await example.runAll();
  const [apache, nginx] = example.queries;
  const up = await example.rows((rows) => rows.length > 1, apache);
  for (const row of up) t.match(row, { job_name: 'web server', success: true, code: '200', topic: 'apache' });
  const down = await example.rows((rows) => rows.length > 1, nginx);
  for (const row of down) t.match(row, { job_name: 'proxy', success: false, code: '500' });
});

test('once: a table, an exit code, and nothing in the database', async (t) => {
  const example = await Example.open(t, 'once');
  const [table = ''] = await example.runAll();
  t.match(table, /front page/);
  t.match(table, /2 up, 0 degraded, 0 down/);
  t.match(await example.rows(() => true), [{ results: 0 }]);
});

test('stats', async (t) => {
  const example = await Example.open(t, 'stats');
  const [serve, stats] = example.commands;
  example.start(serve as string);
  // A minute may end while it runs.
  const rows = await example.rows((rows) => rows.reduce((sum, { count }) => sum + Number(count), 0) >= 3);
  t.match(rows[0], { job_id: 1, up: Number, down: Number });
  const printed = await example.start(stats as string).finished();
  t.match(printed, /job +uptime +coverage .*\n +1 .*practice site/);
});

test('push', async (t) => {
  const example = await Example.open(t, 'push-job', { replace: [['_seconds": 90', '_seconds": 2']] });
  await example.runAll();
  const ask = async (path: string) => (await fetch(`http://127.0.0.1:${example.port}${path}`)).json();
  const { push_token: token } = (await ask('/job/1')) as { push_token: string };
  const rows = await example.rows((rows) => {
    void ask(`/push/${token}`);
    return rows.length >= 3;
  });
  for (const row of rows) t.match(row, { outcome: 'up', reason: null });
});

test('every example is tested, has a command and rows, and only looks at this machine', (t) => {
  const tests = readdirSync(import.meta.dirname).filter((name) => /^examples.*\.test\.ts$/.test(name));
  const code = tests.map((name) => readFileSync(join(import.meta.dirname, name), 'utf8')).join('\n');
  for (const name of readdirSync(join(root, 'examples'))) {
    if (name === 'README.md') continue;
    t.ok(code.includes(`'${name}'`), `${name} is tested`);
    for (const file of readdirSync(join(root, 'examples', name))) {
      const text = readFileSync(join(root, 'examples', name, file), 'utf8');
      for (const [, host] of text.matchAll(/https?:\/\/([^/:\s"]+)/g))
        t.ok([SELF_HOST, '127.0.0.1'].includes(host as string), `${name}/${file}: ${host}`);
    }
    const readme = readFileSync(join(root, 'examples', name, 'README.md'), 'utf8');
    t.match(readme, /^ {4}.*npx vedette /m);
    t.match(readme, /^ {4}psql .* -c ".+"$/m);
  }
  t.end();
});
