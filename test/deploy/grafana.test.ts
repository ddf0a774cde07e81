import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Test, test } from 'tap';
import { parse } from 'yaml';
import { silentLogger } from '../../src/core/logger.ts';
import type { Database } from '../../src/postgres/database.ts';
import { grantsSql } from '../../src/postgres/grants.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { createDatabase } from '../../src/postgres/pool.ts';
import { spawnVedette } from '../cli/run.ts';
import { createTestUsers } from '../helpers/database-users.ts';
import { databaseDefaults } from '../helpers/defaults.ts';
import { insertMetric, insertResult, insertSpan } from '../stats/rows.ts';
import { type Interpolation, interpolate } from './grafana-macros.ts';

const folder = path.resolve(import.meta.dirname, '../../deploy/grafana');
const SCHEMA = 'site_checker';
const MINUTE = 60_000;
const MINUTES = 30;

interface Panel {
  id: number;
  title: string;
  type: string;
  datasource: { type: string; uid: string };
  gridPos: { x: number; y: number; w: number; h: number };
  targets: Array<{ rawSql?: string; expr?: string; legendFormat?: string; format?: string }>;
}

interface Dashboard {
  uid: string;
  panels: Panel[];
  templating: { list: Array<{ name: string; type: string; query: unknown }> };
}

const readDashboard = (name: string): Dashboard =>
  JSON.parse(readFileSync(path.join(folder, 'dashboards', name), 'utf8'));

type Row = Record<string, unknown>;

interface Bucket
  extends Record<'count' | 'up' | 'degraded' | 'down' | 'missed' | 'uptime' | 'rt_min' | 'rt_avg' | 'rt_max', number> {
  percentiles: Record<string, number>;
  data: Record<string, number>;
  reasons: Record<string, number>;
  extra: Record<string, unknown>;
}

/** Half an hour of job 1 and some of job 2, an hour ago, and both of them running now. */
async function createScene(t: Test) {
  const { adminUrl, users, names, urlOf } = await createTestUsers(t);
  const connect = async (connectionString: string) => {
    const database = await createDatabase({
      ...databaseDefaults,
      connectionString,
      schema: SCHEMA,
      logger: silentLogger,
      poolSize: 2,
    });
    t.teardown(() => database.close());
    return database;
  };
  const admin = await connect(adminUrl);
  await migrate(admin);
  await admin.query(grantsSql(SCHEMA, users));
  const start = Math.floor(Date.now() / MINUTE) * MINUTE - 90 * MINUTE;
  await fill(admin, start);

  const site = createServer((_request, response) => response.end('ok'));
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  t.teardown(() => site.close());
  const uri = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
  const jobs = [
    { job_id: 1, job_name: 'shop', check_period_seconds: 0.5, uri },
    { job_id: 2, job_name: 'blog', check_period_seconds: 0.5, uri, expected_status: 404 },
  ];
  const run = spawnVedette(t, ['serve', '--port', '0'], {
    cwd: t.testdir({ 'jobs.json': JSON.stringify(jobs) }),
    env: { DATABASE_URL: await urlOf(names.writer), VEDETTE_STORAGE_SCHEMA: SCHEMA },
  });
  const url = /"url":"(http:[^"]+)"/.exec(await run.printed(/"url":"(http:[^"]+)".*"msg":"ready"/))?.[1] as string;
  const reader = await connect(await urlOf(names.reader));
  return { start, url, reader };
}

async function fill(database: Database, start: number): Promise<void> {
  for (let i = 0; i < MINUTES; i++) {
    const bins = Object.fromEntries([10 + i, 20 + i, 30].map((bin) => [String(bin), 1]));
    await insertMetric(database, {
      ...{ jobId: 1, at: start + i * MINUTE, up: 2, down: 1, missed: i % 3, degraded: i % 2 },
      rt: [10 + i, 20 + i, 30],
      hist: bins,
      data: { 200: 2 + (i % 2), 500: 1 },
      extra: extraOf(i),
      reasons: { status: 1, ...(i % 3 ? { overload: i % 3 } : {}), ...(i % 2 ? { latency: 1 } : {}) },
    });
  }
  await insertMetric(database, { jobId: 2, at: start, up: 5, rt: [77], hist: { 77: 1 }, data: { 200: 5 } });
  for (const jobId of [1, 2]) {
    await insertSpan(database, { jobId, from: start, to: start + MINUTES * MINUTE - 1, period: 12_000, slots: 150 });
  }
  await insertResult(database, { at: start + 1, outcome: 'down' });
}

