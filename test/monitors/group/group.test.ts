import { test } from 'tap';
import { formatProblem } from '../../../src/core/validation.ts';
import { MAX_MEMBERS, type Member, type ReadMembers } from '../../../src/monitors/group/members.ts';
import { rules } from '../../jobs/definitions.ts';
import { checkBy } from '../support.ts';

const found =
  (members: readonly Member[]): ReadMembers =>
  async () =>
    members;
const front: Member = { jobId: 2, name: 'front', state: 'up' };
const cache: Member = { jobId: 3, name: 'cache', state: 'down' };

test('a group has the outcome, the numbers and the names of its jobs, and no response time', async (t) => {
  const asked: unknown[] = [];
  const readMembers: ReadMembers = async (jobs) => {
    asked.push(jobs);
    return [front, cache, { jobId: 4, name: 'old', state: 'stopped' }, { jobId: 5, name: 'new', state: 'unknown' }];
  };
  const options = { jobs: [2, 3, 4, 5], jobs_with_tag: 'shop' };
  t.strictSame(await checkBy('group', options, { readMembers }), {
    ...{ outcome: 'down', reason: 'status', status: null, responseTime: null, timings: {} },
    detail: '1 of 3 jobs up, 3 required; down: cache; unknown: new',
    values: { jobs_total: 3, jobs_up: 1, jobs_degraded: 0, jobs_down: 1, jobs_unknown: 1 },
    facts: { jobs: { 2: 'up', 3: 'down', 4: 'stopped', 5: 'unknown' } },
  });
  t.strictSame(asked, [{ jobIds: [2, 3, 4, 5], tag: 'shop' }]);
  const up = await checkBy('group', { jobs: [2] }, { readMembers: found([front]), slotTag: '1/0' });
  t.strictSame(up, {
    ...{ outcome: 'up', status: null, responseTime: null, timings: {} },
    values: { jobs_total: 1, jobs_up: 1, jobs_degraded: 0, jobs_down: 0, jobs_unknown: 0 },
  });
});

test('a detail is short and clean, whatever the jobs are called', async (t) => {
  const members = Array.from({ length: 40 }, (_, index): Member => {
    return {
      jobId: index + 1,
      name: `\u202eevil\n${'long '.repeat(30)}`,
      state: index % 2 === 0 ? 'down' : 'degraded',
    };
  });
  const { detail = '' } = await checkBy('group', { jobs: [1] }, { readMembers: found(members) });
  t.ok(detail.length <= 200, detail);
  t.notMatch(detail, /[\u202e\n]/);
});

test('what cannot be known is missed and no defect, in time', async (t) => {
  const missed = { outcome: 'missed', reason: 'internal', isExpected: true, values: undefined };
  const reject: ReadMembers = () => Promise.reject(new Error('the database does not give them'));
  t.match(await checkBy('group', { jobs: [2] }, { readMembers: reject }), {
    ...{ ...missed, detail: 'the states of its jobs cannot be read: the database does not give them' },
  });
  const never: ReadMembers = () => new Promise(() => undefined);
  t.match(await checkBy('group', { jobs: [2] }, { readMembers: never, timeoutMs: 20 }), {
    ...{ ...missed, detail: 'the states of its jobs cannot be read: no answer of the database within 20 ms' },
  });
  t.match(await checkBy('group', { jobs: [2] }), { ...missed, detail: /no database is there/ }, 'without the port');
  const many = Array.from({ length: MAX_MEMBERS + 1 }, (_, index): Member => ({ ...front, jobId: index + 1 }));
  t.match(await checkBy('group', { jobs_with_tag: 'a' }, { readMembers: found(many) }), {
    ...{ ...missed, detail: 'there are more than 1000 jobs in the group' },
  });
  const aborted = new AbortController();
  const ending = checkBy('group', { jobs: [2] }, { readMembers: never, signal: aborted.signal });
  aborted.abort();
  t.match(await ending, missed);
});

test('definitions of groups', async (t) => {
  const problemsOf = (fields: object): string[] => {
    const result = rules.validate({ type: 'group', ...fields });
    return result.ok ? [] : result.problems.map(formatProblem);
  };
  for (const good of [
    { jobs: [2] },
    { jobs_with_tag: 'shop', require: 50 },
    { jobs: [2, 3], jobs_with_tag: 'shop', require: 'any', degraded_below: 'all' },
    { jobs: [2, 3], require: 2, degraded_below: 1, retries: 1, location: ['eu', 'us'] },
  ]) {
    t.strictSame(problemsOf(good), [], JSON.stringify(good));
  }
  const table: ReadonlyArray<[fields: object, ...problems: Array<string | RegExp>]> = [
    [{}, 'jobs: given nothing, accepted: a list of jobs, or jobs_with_tag'],
    [{ jobs: [2, 2] }, /^jobs: /],
    [{ jobs: ['front'] }, 'jobs[0]: given "front", accepted: integer'],
    [{ jobs: [0] }, 'jobs[0]: given 0, accepted: a number >= 1'],
    [{ jobs: Array.from({ length: 1_001 }, (_, index) => index + 1) }, /^jobs: .*1000/],
    [{ jobs: [2], require: 'most' }, /^require: given "most", accepted: all, any, or a number of jobs/],
    [{ jobs: [2], require: 0 }, 'require: given 0, accepted: a number >= 1'],
    [{ jobs: [2, 3], require: 3 }, 'require: given 3, accepted: a number of jobs that the group has, at most 2'],
    [{ jobs: [2], degraded_below: 'any' }, /^degraded_below: given "any", accepted: all, or a number of jobs/],
    [{ jobs: [2], degraded_below: 2 }, /^degraded_below: given 2, accepted: a number of jobs that the group has/],
    [{ jobs: [2], uri: 'http://127.0.0.1/' }, /^uri: given .*, accepted: only the keys/],
  ];
  for (const [fields, ...problems] of table) {
    const given = problemsOf(fields);
    for (const [index, problem] of problems.entries()) {
      t.match(given[index], problem, JSON.stringify(fields).slice(0, 80));
    }
  }
  const targetOf = (fields: object) => rules.targetOf(rules.toJob({ type: 'group', ...fields }, 1));
  t.equal(targetOf({ jobs: [2, 3] }), 'jobs 2, 3');
  t.equal(targetOf({ jobs_with_tag: 'shop' }), 'jobs with the tag shop');
  t.equal(targetOf({ jobs: [2], jobs_with_tag: 'shop' }), 'jobs 2 and jobs with the tag shop');
  t.equal(targetOf({ jobs: Array.from({ length: 12 }, (_, index) => index) }), 'jobs 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …');
});
