import { type Test, test } from 'tap';
import { addKey } from '../../src/access/keys/key-store.ts';
import { systemClock } from '../../src/core/clock.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { testJobRules } from './test-job-rules.ts';
import { createTestServer } from './test-server.ts';

const ROOT = 'a-key-of-the-settings';

async function createScene(t: Test) {
  const database = await createTestDatabase(t);
  const jobStore = createJobStore({ database, clock: systemClock, ...testJobRules });
  const app = await createTestServer(t, { database, jobStore, options: { loopback: false }, apiKeys: [ROOT] });
  const send = (method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', url: string, payload?: object, key = ROOT) =>
    app.inject({ method, url, headers: { authorization: `Bearer ${key}` }, ...(payload ? { payload } : {}) });
  const limited = async (scopes: ReadonlyArray<'read' | 'write'>, tags: readonly string[] | null) => {
    const wanted = { name: `${scopes.join()} ${tags}`, scopes, tags, expiresAt: null };
    return (await addKey(database, { name: 'test', address: null }, wanted)).text;
  };
  for (const [jobId, tags] of [
    [1, ['shop']],
    [2, ['bank']],
  ] as const) {
    const made = await send('POST', '/job', { job_id: jobId, uri: 'http://127.0.0.1/', tags });
    t.equal(made.statusCode, 201, made.body);
  }
  return { send, limited };
}

test('a group is made, read, sent back, patched and removed', async (t) => {
  const { send } = await createScene(t);
  const made = await send('POST', '/job', { type: 'group', jobs: [1, 2], require: 'any', degraded_below: 'all' });
  t.equal(made.statusCode, 201, made.body);
  t.match(made.json(), { job_id: 3, type: 'group', jobs: [1, 2], require: 'any', degraded_below: 'all' });
  const again = await send('PUT', '/job/3', (await send('GET', '/job/3')).json());
  t.match(again.json(), { version: 2, jobs: [1, 2] }, again.body);
  const patched = await send('PATCH', '/job/3', { jobs: [1], degraded_below: null });
  t.match(patched.json(), { version: 3, jobs: [1] }, patched.body);
  t.equal((await send('DELETE', '/job/1')).statusCode, 204);
  t.equal((await send('PATCH', '/job/3', { job_name: 'shop' })).statusCode, 200);
  t.equal((await send('DELETE', '/job/3')).statusCode, 204);
});

test('cycles and jobs that are not there are refused, with their place', async (t) => {
  const { send } = await createScene(t);
  const refuse = async (
    method: 'POST' | 'PUT' | 'PATCH',
    url: string,
    body: object,
    pointer: string,
    message: RegExp,
  ) => {
    const answer = await send(method, url, body);
    t.match(answer.json(), { statusCode: 400, code: 'VED_VALIDATION', message, errors: [{ pointer }] }, answer.body);
  };
  await send('POST', '/job', { job_id: 10, type: 'group', jobs: [1] });
  await send('POST', '/job', { job_id: 11, type: 'group', jobs: [10] });
  const back = /accepted: a job that does not lead back to the group itself/;
  await refuse('POST', '/job', { job_id: 12, type: 'group', jobs: [1, 12] }, '#/jobs/1', back);
  // Its own number, which it has not asked for: how many jobs there are is nobody's concern.
  await refuse(
    'POST',
    '/job',
    { type: 'group', jobs: [1, 12] },
    '#/jobs/1',
    /accepted: the job_id of a job that is there/,
  );
  await refuse('PATCH', '/job/10', { jobs: [1, 11] }, '#/jobs/1', back);
  await refuse('PUT', '/job/10', { type: 'group', jobs: [11] }, '#/jobs/0', back);
  await refuse('PATCH', '/job/11', { jobs: [10, 99] }, '#/jobs/1', /given 99, accepted: .* a job that is there/);
  await refuse('PATCH', '/job/11', { jobs: null }, '#/jobs', /a list of jobs, or jobs_with_tag/);
  t.match((await send('GET', '/job/10')).json(), { version: 1, jobs: [1] });
});

test('a key groups only jobs that it reaches, and is not told whether there are others', async (t) => {
  const { send, limited } = await createScene(t);
  const shop = await limited(['read', 'write'], ['shop']);
  const reader = await limited(['read'], null);
  const tags = ['shop'];
  t.equal((await send('POST', '/job', { type: 'group', jobs: [1], tags }, reader)).statusCode, 403);
  t.equal((await send('POST', '/job', { job_id: 9, type: 'group', jobs: [1], tags }, shop)).statusCode, 201);
  const answers = [];
  for (const jobId of [2, 77]) {
    const answer = await send('PATCH', '/job/9', { jobs: [1, jobId] }, shop);
    answers.push(`${answer.statusCode} ${answer.body.replaceAll(String(jobId), 'ID')}`);
  }
  t.match(answers[0], /^400 .*VED_VALIDATION/);
  t.equal(answers[0], answers[1]);
  const foreign = await send('PATCH', '/job/9', { jobs_with_tag: 'bank' }, shop);
  t.match(foreign.json(), { statusCode: 403, code: 'VED_FORBIDDEN', message: /^jobs_with_tag: given "bank"/ });
  t.equal((await send('PATCH', '/job/9', { jobs_with_tag: 'shop' }, shop)).statusCode, 200);
});