/** What a row of minute `i` has of each function. */
function extraOf(i: number): Record<string, unknown> {
  const last = { value: i * 1_000_000, at: i, epoch: 1, offset: -1, line: -1 };
  return {
    ...{ 'min_values.loss': -i * 500_000, 'max_values.loss': i % 2 ? i * 1_000_000 : null, sum_bytes: 10 + i },
    ...{ 'count_values.loss': 3, 'sum_values.loss': { sum: i * 1_000_000, sum_e15: 12 }, 'last_values.loss': last },
    'avg_timings.ttfb': { sum: 1_000 * i, count: 2 },
    'histogram_values.loss': { [-(10 + i)]: 2, [500 + i]: 3 },
  };
}
const METRICS = Object.keys(extraOf(0)).sort();

/** A mean has no end of digits. */
const toNanos = (seconds: unknown) => Math.round(Number(seconds) * 1e9);

const sum = (rows: readonly Row[], column = 'value') =>
  rows.reduce((total, row) => total + Number(row[column] ?? 0), 0);

test('the dashboard on PostgreSQL shows what the API says, read by the reader', async (t) => {
  const { start, url, reader } = await createScene(t);
  const [from, to] = [new Date(start), new Date(start + MINUTES * MINUTE)];
  const range: Interpolation = {
    schema: SCHEMA,
    granularity: 'minute',
    metric: 'avg_timings.ttfb',
    jobIds: [1],
    from,
    to,
    intervalSeconds: 60,
  };
  const { panels, templating } = readDashboard('vedette-postgresql.json');
  const ask = async (sql: string, over: Partial<Interpolation> = {}) => {
    const ready = interpolate(sql, { ...range, ...over });
    t.notMatch(ready, /\$/, 'nothing of Grafana is left');
    return (await reader.query<Row>(ready)).rows;
  };
  const sqlOf = (title: string) => panels.find((panel) => panel.title === title)?.targets[0]?.rawSql as string;

  const answers = new Map<string, Row[]>();
  for (const panel of panels) {
    for (const { rawSql = '', format } of panel.targets) {
      const rows = await ask(rawSql);
      answers.set(panel.title, rows);
      t.ok(rows.length > 0, `${panel.title} has rows`);
      if (format === 'time_series')
        t.ok(
          rows.every((row) => Number(row.time) >= start / 1000),
          panel.title,
        );
      // Jobs and granularities that there is nothing of are no error.
      for (const granularity of ['hour', 'day']) await ask(rawSql, { granularity, jobIds: [1, 2, 99] });
    }
  }
  const api = async (query: string) => {
    const span = `from=${from.toISOString()}&to=${to.toISOString()}&percentiles=50,95,99`;
    const response = await fetch(`${url}/job/1/metrics?${span}&${query}`);
    return (await response.json()) as {
      coverage: number;
      known: number;
      metrics: Bucket[];
    };
  };
  const { coverage, known, metrics } = await api('bucket=total');
  const [total] = metrics;
  const one = (title: string) => Number(Object.values(answers.get(title)?.[0] as Row)[0]);
  t.strictSame(
    {
      uptime: one('Uptime'),
      coverage: one('Coverage'),
      known: one('Known'),
      count: one('Results'),
      down: one('Down'),
      missed: one('Missed'),
      p95: one('p95'),
    },
    {
      uptime: total?.uptime,
      coverage,
      known,
      count: total?.count,
      down: total?.down,
      missed: total?.missed,
      p95: total?.percentiles?.['95'],
    },
  );
  const minutes = (await api('limit=200')).metrics;
  for (const metric of METRICS) {
    const isList = metric.startsWith('histogram');
    const shown = (bucket: Bucket | undefined) => {
      const value = bucket?.extra[metric] as number | Record<string, number> | null | undefined;
      return typeof value === 'object' ? value?.['95'] : value;
    };
    const rows = await ask(sqlOf('Metric'), { metric });
    t.strictSame(
      rows.map(({ value }) => toNanos(value)),
      minutes.flatMap((bucket) => (shown(bucket) == null ? [] : [toNanos(shown(bucket))])),
      `${metric} of each minute${isList ? ', the 95th percentile' : ''}`,
    );
    const [whole] = await ask(sqlOf('Metric'), { metric, intervalSeconds: 86_400 * 365, jobIds: [1, 2] });
    t.equal(whole?.metric, 'shop (1)');
    t.equal(toNanos(whole?.value), toNanos(shown(total)), `${metric} of all minutes`);
  }
  const points = (rows: readonly Row[] | undefined, map: (row: Row) => unknown) => rows?.map(map);
  t.strictSame(
    points(answers.get('Response time'), ({ min, avg, p50, p95, p99, max }) =>
      [min, avg, p50, p95, p99, max].map(toNanos),
    ),
    minutes.map(({ rt_min, rt_avg, rt_max, percentiles }) => [
      ...[rt_min, rt_avg, percentiles[50], percentiles[95], percentiles[99], rt_max].map(toNanos),
    ]),
  );
  t.strictSame(
    points(answers.get('Outcomes'), ({ up, degraded, down, missed }) => [up, degraded, down, missed].map(Number)),
    minutes.map(({ up, degraded, down, missed }) => [up, degraded, down, missed]),
  );
  const byKey = (rows: readonly Row[] = []) =>
    Object.fromEntries(
      [...new Set(rows.map(({ metric }) => String(metric)))].map((key) => [
        key,
        sum(rows.filter(({ metric }) => metric === key)),
      ]),
    );
  t.strictSame(byKey(answers.get('Status codes')), total?.data);
  t.strictSame(
    { ...byKey(answers.get('Down and degraded by reason')), ...byKey(answers.get('Missed by reason')) },
    total?.reasons,
  );
  t.match(byKey(answers.get('Missed by reason')), { overload: total?.missed });
  const merged = await ask(sqlOf('95th percentile by job'), { jobIds: [1, 2], intervalSeconds: 86_400 * 365 });
  t.strictSame(
    merged.map(({ metric, value }) => [metric, Number(value)]),
    [
      ['blog (2)', 77e-6],
      ['shop (1)', total?.percentiles?.['95']],
    ],
  );
  const jobs = await ask(sqlOf('Jobs'), { jobIds: [1, 2] });
  t.match(jobs, [
    { job_id: 1, job_name: 'shop', running: true },
    { job_id: 2, job_name: 'blog' },
  ]);
  const shares = ['uptime', 'coverage', 'known'].map((name) => Number(jobs[0]?.[name]));
  t.strictSame(shares, [total?.uptime, coverage, known]);
  t.match(answers.get('Last failures'), [{ outcome: 'down', code: '200', length: 2 }]);

  const variables = templating.list.filter(({ type }) => type === 'query');
  t.strictSame(
    variables.map(({ name }) => name),
    ['schema', 'job', 'metric'],
  );
  t.strictSame(await ask(String(variables[0]?.query)), [{ nspname: SCHEMA }]);
  t.strictSame(await ask(String(variables[1]?.query)), [
    { __text: 'blog (2)', __value: 2 },
    { __text: 'shop (1)', __value: 1 },
  ]);

  t.strictSame(
    (await ask(String(variables[2]?.query))).map(({ key }) => key),
    METRICS,
  );
  t.strictSame(await ask(String(variables[2]?.query), { jobIds: [2] }), [], 'a job without any');

  await checkPrometheus(t, url);
});

