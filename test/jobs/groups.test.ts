import fc from 'fast-check';
import { type Test, test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { cycleProblem, findCycle } from '../../src/jobs/groups.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import { testJobRules } from '../api/test-job-rules.ts';
import { createTestDatabase } from '../helpers/database.ts';

const THERE = 'the job_id of a job that is there';
const LEADS_BACK = 'a job that does not lead back to the group itself, directly or over other groups';
const site = (jobId: number, more: object = {}) => ({ job_id: jobId, uri: `http://127.0.0.1/${jobId}`, ...more });
const group = (jobId: number, jobs: readonly number[], more: object = {}) => {
  return { job_id: jobId, type: 'group', jobs, ...more };
};
const refused = (path: string, given: unknown, accepted: string) => {
  return { code: 'VED_VALIDATION', problems: [{ path, given, accepted }] };
};

async function setUp(t: Test) {
  const database = await createTestDatabase(t);
  return { database, store: createJobStore({ database, clock: systemClock, ...testJobRules }) };
}

test('a group names jobs that are there, and none that leads back to it', async (t) => {
  const { store } = await setUp(t);
  await store.create(site(1));
  await store.create(group(10, [1]));
  await store.create(group(11, [10, 1]));
  await t.rejects(store.create(group(12, [1, 77])), refused('jobs[1]', 77, THERE));
  await t.rejects(store.create(group(12, [12])), refused('jobs[0]', 12, LEADS_BACK));
  await t.rejects(store.update(10, group(10, [1, 11])), refused('jobs[1]', 11, LEADS_BACK));
  t.strictSame((await store.definitionOf(10))?.jobs, [1], 'a refused change changes nothing');
  t.equal(await store.get(12), null);
  await t.rejects(store.update(1, group(1, [11])), refused('jobs[0]', 11, LEADS_BACK), 'a job that becomes a group');
  await store.update(11, group(11, [1]));
  await store.update(10, group(10, [11]));
  t.strictSame((await store.definitionOf(10))?.jobs, [11]);
});

test('a member may be removed; the group can be changed, started and stopped, and only new members must be there', async (t) => {
  const { store } = await setUp(t);
  for (const jobId of [1, 2]) await store.create(site(jobId));
  await store.create(group(10, [1, 2]));
  await store.remove(1);
  await store.setRunning(10, false);
  await store.setRunning(10, true);
  await store.changeAll([10], { action: 'tag', tags: ['shop'] });
  await store.update(10, group(10, [2, 1], { job_name: 'shop' }));
  await t.rejects(store.update(10, group(10, [2, 1, 3])), refused('jobs[2]', 3, THERE));
  await store.update(10, group(10, [2]));
  await t.rejects(store.update(10, group(10, [2, 1])), refused('jobs[1]', 1, THERE));
  await store.remove(10);
  await t.rejects(store.create(group(10, [2, 1])), refused('jobs[1]', 1, THERE), 'a group that is made again is new');
});

test('job files: any order, jobs of the database, and cycles over both', async (t) => {
  const { store } = await setUp(t);
  await store.create(site(50));
  const first = await store.applyFile([group(1, [3, 50, 2]), group(2, [3]), site(3)]);
  t.strictSame(first.created, [1, 2, 3]);
  await store.create(group(51, [1]));
  for (const [definitions, message] of [
    [[group(1, [2, 99]), group(2, [1]), site(3)], `job 1: jobs[1]: given 99, accepted: ${THERE}`],
    [[group(1, [2]), group(2, [3, 1]), site(3)], `job 1: jobs[0]: given 2, accepted: ${LEADS_BACK}`],
    [[group(1, [2]), group(2, [51]), site(3)], `job 1: jobs[0]: given 2, accepted: ${LEADS_BACK}`],
    [[group(1, [1])], `job 1: jobs[0]: given 1, accepted: ${LEADS_BACK}`],
  ] as const) {
    await t.rejects(store.applyFile(definitions), { code: 'VED_JOBS_FILE_INVALID', message });
  }
  t.match(await store.definitionOf(1), { jobs: [3, 50, 2] }, 'a refused file changes nothing');
  await t.rejects(store.update(51, group(51, [2, 1, 51])), refused('jobs[2]', 51, LEADS_BACK));

  t.match(await store.applyFile([group(1, [3, 50, 2])]), { changed: [], removed: [2, 3] });
  t.match(await store.applyFile([group(1, [3, 50, 2], { job_name: 'shop' })]), { changed: [1] });
});

test('imports are refused as a whole', async (t) => {
  const { store } = await setUp(t);
  const none = { created: [], changed: [], removed: [] };
  await t.rejects(store.applyImport({ ...none, created: [group(1, [2]), group(2, [1])] }), {
    code: 'VED_VALIDATION',
    message: `job 1: jobs[0]: given 2, accepted: ${LEADS_BACK}`,
  });
  await store.applyImport({ ...none, created: [group(1, [2]), group(2, [3]), site(3)] });
  t.match(await store.list(), [{ job: { type: 'group' } }, { job: { type: 'group' } }, { job: { type: 'http' } }]);
});

test('jobs out of reach are refused as jobs that do not exist, and so are their tags', async (t) => {
  const { store } = await setUp(t);
  const shop = store.as({ actor: { name: 'key:shop', address: null }, tags: ['shop'] });
  await store.create(site(1, { tags: ['shop'] }));
  await store.create(site(2, { tags: ['bank'] }));
  const tags = ['shop'];
  await shop.create(group(10, [1], { tags, jobs_with_tag: 'shop' }));
  await t.rejects(shop.create(group(11, [1, 2], { tags })), refused('jobs[1]', 2, THERE));
  await t.rejects(shop.create(group(11, [1, 77], { tags })), refused('jobs[1]', 77, THERE));
  await t.rejects(shop.update(10, group(10, [2], { tags })), refused('jobs[0]', 2, THERE));
  await t.rejects(shop.create(group(11, [1], { tags, jobs_with_tag: 'bank' })), {
    code: 'VED_FORBIDDEN',
    message: /^jobs_with_tag: given "bank", accepted: one of \["shop"\]/,
  });
  await store.update(10, group(10, [1, 2], { tags, jobs_with_tag: 'bank' }));
  await shop.update(10, group(10, [1, 2], { tags, jobs_with_tag: 'bank', job_name: 'what others put there stays' }));
  await shop.update(10, group(10, [1], { tags }));
  await t.rejects(shop.update(10, group(10, [1, 2], { tags })), refused('jobs[1]', 2, THERE));
});

test('groups that would make a change dear are refused', async (t) => {
  const { store } = await setUp(t);
  const ids = Array.from({ length: 1_001 }, (_, index) => index + 100);
  await store.applyFile([site(1), ...ids.map((jobId) => group(jobId, [1]))]);
  await store.create(group(2_000, ids.slice(1)));
  await t.rejects(store.create(group(2_001, [...ids.slice(0, 1), 2_000])), {
    ...{ code: 'VED_VALIDATION', problems: [{ path: 'jobs', accepted: 'at most 1000 groups below a group' }] },
  });
});

test('a cycle is found if there is one, and then it is one', async (t) => {
  const graph = fc.array(fc.array(fc.nat(7), { maxLength: 3 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(graph, (edges) => {
      const groups = new Map(edges.map((jobs, jobId) => [jobId, jobs]));
      const reaches = (from: number, seen = new Set<number>()): Set<number> => {
        for (const next of groups.get(from) ?? []) {
          if (!seen.has(next)) reaches(next, seen.add(next));
        }
        return seen;
      };
      const cycle = findCycle(groups);
      if (cycle === null) return [...groups.keys()].every((jobId) => !reaches(jobId).has(jobId));
      return cycle.every((jobId, index) => {
        const next = cycle[(index + 1) % cycle.length] as number;
        const { path, given } = cycleProblem(jobId, cycle, groups);
        return groups.get(jobId)?.includes(next) && given === next && path.startsWith('jobs[');
      });
    }),
    { numRuns: 2_000 },
  );
  const long = new Map(Array.from({ length: 100_000 }, (_, index) => [index, [index + 1]]));
  t.equal(findCycle(long), null);
  long.set(100_000, [99_999]);
  t.strictSame(findCycle(long)?.sort(), [100_000, 99_999]);
});
