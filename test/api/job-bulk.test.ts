import { test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { toJob } from '../../src/jobs/mapping.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { insertProgress } from '../stats/rows.ts';
import { createTestServer } from './test-server.ts';

const definition = { job_name: 'check localhost', check_period_seconds: 60, uri: 'http://127.0.0.1:8080/' };

test('many jobs are changed at once, all or none', async (t) => {
  const database = await createTestDatabase(t);
  const app = await createTestServer(t, {
    database,
    jobStore: createJobStore({ database, clock: systemClock, toJob, redact: (given) => given }),
  });
  const send = (method: 'GET' | 'POST', url: string, payload?: object) =>
    app.inject({ method, url, ...(payload && { payload }) });
  for (const [id, tags] of [
    [1, ['shop']],
    [2, ['shop', 'old']],
    [3, []],
    [4, ['shop']],
  ] as const) {
    await send('POST', '/job', { ...definition, job_id: id, tags });
  }
  await database.query("UPDATE jobs SET source = 'file' WHERE job_id = 4");
  await insertProgress(database, { jobId: 3, slot: 1_000, outcome: 'down' });
  const bulk = (body: object) => send('POST', '/job/bulk', body);
  const running = async () => (await send('GET', '/job')).json().map((job: { running: boolean }) => job.running);
  const versions = async () => (await database.query('SELECT sum(revision)::integer AS sum FROM jobs')).rows[0];
  const shop = { selection: { tag: 'shop' } };

  const before = await versions();
  const dry = await bulk({ action: 'stop', ...shop, dry_run: true });
  t.same(dry.json(), { action: 'stop', dry_run: true, selected: 3, changed: [1, 2, 4] });
  t.same(await versions(), before, 'a dry run writes nothing');
  t.same((await bulk({ action: 'stop', ...shop })).json().changed, [1, 2, 4]);
  t.same(await running(), [false, false, true, false]);
  t.same((await bulk({ action: 'stop', ...shop })).json(), {
    action: 'stop',
    dry_run: false,
    selected: 3,
    changed: [],
  });
  t.same((await bulk({ action: 'start', selection: { running: false, q: 'LOCALHOST' } })).json().changed, [1, 2, 4]);
  t.same((await bulk({ action: 'stop', selection: { outcome: 'down' } })).json().changed, [3]);

  for (const body of [{ action: 'delete' }, { action: 'tag', tags: ['x'] }, { action: 'delete', dry_run: true }]) {
    const refused = await bulk({ ...body, ...shop });
    t.match(refused.json(), { statusCode: 409, code: 'VED_JOB_MANAGED_BY_FILE', message: /manages 4:.*nothing/ });
  }
  t.match((await bulk({ action: 'delete', selection: { ids: [1, 99] } })).json(), { statusCode: 404, message: /99/ });
  t.equal((await running()).length, 4);

  t.same((await bulk({ action: 'tag', tags: ['a', 'old'], selection: { ids: [1, 2] } })).json().changed, [1, 2]);
  t.same((await bulk({ action: 'untag', tags: ['old'], selection: { ids: [1, 2, 3] } })).json().changed, [1, 2]);
  t.match((await send('GET', '/job/2')).json(), { tags: ['shop', 'a'], version: 3, running: true });
  const { rows } = await database.query('SELECT version FROM job_versions WHERE job_id = 2 ORDER BY version');
  t.same(rows, [{ version: 1 }, { version: 2 }, { version: 3 }], 'every definition is kept');
  const many = Array.from({ length: 31 }, (_, index) => `t${index}`);
  t.match((await bulk({ action: 'tag', tags: many, selection: { ids: [3, 2] } })).json(), {
    statusCode: 400,
    message: /Job 2 would have 33 tags/,
  });
  t.same((await bulk({ action: 'delete', selection: { ids: [1, 3] } })).json().changed, [1, 3]);
  t.equal((await running()).length, 2);

  for (const wrong of [
    {},
    { action: 'stop' },
    { action: 'stop', selection: {} },
    { action: 'stop', selection: { ids: [] } },
    { action: 'stop', selection: { ids: [1], tag: 'shop' } },
    { action: 'tag', selection: { ids: [1] } },
    { action: 'stop', tags: ['x'], selection: { ids: [1] } },
    { action: 'remove', selection: { ids: [1] } },
    { action: 'stop', selection: { tags: ['shop'] } },
  ]) {
    t.equal((await bulk(wrong)).statusCode, 400, JSON.stringify(wrong));
  }
});