/** Prometheus itself adds `instance` and `job`. */
const ADDED = ['instance', 'job'];

async function checkPrometheus(t: Test, url: string): Promise<void> {
  const scrape = async () => {
    const text = await (await fetch(`${url}/metrics`)).text();
    const samples = [...text.matchAll(/^([a-z_]\w*)(?:\{(.*)\})? \S+$/gm)].map(([, name, labels = '']) => ({
      name: name as string,
      labels: Object.fromEntries(
        [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, value]) => [key, value]),
      ),
    }));
    return { text, samples };
  };
  let { text, samples } = await scrape();
  for (let left = 100; left > 0 && !/vedette_job_responses_total\{.*job_id="2"/.test(text); left--) {
    await delay(200);
    ({ text, samples } = await scrape());
  }
  const { panels } = readDashboard('vedette-prometheus.json');
  const named = new Set<string>();
  for (const { title, targets } of panels) {
    for (const { expr = '', legendFormat = '' } of targets) {
      const selectors = [...expr.matchAll(/([a-z_]\w*)\{([^}]*)\}/g)];
      t.ok(selectors.length > 0, `${title} asks for something`);
      const labels = new Set(ADDED);
      for (const [, name = '', matchers = ''] of selectors) {
        named.add(name);
        const known = samples.filter((sample) => sample.name === name);
        for (const label of known.flatMap((sample) => Object.keys(sample.labels))) labels.add(label);
        // One that counts what has not happened yet is only announced.
        if (known.length === 0) t.match(text, new RegExp(`^# HELP ${name} .* by reason\\.$`, 'm'), `${title}: ${name}`);
        if (known.length === 0) labels.add('reason');
        for (const [, label = '', operator, value = ''] of matchers.matchAll(/(\w+)(=~|!=|=)"([^"]*)"/g)) {
          if (ADDED.includes(label)) continue;
          const pattern = new RegExp(`^(?:${value})$`);
          const found = known.some(
            (sample) => label in sample.labels && pattern.test(sample.labels[label] ?? '') !== (operator === '!='),
          );
          t.ok(found, `${title}: ${name}{${label}${operator}"${value}"}`);
        }
      }
      for (const [, list = ''] of expr.matchAll(/\bby \(([^)]*)\)/g)) {
        for (const label of list.split(', ')) t.ok(labels.has(label), `${title}: by ${label}`);
      }
      for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
        t.ok(labels.has(label), `${title}: ${label}`);
    }
  }
  const own = new Set(samples.map(({ name }) => name).filter((name) => name.startsWith('vedette_')));
  own.delete('vedette_info');
  t.strictSame(
    [...own].filter((name) => !named.has(name)),
    [],
    'no number of Vedette is left out',
  );
}

