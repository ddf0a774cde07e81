import { type Test, test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import { testJobRules } from '../api/test-job-rules.ts';
import { createTestServer } from '../api/test-server.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/database.ts';

const ROOT = 'a-key-of-the-settings';

async function createScene(t: Test, given?: TestDatabase) {
  const database = given ?? (await createTestDatabase(t));
  const jobStore = createJobStore({ database, clock: systemClock, ...testJobRules });
  const app = await createTestServer(t, { database, jobStore, options: { loopback: false }, apiKeys: [ROOT] });
  const send = (method: string, url: string, key: string = ROOT, payload?: object) =>
    app.inject({
      method: method as 'GET',
      url,
      headers: { authorization: `Bearer ${key}` },
      ...(payload ? { payload } : {}),
    });
  const make = async (payload: object): Promise<{ id: number; key: string }> => {
    const answer = await send('POST', '/key', ROOT, payload);
    t.equal(answer.statusCode, 201, answer.body);
    return answer.json();
  };
  return { app, database, send, make };
}

test('a key is shown once, found by its beginning, and does what its scopes say', async (t) => {
  const { send, make, database } = await createScene(t);
  const made = await make({ name: 'grafana' });
  t.match(made, { name: 'grafana', scopes: ['read'], tags: null, created_by: 'settings key', expires_at: null });
  t.match(made.key, /^ved_[0-9A-Za-z]{8}_[0-9A-Za-z]{32}$/);
  t.equal((await send('GET', '/job', made.key)).statusCode, 200);
  for (const [method, url] of [
    ['POST', '/job/1/stop'],
    ['DELETE', '/job/1'],
    ['POST', '/db/init'],
    ['GET', '/key'],
    ['GET', '/audit'],
  ] as const) {
    const refused = (await send(method, url, made.key)).json();
    t.match(refused, { statusCode: 403, code: 'VED_FORBIDDEN', message: /key:grafana has the scopes read, needed: / });
  }
  const [listed] = (await send('GET', '/key')).json();
  t.match(listed, { name: 'grafana', prefix: made.key.slice(0, 12) });
  t.not(listed.last_used_at, null, 'its use is noted');
  t.notMatch(JSON.stringify(listed), made.key);
  const { rows } = await database.query<{ text: string }>('SELECT api_keys::text AS text FROM api_keys');
  t.notMatch(rows[0]?.text, made.key.slice(13), 'the key itself is not stored');

  t.match((await send('POST', '/key', ROOT, { name: 'grafana' })).json(), {
    ...{ statusCode: 409, code: 'VED_KEY_EXISTS', errors: [{ pointer: '#/name' }] },
  });
  t.equal((await send('DELETE', `/key/${made.id}`)).statusCode, 204);
  t.match((await send('GET', '/job', made.key)).json(), { statusCode: 401 });
  t.match((await send('DELETE', `/key/${made.id}`)).json(), { statusCode: 404, code: 'VED_KEY_NOT_FOUND' });
  t.equal((await send('POST', '/key', ROOT, { name: 'grafana' })).statusCode, 201, 'the name is free again');
});

test('another key with the same beginning, and an expired one, are refused', async (t) => {
  const { send, make, database } = await createScene(t);
  const { key, id } = await make({ name: 'short', expires_at: new Date(Date.now() + 60_000).toISOString() });
  t.equal((await send('GET', '/job', key)).statusCode, 200);
  const forged = key.slice(0, -1) + (key.endsWith('A') ? 'B' : 'A');
  t.equal((await send('GET', '/job', forged)).statusCode, 401);
  await database.query("UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1", [id]);
  t.equal((await send('GET', '/job', key)).statusCode, 401);
  const past = { name: 'past', expires_at: '2020-01-01T00:00:00Z' };
  t.match((await send('POST', '/key', ROOT, past)).json(), {
    statusCode: 400,
    message: /expires_at: .* a time to come/,
  });
});

test('scopes and roles: one of the two, an admin reaches everything', async (t) => {
  const { send, make } = await createScene(t);
  const refuse = async (body: object, message: RegExp) =>
    t.match((await send('POST', '/key', ROOT, { name: 'x', ...body })).json(), { statusCode: 400, message });
  await refuse({ scopes: ['read'], role: 'viewer' }, /one of the two/);
  await refuse({ scopes: ['all'] }, /scopes/);
  await refuse({ scopes: [] }, /scopes/);
  await refuse({ role: 'admin', tags: ['shop'] }, /an admin can make a key for all jobs/);
  await refuse({ nme: 'y' }, /nme/);
  const { key } = await make({ name: 'root', scopes: ['admin'] });
  for (const url of ['/job', '/key', '/audit']) t.equal((await send('GET', url, key)).statusCode, 200, url);
  const writer = await make({ name: 'writer', scopes: ['write'] });
  t.equal((await send('GET', '/job', writer.key)).statusCode, 403, 'each scope stands for itself');
  const bulk = (action: string) => ({ action, selection: { ids: [1] }, ...(action === 'tag' ? { tags: ['a'] } : {}) });
  const operator = await make({ name: 'operator', role: 'operator' });
  t.equal((await send('POST', '/job/bulk', operator.key, bulk('stop'))).statusCode, 404, 'no such job');
  for (const action of ['delete', 'tag']) {
    t.equal((await send('POST', '/job/bulk', operator.key, bulk(action))).statusCode, 403, action);
  }
});

test('every change of a job is noted with who, from where, before and after, without secrets', async (t) => {
  const { send, make, database } = await createScene(t);
  const { key } = await make({ name: 'editor', role: 'editor' });
  const uri = 'http://user:p4ssw0rd@127.0.0.1/?token=t0ken';
  await send('POST', '/job', key, { uri, headers: { authorization: 'Bearer s3cret' } });
  await send('PATCH', '/job/1', key, { check_period_seconds: 30 });
  await send('PATCH', '/job/1', key, { check_period_seconds: 30 });
  await send('POST', '/job/1/stop', key);
  await send('POST', '/job/1/stop', key);
  await send('POST', '/job/bulk', key, { action: 'tag', tags: ['a'], selection: { ids: [1] } });
  await send('DELETE', '/job/1', key);
  const entries = (await send('GET', '/audit?subject=job:1')).json() as Array<Record<string, unknown>>;
  t.match(
    entries.map(({ action }) => action),
    ['job.remove', 'job.update', 'job.stop', 'job.update', 'job.add'],
    'what changed nothing is not there',
  );
  t.ok(entries.every(({ actor, address }) => actor === 'key:editor' && address === '127.0.0.1'));
  const [removed, tagged, stopped, patched, added] = entries;
  t.match(removed, { before: { tags: ['a'] }, after: null });
  t.match(tagged, { before: { check_period_seconds: 30 }, after: { check_period_seconds: 30, tags: ['a'] } });
  t.match(stopped, { before: { running: true }, after: { running: false } });
  t.notMatch(JSON.stringify(patched?.before), 'check_period_seconds');
  t.match(patched, { after: { check_period_seconds: 30 } });
  t.match(added, { before: null, after: { uri: 'http://user:********@127.0.0.1/?token=********' } });
  t.notMatch(JSON.stringify(entries), /p4ssw0rd|t0ken|s3cret/);
  t.match((await send('GET', '/audit?action=key')).json(), [
    { action: 'key.add', subject: 'key:editor', before: null },
  ]);

  for (const change of ['UPDATE audit SET actor = NULL', 'DELETE FROM audit']) {
    await t.rejects(database.query(change), { code: '42501' }, change);
  }
});

test('the audit is paged, and bounded by time', async (t) => {
  const { send, make } = await createScene(t);
  for (let i = 0; i < 5; i++) await make({ name: `key ${i}` });
  const seen: string[] = [];
  let url: string | null = '/audit?limit=2';
  while (url !== null) {
    const answer = await send('GET', url);
    seen.push(...(answer.json() as Array<{ subject: string }>).map(({ subject }) => subject));
    url = /<([^>]+)>; rel="next"/.exec(String(answer.headers.link))?.[1] ?? null;
  }
  t.same(seen, ['key:key 4', 'key:key 3', 'key:key 2', 'key:key 1', 'key:key 0']);
  t.same((await send('GET', '/audit?to=-1h')).json(), []);
  t.equal((await send('GET', '/audit?from=-1h&actor=settings%20key')).json().length, 5);
});

test('a change that fails is not noted', async (t) => {
  const { send } = await createScene(t);
  await send('POST', '/job', ROOT, { job_id: 7, uri: 'http://127.0.0.1/' });
  const again = await send('POST', '/job', ROOT, { job_id: 7, uri: 'http://127.0.0.1/' });
  t.match(again.json(), { statusCode: 409, code: 'VED_JOB_EXISTS', errors: [{ pointer: '#/job_id' }] });
  t.equal((await send('POST', '/job/8/stop')).statusCode, 404);
  t.equal((await send('GET', '/audit?action=job')).json().length, 1);
});
