import { test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { createMetricJobs } from '../../src/jobs/metric-jobs.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import { testJobRules } from '../api/test-job-rules.ts';
import { createTestDatabase } from '../helpers/database.ts';

const metrics = [{ granularity: 'hour', aggregates: [{ function: 'max', field: 'bytes' }] }];

test('what decides about the metrics of jobs is read: of some, of all, and what has changed', async (t) => {
  const database = await createTestDatabase(t);
  const store = createJobStore({ database, clock: systemClock, ...testJobRules });
  const read = (bySelection: boolean) => createMetricJobs({ database, toJob: testJobRules.toJob, bySelection });
  const start = await read(true).changedSince(null);
  t.match(start.jobs, []);
  await store.create({ job_id: 1, uri: 'http://127.0.0.1/', tags: ['a', 'b'] });
  await store.create({ job_id: 2, uri: 'tcp://127.0.0.1:5432', metrics });
  await store.create({ job_id: 3, type: 'push', job_name: 'backup' });
  const jobs = [
    { jobId: 1, type: 'http', tags: ['a', 'b'], metrics: [] },
    { jobId: 2, type: 'tcp', tags: [], metrics },
    { jobId: 3, type: 'push', tags: [], metrics: [] },
  ];
  const byId = (found: Array<{ jobId: number }>) => found.sort((a, b) => a.jobId - b.jobId);
  t.strictSame(byId(await read(true).readAll()), jobs);
  t.strictSame(await read(true).read([2, 99]), [jobs[1]]);
  t.strictSame(await read(false).readAll(), [jobs[1]], 'only metrics of their own matter');
  t.strictSame(await read(false).read([1]), []);

  const changed = await read(false).changedSince(start.revision);
  t.strictSame(byId(changed.jobs), jobs);
  t.match(await read(false).changedSince(changed.revision), { revision: changed.revision, jobs: [] });
  await store.update(2, { uri: 'tcp://127.0.0.1:5432' });
  await store.remove(1);
  const next = await read(false).changedSince(changed.revision);
  t.strictSame(byId(next.jobs), [jobs[0], { ...jobs[1], metrics: [] }], 'also what is no longer there');
  t.ok(next.revision > changed.revision);
});
