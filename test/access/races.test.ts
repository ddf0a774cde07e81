import { setTimeout as sleep } from 'node:timers/promises';
import { type Test, test } from 'tap';
import { addKey } from '../../src/access/keys/key-store.ts';
import type { Scope } from '../../src/access/scopes.ts';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import type { Database } from '../../src/postgres/database.ts';
import { createDatabase } from '../../src/postgres/pool.ts';
import { testJobRules } from '../api/test-job-rules.ts';
import { createTestServer, upReport } from '../api/test-server.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/database.ts';
import { databaseDefaults } from '../helpers/defaults.ts';
import { until } from '../helpers/until.ts';

const ROOT = 'a-key-of-the-settings';
const ACTOR = { name: 'test', address: null };

/** A process of the installation: a public server with connections of its own. */
async function createProcess(t: Test, { connectionString }: TestDatabase) {
  const database = await createDatabase({ ...databaseDefaults, connectionString, logger: silentLogger, poolSize: 8 });
  t.teardown(() => database.close());
  const jobStore = createJobStore({ database, clock: systemClock, ...testJobRules });
  const options = { loopback: false, rateLimitPerMinute: 0, maxConcurrentChecks: 100 };
  const checks = async () => {
    await sleep(5);
    return upReport();
  };
  const app = await createTestServer(t, { database, jobStore, checks, options, apiKeys: [ROOT] });
  const send = (key: string, method: string, url: string, payload?: object) =>
    app.inject({
      method: method as 'POST',
      url,
      headers: { authorization: `Bearer ${key}` },
      ...(payload ? { payload } : {}),
    });
  return { send, jobStore };
}

const makeKey = async (database: Database, scopes: readonly Scope[], tags: readonly string[] | null) =>
  (await addKey(database, ACTOR, { name: `key ${scopes} ${tags}`, scopes, tags, expiresAt: null })).text;

const CHANGES: ReadonlyArray<readonly [string, string, object?]> = [
  ['PATCH', '/job/1', { job_name: 'taken', tags: ['shop'] }],
  ['PUT', '/job/1', { job_name: 'taken', uri: 'http://taken.test/', tags: ['shop'] }],
  ['DELETE', '/job/1'],
  ['POST', '/job/1/stop'],
  ['POST', '/job/bulk', { action: 'stop', selection: { ids: [1] } }],
  ['POST', '/job/bulk', { action: 'delete', selection: { tag: 'shop' } }],
  ['POST', '/job/bulk', { action: 'tag', tags: ['x'], selection: { q: 'mine' } }],
];

