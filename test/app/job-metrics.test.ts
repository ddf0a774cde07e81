import { test } from 'tap';
import { createApp } from '../../src/app.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { loadSettings } from '../../src/settings.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';
import { serve } from '../monitors/support.ts';

test('metrics of a job, of its tags and of its type are shown by the API, from its first result on', async (t) => {
  const database = await createTestDatabase(t);
  const site = await serve(t, (_request, response) => response.end('hello'));
  const metrics = [
    { granularity: 'day', aggregates: [{ function: 'percentiles', field: 'timings.ttfb' }], types: ['http'] },
    { granularity: 'day', aggregates: [{ function: 'max', field: 'bytes' }], tags: ['shop'] },
  ];
  const env = {
    ...{ DATABASE_URL: database.connectionString, PORT: '0', VEDETTE_METRICS: JSON.stringify(metrics) },
    ...{ VEDETTE_PROCESSOR_FLUSH_INTERVAL: '100ms' },
  };
  const app = createApp(loadSettings({ env, cwd: t.testdir({}) }), { logger: silentLogger, version: '1' });
  t.teardown(() => app.close());
  const { url } = await app.start();
  const send = async (method: string, path: string, body?: object) => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${url}${path}`, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
    return { status: response.status, body: (await response.json()) as Record<string, never> };
  };
  const job = { uri: site.uri, check_period_seconds: 0.5, timeout_seconds: 0.4 };
  const own = [{ granularity: 'day', aggregates: [{ function: 'sum', field: 'bytes' }] }];
  const jobs = [
    { ...job, job_id: 1 },
    { ...job, job_id: 2, tags: ['shop'], metrics: own },
  ];
  for (const one of jobs) t.match(await send('POST', '/job', one), { status: 201 });
  t.match(await send('PUT', '/job/1', { ...job, metrics: [{ ...own[0], granularity: '5m' }] }), { status: 400 });
  const extraOf = async (jobId: number) => {
    const { body } = await send('GET', `/job/${jobId}/metrics?granularity=day&from=-1d`);
    const bucket = (body.metrics as Array<{ up: number; extra: Record<string, unknown> }>).at(-1);
    return bucket && bucket.up >= 2 ? bucket : null;
  };
  const [plain, shop] = await Promise.all([1, 2].map((jobId) => until('two results', () => extraOf(jobId))));
  t.strictSame(Object.keys(plain!.extra), ['histogram_timings.ttfb']);
  t.match(shop!.extra, { max_bytes: 5, sum_bytes: shop!.up * 5, 'histogram_timings.ttfb': { 50: Number } });

  const minutes = await send('GET', '/job/1/metrics?granularity=minute&from=-1h');
  t.match(minutes.body.metrics, [{ extra: {} }], 'the built-in granularities are kept');

  // What is changed is known to the processor without a restart: it ends in the row of the day.
  await send('PUT', '/job/2', job);
  await until('the end of a metric', async () => {
    const bucket = await extraOf(2);
    return bucket && !('sum_bytes' in bucket.extra) && !('max_bytes' in bucket.extra);
  });
});