test('what provisions Grafana fits together', (t) => {
  const load = (file: string) => parse(readFileSync(path.join(folder, 'provisioning', file), 'utf8'));
  const { datasources } = load('datasources/vedette.yaml') as { datasources: Array<{ uid: string; type: string }> };
  const [provider] = (load('dashboards/vedette.yaml') as { providers: Array<{ options: { path: string } }> }).providers;
  t.match(provider, { type: 'file', options: { path: /dashboards/ } });
  for (const file of readdirSync(path.join(folder, 'dashboards'))) {
    const { uid, panels, templating } = readDashboard(file);
    t.equal(`${uid}.json`, file);
    const source = datasources.find((one) => one.uid === uid);
    const [variable] = templating.list;
    t.match(variable, { name: 'datasource', type: 'datasource', query: source?.type, current: { value: source?.uid } });
    t.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    for (const panel of panels) {
      t.match(panel.datasource, { type: source?.type, uid: /^\$\{datasource\}$/ }, panel.title);
      t.ok(panel.gridPos.x + panel.gridPos.w <= 24, panel.title);
      const { x, y, w, h } = panel.gridPos;
      const overlaps = panels.filter(
        ({ id, gridPos: o }) => id !== panel.id && o.x < x + w && x < o.x + o.w && o.y < y + h && y < o.y + o.h,
      );
      t.strictSame(
        overlaps.map(({ title }) => title),
        [],
        `${panel.title} lies alone`,
      );
    }
  }
  t.end();
});
