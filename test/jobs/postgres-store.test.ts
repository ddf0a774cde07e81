import { test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import type { Job } from '../../src/jobs/definition.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import type { JobDefinition, JobFilter } from '../../src/jobs/store.ts';
import { createTestDatabase } from '../helpers/database.ts';

// The store stores; what a definition means is somebody else's test.
const toJob = (definition: JobDefinition, jobId: number) => ({ jobId, options: definition }) as unknown as Job;
const site = (jobId: number, more: object = {}) => ({ job_id: jobId, uri: `http://127.0.0.1/${jobId}`, ...more });

test('a job of the API: made, changed under its version, started, stopped, removed, with every definition kept', async (t) => {
  const database = await createTestDatabase(t);
  const store = createJobStore({ database, clock: systemClock, toJob, redact: (given) => given });
  const made = await store.create({ uri: 'http://127.0.0.1/' });
  t.match(made, { job: { jobId: 1 }, version: 1, running: true, source: 'api', deleted: false });
  await t.rejects(store.create(site(1)), { code: 'VED_JOB_EXISTS' });
  t.match(await store.create(site(7, { enabled: false })), { running: false });
  t.match(await store.create({ uri: 'x' }), { job: { jobId: 8 } });

  const changed = await store.update(1, { uri: 'http://127.0.0.1/new' }, { ifVersion: 1 });
  t.match(changed, { version: 2, running: true });
  await t.rejects(store.update(1, { uri: 'late' }, { ifVersion: 1 }), { code: 'VED_VERSION_CONFLICT' });
  await t.rejects(store.update(99, { uri: 'none' }), { code: 'VED_JOB_NOT_FOUND' });

  t.match(await store.setRunning(1, false), { running: false, version: 2 });
  const again = await store.setRunning(1, false);
  t.match(await store.get(1), { running: false, revision: again.revision });

  const revisions = () => database.query('SELECT value FROM job_revision').then(({ rows }) => rows);
  const [before, [revision]] = [await store.get(1), await revisions()];
  const definition = (await store.definitionOf(1)) as { uri: string };
  const unchanged = await store.update(1, Object.fromEntries(Object.entries(definition).reverse()));
  t.match(unchanged, { version: 2, revision: before?.revision }, 'what changes nothing makes no version');
  t.same(await store.get(1), before);
  await store.setRunning(1, false);
  t.strictSame(await revisions(), [revision], 'and writes nothing');
  await t.rejects(store.update(1, definition, { ifVersion: 1 }), { code: 'VED_VERSION_CONFLICT' });

  await store.remove(1);
  t.equal(await store.get(1), null);
  t.match(await store.changedSince(0), [
    { job: { jobId: 7 } },
    { job: { jobId: 8 } },
    { deleted: true, running: false },
  ]);
  t.match(await store.create(site(1)), { version: 3, running: true });
  const versions = await database.query('SELECT version FROM job_versions WHERE job_id = 1 ORDER BY version');
  t.strictSame(versions.rows, [{ version: 1 }, { version: 2 }, { version: 3 }]);
});

test('the job file makes its jobs equal, remembers what the API started and stopped, and leaves other jobs alone', async (t) => {
  const database = await createTestDatabase(t);
  const store = createJobStore({ database, clock: systemClock, toJob, redact: (given) => given });
  await store.create(site(50));
  const first = await store.applyFile([site(1), site(2), site(3, { enabled: false })]);
  t.strictSame(first, { created: [1, 2, 3], changed: [], removed: [], unchanged: [] });
  t.match(await store.get(3), { running: false, source: 'file' });

  await store.setRunning(1, false);
  const second = await store.applyFile([site(1, { tags: ['new'] }), site(3, { enabled: true })]);
  t.strictSame(second, { created: [], changed: [1, 3], removed: [2], unchanged: [] });
  t.match(await store.get(1), { running: false, version: 2 }, 'a stop by the API is remembered');
  t.match(await store.get(3), { running: true }, 'enabled itself was changed');
  t.match(await store.get(50), { running: true, source: 'api' });

  const same = await store.applyFile([site(1, { tags: ['new'] }), site(3, { enabled: true })]);
  t.strictSame(same, { created: [], changed: [], removed: [], unchanged: [1, 3] });
  await t.rejects(store.update(1, site(1)), { code: 'VED_JOB_MANAGED_BY_FILE' });
  await t.rejects(store.applyFile([site(50)]), { code: 'VED_JOBS_FILE_INVALID', message: /given 50/ });
  t.match(await store.get(1), { running: false }, 'a refused file changed nothing');
  t.match(await store.applyFile([site(1), site(2)]), { created: [2], changed: [1], removed: [3] });
});

test('lists filter and page, and watchers hear of changes', async (t) => {
  const database = await createTestDatabase(t);
  const store = createJobStore({ database, clock: systemClock, toJob, redact: (given) => given, pollMs: 60_000 });
  await store.applyFile([
    site(1, { job_name: '100% Shop', tags: ['shop'] }),
    site(2, { job_name: 'Blog', enabled: false }),
    site(3, { job_name: 'shop_2', tags: ['shop', 'eu'] }),
  ]);
  const ids = async (filter: JobFilter) => (await store.list(filter)).map(({ job }) => job.jobId);
  t.strictSame(await ids({}), [1, 2, 3]);
  t.strictSame(await ids({ q: 'SHOP' }), [1, 3]);
  t.strictSame(await ids({ q: '0%' }), [1], 'wildcards in the text are text');
  t.strictSame(await ids({ q: 'p_' }), [3]);
  t.strictSame(await ids({ tags: ['eu'] }), [3]);
  t.strictSame(await ids({ running: false }), [2]);
  t.strictSame(await ids({ limit: 1, after: { key: 1, jobId: 1 } }), [2]);
  await database.query(`INSERT INTO series_progress (job_id, location, topic, epoch, slot, last_outcome)
    VALUES (3, 'default', 'checks', 1, 1, 'down')`);
  t.strictSame(await ids({ outcomes: ['down'] }), [3]);

  let heard = () => {};
  const change = new Promise<void>((resolve) => {
    heard = resolve;
  });
  const unwatch = await store.watch(() => heard());
  await store.setRunning(2, true);
  await change;
  await unwatch();
});

test('a file of 100,000 jobs is applied within seconds', async (t) => {
  const database = await createTestDatabase(t);
  const store = createJobStore({ database, clock: systemClock, toJob, redact: (given) => given });
  const definitions = Array.from({ length: 100_000 }, (_, index) => site(index + 1, { check_period_seconds: 60 }));
  t.equal((await store.applyFile(definitions)).created.length, 100_000);
  t.equal((await store.applyFile(definitions)).unchanged.length, 100_000);
  t.equal((await store.changedSince(0)).length, 100_000);
  let seen = 0;
  let last = { revision: 0, jobId: 0 };
  for (;;) {
    const page = await store.changedSince(last.revision, { afterJobId: last.jobId, limit: 30_000 });
    seen += page.length;
    if (page.length < 30_000) break;
    const { revision, job } = page[page.length - 1];
    last = { revision, jobId: job.jobId };
  }
  t.equal(seen, 100_000, 'page by page');
});
