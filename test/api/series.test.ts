import { readFileSync } from 'node:fs';
import { test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { toJob } from '../../src/jobs/mapping.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { insertMetric, insertProgress, insertResult, insertSpan } from '../stats/rows.ts';
import { createTestServer } from './test-server.ts';

const AT = Math.floor(Date.now() / 60_000) * 60_000 - 600_000;

test('series: what Vedette schedules, what it did, and what only others publish', async (t) => {
  const database = await createTestDatabase(t);
  const jobStore = createJobStore({ database, clock: systemClock, toJob, redact: (given) => given });
  const app = await createTestServer(t, { database, jobStore });
  await jobStore.create({ job_id: 1, job_name: 'A', uri: 'http://a.test/' });
  await jobStore.create({ job_id: 2, uri: 'http://user:s3cret@b.test/' });
  for (const jobId of [1, 2]) await insertSpan(database, { jobId, from: AT, to: AT + 9_000, slots: 10 });
  await jobStore.remove(2);
  for (const jobId of [1, 2]) await insertProgress(database, { jobId, slot: AT, up: 2, down: 1 });
  await insertProgress(database, { jobId: 1, location: 'mars', slot: -1, up: 5 });
  await insertProgress(database, { jobId: 2_147_483_647, slot: -1, up: 4 });
  const get = async (query: string) => {
    const answer = await app.inject(`/series?${query}`);
    t.equal(answer.statusCode, 200, answer.body);
    const { link, 'total-count': total } = answer.headers;
    return {
      body: answer.json(),
      total: Number(total),
      next: /^<\/series\?(.+)>; rel="next"$/.exec(String(link ?? ''))?.[1],
    };
  };
  const all = await get('total=true');
  t.equal(all.total, 4);
  t.equal(all.next, undefined);
  t.match(all.body, [
    {
      ...{ job_id: 1, job_name: 'A', job: 'current', location: 'default', topic: 'checks', foreign: false },
      last: { slot: new Date(AT).toISOString(), outcome: 'up', status: '200', response_time: 0.012345 },
      counts: { count: 3, up: 2, degraded: 0, down: 1, missed: 0 },
    },
    { job_id: 1, job: 'current', location: 'mars', foreign: true, last: { slot: null } },
    { job_id: 2, job_name: 'http://user:********@b.test/', job: 'removed', foreign: false },
    { job_id: 2_147_483_647, job_name: null, job: 'none', foreign: true, counts: { count: 4 } },
  ]);
  t.same((await get('foreign=true')).body, [all.body[1], all.body[3]]);
  t.same((await get('foreign=false&total=true')).total, 2);
  t.same((await get('job_id=1&location=mars')).body, [all.body[1]]);
  t.same((await get('job_id=5')).body, []);
  const seen: unknown[] = [];
  for (let query: string | undefined = 'limit=1'; query; ) {
    const page: Awaited<ReturnType<typeof get>> = await get(query);
    t.equal(page.body.length, 1);
    seen.push(...page.body);
    query = page.next;
  }
  t.same(seen, all.body);
  t.match((await app.inject('/series?cursor=WzEsIngiXQ')).json(), { code: 'VED_VALIDATION' });
  t.match((await app.inject('/series?known=true')).json(), { code: 'VED_VALIDATION' });
});

test('metrics and results of a removed job, and of an id without one, in ranges with and without numbers', async (t) => {
  const database = await createTestDatabase(t);
  const jobStore = createJobStore({ database, clock: systemClock, toJob, redact: (given) => given });
  const app = await createTestServer(t, { database, jobStore });
  for (const jobId of [1, 2]) await jobStore.create({ job_id: jobId, uri: 'http://a.test/' });
  await insertSpan(database, { jobId: 1, period: 60_000, from: AT, to: AT, slots: 1 });
  for (const jobId of [1, 4711]) {
    await insertMetric(database, { jobId, at: AT, up: 1 });
    await insertProgress(database, { jobId, slot: jobId === 1 ? AT : -1, up: 1 });
    await insertResult(database, { jobId, at: AT, foreign: jobId !== 1 });
  }
  for (const jobId of [1, 2]) await jobStore.remove(jobId);
  for (const jobId of [1, 4711]) {
    const metrics = await app.inject(`/job/${jobId}/metrics?bucket=total`);
    t.match(metrics.json(), { job_id: jobId, counted: 1, metrics: [{ count: 1, up: 1 }] }, metrics.body);
    t.match((await app.inject(`/job/${jobId}/results`)).json(), [{ job_id: jobId, outcome: 'up' }]);
    t.match((await app.inject(`/job/${jobId}/metrics?from=2020-01-01&to=2020-01-02`)).json(), { metrics: [] });
    t.same((await app.inject(`/job/${jobId}/results?from=2020-01-01&to=2020-01-02`)).json(), []);
    t.equal((await app.inject(`/job/${jobId}`)).statusCode, 404);
  }
  t.match((await app.inject('/job/1/metrics?bucket=total')).json(), { due: 1, coverage: 1, known: 1 });
  t.match((await app.inject('/job/4711/metrics?bucket=total')).json(), { due: 0, coverage: null, known: null });
  t.match((await app.inject('/job/2/metrics')).json(), { metrics: [] }, 'removed before its first result');
  for (const path of ['metrics', 'results']) {
    t.match((await app.inject(`/job/5/${path}`)).json(), { statusCode: 404, code: 'VED_JOB_NOT_FOUND' });
  }
});

for (const [name, type] of [
  ['check-result.v1.json', 'application/schema+json; charset=utf-8'],
  ['asyncapi.json', 'application/vnd.aai.asyncapi+json; charset=utf-8'],
] as const) {
  test(`${name} is served as its file, and kept by caches`, async (t) => {
    const app = await createTestServer(t);
    const url = `/schemas/${name}`;
    const answer = await app.inject(url);
    t.equal(answer.statusCode, 200);
    t.match(answer.headers, { 'content-type': type, 'cache-control': /max-age=\d+/ });
    t.same(answer.json(), JSON.parse(readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')));
    const again = await app.inject({ url, headers: { 'if-none-match': String(answer.headers.etag) } });
    t.match({ status: again.statusCode, body: again.body }, { status: 304, body: '' });
    t.match(again.headers, { etag: answer.headers.etag, 'cache-control': /max-age=\d+/ });
  });
}

test('the AsyncAPI document tells the topics and headers of the settings', async (t) => {
  const described = {
    ...{ topics: { results: 'results', success: 'good', failures: null }, format: 'record' as const },
    cloudEventsSource: 'urn:example:vedette',
  };
  const app = await createTestServer(t, { stream: { driver: 'embedded', topic: 'results', described } });
  const document = (await app.inject('/schemas/asyncapi.json')).json();
  t.match(document, {
    channels: { results: { address: 'results' }, success: { address: 'good' }, failures: { address: null } },
    operations: { publishResults: { messages: [{ $ref: '#/channels/results/messages/result' }] } },
  });
  const { headers } = document.components.messages.result;
  t.match(headers.required, ['content-type', 'schema', 'ce_specversion', 'ce_id', 'ce_source']);
  t.equal(headers.properties.ce_source.const, 'urn:example:vedette');
});
