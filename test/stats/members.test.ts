import { test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import { countCronSlots } from '../../src/scheduler/slots.ts';
import { createReadModel } from '../../src/stats/index.ts';
import { testJobRules } from '../api/test-job-rules.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { insertProgress, insertSpan } from './rows.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;
const DELAY = 30_000;

async function setUp(t: Parameters<typeof createTestDatabase>[0]) {
  const database = await createTestDatabase(t);
  const store = createJobStore({ database, clock: systemClock, ...testJobRules });
  const readModel = createReadModel({ database, cronSlots: countCronSlots });
  const statesOf = async (jobIds: readonly number[], location = 'default') => {
    const asked = { jobIds, tags: [], perTag: 10, location, delayMs: DELAY };
    const { jobs } = await readModel.members(asked);
    return Object.fromEntries([...jobs.values()].map(({ jobId, state }) => [jobId, state]));
  };
  return { database, store, readModel, statesOf };
}

test('a job is as its last result says, if that is recent; stopped ones are said to be so, removed ones are not there', async (t) => {
  const { database, store, statesOf } = await setUp(t);
  const now = Date.now();
  const job = async (jobId: number, at: number | null, outcome = 'up', more: object = {}) => {
    await store.create({ job_id: jobId, uri: 'http://a.test/', ...more });
    await insertSpan(database, { jobId, period: MINUTE, from: now - DAY });
    if (at !== null) await insertProgress(database, { jobId, slot: at, outcome });
  };
  await job(1, now - 1_000);
  await job(2, now - 1_000, 'degraded');
  await job(3, now - 1_000, 'down');
  await job(4, now - 1_000, 'missed');
  await job(5, null);
  await job(6, now - 1_000, 'down', { enabled: false });
  await job(7, now - 1_000);
  await store.remove(7);
  // Two slots, or three, within what may be on its way, and three before that.
  await job(8, now - 2 * MINUTE - DELAY);
  await job(9, now - 3 * MINUTE - DELAY - 1_000);
  await store.create({ job_id: 10, uri: 'http://a.test/' });
  await insertProgress(database, { jobId: 10, slot: now - 1_000 });
  t.strictSame(await statesOf([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]), {
    ...{ 1: 'up', 2: 'degraded', 3: 'down', 4: 'unknown', 5: 'unknown', 6: 'stopped', 8: 'up', 9: 'unknown' },
    // It is to run, and no scheduler has it.
    10: 'unknown',
  });
  await store.setRunning(1, false);
  t.strictSame(await statesOf([1]), { 1: 'stopped' });
});

test('the slots of a cron expression are counted, however far apart they are', async (t) => {
  const { database, store, statesOf } = await setUp(t);
  const now = Date.now();
  const yesterday = Math.floor(now / DAY) * DAY - DAY;
  for (const [jobId, cron, at] of [
    [1, '0 0 * * *', yesterday],
    [2, '0 0 * * *', yesterday - 3 * DAY],
    [3, '* * * * *', now - 5 * MINUTE],
  ] as const) {
    await store.create({ job_id: jobId, uri: 'http://a.test/', check_cron: cron });
    await insertSpan(database, { jobId, period: null, phase: null, cron, from: now - 10 * DAY });
    await insertProgress(database, { jobId, slot: at });
  }
  t.strictSame(await statesOf([1, 2, 3]), { 1: 'up', 2: 'unknown', 3: 'unknown' });
});

test('a schedule that cannot be read here makes its own job unknown, and no other', async (t) => {
  const { database, store, statesOf } = await setUp(t);
  const now = Date.now();
  for (const jobId of [1, 2]) {
    await store.create({ job_id: jobId, uri: 'http://a.test/', check_cron: '* * * * *' });
    await insertSpan(database, { jobId, period: null, phase: null, cron: '* * * * *', from: now - DAY });
    await insertProgress(database, { jobId, slot: now - DELAY - 10_000 });
  }
  await database.query("UPDATE schedule_spans SET cron_timezone = 'Mars/Olympus' WHERE job_id = 2");
  t.strictSame(await statesOf([1, 2]), { 1: 'up', 2: 'unknown' });
});

test('a job that runs at the location counts as it is there, any other as at the worst of its own', async (t) => {
  const { database, store, statesOf } = await setUp(t);
  const now = Date.now();
  await store.create({ job_id: 1, uri: 'http://a.test/', location: ['eu', 'us', 'asia'] });
  const outcomes = { eu: 'up', us: 'down', asia: 'degraded' };
  for (const [location, outcome] of Object.entries(outcomes)) {
    await insertSpan(database, { jobId: 1, location, period: MINUTE, from: now - DAY });
    await insertProgress(database, { jobId: 1, location, slot: now - 1_000, outcome });
  }
  // It ran there once.
  await insertSpan(database, { jobId: 1, location: 'default', from: now - DAY, to: now - 1_000 });
  await insertProgress(database, { jobId: 1, slot: now - 1_000 });
  t.strictSame(await statesOf([1], 'eu'), { 1: 'up' });
  t.strictSame(await statesOf([1], 'asia'), { 1: 'degraded' });
  t.strictSame(await statesOf([1], 'default'), { 1: 'down' });
  await database.query("UPDATE series_progress SET last_outcome = 'missed' WHERE location = 'us'");
  t.strictSame(await statesOf([1]), { 1: 'unknown' });
  await database.query("UPDATE series_progress SET last_outcome = 'up' WHERE location = 'us'");
  t.strictSame(await statesOf([1]), { 1: 'degraded' });
});

test('only the topic of now counts', async (t) => {
  const { database, store, statesOf } = await setUp(t);
  const now = Date.now();
  await store.create({ job_id: 1, uri: 'http://a.test/' });
  await insertSpan(database, { jobId: 1, period: MINUTE, from: now - DAY });
  await insertProgress(database, { jobId: 1, topic: 'former', slot: now - 500 });
  t.strictSame(await statesOf([1]), { 1: 'unknown' });
  await insertProgress(database, { jobId: 1, slot: now - 1_000, outcome: 'down' });
  t.strictSame(await statesOf([1]), { 1: 'down' });
});

test('jobs with a tag: without groups and removed ones, at most so many, with names that show no secrets', async (t) => {
  const { store, readModel } = await setUp(t);
  const tags = ['shop'];
  await store.create({ job_id: 1, uri: 'http://a.test/?token=s3cret', tags });
  await store.create({ job_id: 2, uri: 'http://a.test/', job_name: 'front', tags: ['eu', 'shop'] });
  await store.create({ job_id: 3, uri: 'http://a.test/', tags });
  await store.create({ job_id: 4, type: 'group', jobs: [1], tags });
  await store.create({ job_id: 5, uri: 'http://a.test/' });
  await store.remove(3);
  const asked = { jobIds: [5], tags: ['shop', 'eu', 'none'], perTag: 10, location: 'default', delayMs: DELAY };
  const { jobs, tagged } = await readModel.members(asked);
  t.strictSame(Object.fromEntries(tagged), { shop: [1, 2], eu: [2], none: [] });
  t.strictSame([...jobs.keys()].sort(), [1, 2, 5]);
  t.match(jobs.get(1), { name: 'http://a.test/?token=********', state: 'unknown' });
  t.match(jobs.get(2), { name: 'front' });
  t.equal((await readModel.members({ ...asked, perTag: 1 })).tagged.get('shop')?.length, 1);
  await t.rejects(async () => readModel.within(['shop']).members(asked), /limited principal/);
});