for (const [method, url, body] of CHANGES) {
  const name = `${method} ${url} ${body ? JSON.stringify(body) : ''}`;
  test(`${name}: not of a job that has lost the tag in between`, async (t) => {
    const database = await createTestDatabase(t);
    const { send, jobStore } = await createProcess(t, database);
    await jobStore.create({ job_id: 1, job_name: 'mine', uri: 'http://a.test/', tags: ['shop'] });
    const key = await makeKey(database, ['read', 'operate', 'write'], ['shop']);
    let answer: ReturnType<typeof send> | undefined;
    await database.transaction(async (tx) => {
      // As an edit by somebody else, who is not through yet.
      await tx.query('UPDATE job_revision SET value = value + 1');
      await tx.query(
        `UPDATE jobs SET version = version + 1, revision = (SELECT value FROM job_revision),
           definition = jsonb_set(definition, '{tags}', '["bank"]') WHERE job_id = 1`,
      );
      answer = send(key, method, url, body);
      await until('the request waits for the edit', async () => {
        const { rows } = await tx.query<{ waiting: number }>(
          `SELECT count(*)::integer AS waiting FROM pg_stat_activity
           WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return rows[0]!.waiting > 0;
      });
    });
    t.match((await answer!).json(), { statusCode: 404, code: 'VED_JOB_NOT_FOUND' }, name);
    const stored = await jobStore.get(1);
    t.match(stored, { version: 2, running: true, job: { name: 'mine', tags: ['bank'] } });
    const { rows } = await database.query(`SELECT FROM audit WHERE actor LIKE 'key:%'`);
    t.equal(rows.length, 0, 'nothing is noted');
  });
}

test('tags come and go while a limited key changes jobs: never one that is out of its reach', async (t) => {
  const database = await createTestDatabase(t);
  const { send, jobStore } = await createProcess(t, database);
  for (let jobId = 1; jobId <= 4; jobId++)
    await jobStore.create({ job_id: jobId, uri: 'http://a.test/', tags: jobId % 2 ? ['shop'] : ['bank'] });
  const key = await makeKey(database, ['read', 'operate', 'write'], ['shop']);
  let isOver = false;
  const seen = new Map<number, number>();
  const limited = async (worker: number) => {
    for (let i = 0; !isOver; i++) {
      const jobId = 1 + ((worker + i) % 4);
      const { statusCode } = await (i % 2
        ? send(key, 'PATCH', `/job/${jobId}`, { job_name: `by the key ${worker} ${i}`, tags: ['shop'] })
        : send(key, 'POST', `/job/${jobId}/${i % 4 ? 'stop' : 'start'}`));
      seen.set(statusCode, (seen.get(statusCode) ?? 0) + 1);
    }
  };
  const owner = async () => {
    for (let i = 0; i < 60; i++)
      await send(ROOT, 'PATCH', `/job/${1 + (i % 4)}`, { tags: [(i >> 2) % 2 ? 'shop' : 'bank'] });
    isOver = true;
  };
  await Promise.all([owner(), limited(0), limited(1), limited(2)]);
  t.comment(JSON.stringify(Object.fromEntries(seen)));
  for (const status of seen.keys()) t.match(String(status), /^(200|404|412)$/);
  t.ok(seen.get(200) && seen.get(404), 'some were changed, some were not there');
  // Each change of the key found the job with its tag: so say the states before, in the order of the changes.
  const { rows } = await database.query<{ actor: string; action: string; subject: string; tags: string[] }>(
    `SELECT actor, action, subject, after -> 'tags' AS tags FROM audit ORDER BY id`,
  );
  const tags = new Map<string, string[]>();
  let changes = 0;
  for (const { actor, subject, tags: after, action } of rows) {
    if (!subject.startsWith('job:')) continue;
    if (actor.startsWith('key:')) {
      changes++;
      if (!tags.get(subject)?.includes('shop')) t.fail(`${action} of ${subject} with the tags ${tags.get(subject)}`);
    }
    if (after) tags.set(subject, after);
  }
  t.ok(changes > 10, `${changes} changes by the key`);
});

test('a key that is revoked by one process is refused at once by the other, while requests run', async (t) => {
  const database = await createTestDatabase(t);
  const [one, other] = [await createProcess(t, database), await createProcess(t, database)];
  await one.jobStore.create({ job_id: 1, uri: 'http://a.test/', tags: ['shop'] });
  for (let round = 0; round < 5; round++) {
    const made = (await one.send(ROOT, 'POST', '/key', { name: `round ${round}`, role: 'editor' })).json();
    let isRevoked = false;
    let isOver = false;
    const seen = { before: 0, after: 0 };
    const worker = async (process: typeof one) => {
      while (!isOver) {
        const begunRevoked = isRevoked;
        const { statusCode } = await process.send(made.key, 'POST', `/job/1/${seen.before % 2 ? 'check' : 'start'}`);
        if (begunRevoked) {
          seen.after++;
          if (statusCode !== 401) t.fail(`answered ${statusCode} after it was revoked`);
        } else {
          seen.before++;
          if (statusCode !== 200 && statusCode !== 401) t.fail(`answered ${statusCode}`);
        }
      }
    };
    const workers = [one, other, one, other].map(worker);
    await until('requests', async () => seen.before > 20);
    t.equal((await one.send(ROOT, 'DELETE', `/key/${made.id}`)).statusCode, 204);
    isRevoked = true;
    await until('further requests', async () => seen.after > 20);
    isOver = true;
    await Promise.all(workers);
  }
});
