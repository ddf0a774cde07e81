import { test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import { testJobRules } from '../api/test-job-rules.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { insertProgress, insertSpan } from '../stats/rows.ts';
import { vedette } from './run.ts';

test('a group is checked by hand against the database that the settings name; without one it says so', async (t) => {
  const group = ['check', '--type', 'group', '--field', 'jobs=[1,2]'];
  t.match(await vedette(t, group), {
    code: 1,
    stdout: /^missed {2}internal {2}jobs 1, 2\n {2}the states of its jobs cannot be read: no Vedette runs on/,
  });

  const database = await createTestDatabase(t);
  const store = createJobStore({ database, clock: systemClock, ...testJobRules });
  for (const [jobId, outcome] of [
    [1, 'up'],
    [2, 'down'],
  ] as const) {
    await store.create({ job_id: jobId, job_name: `part ${jobId}`, uri: 'http://127.0.0.1/' });
    await insertSpan(database, { jobId, period: 60_000, from: Date.now() - 3_600_000 });
    await insertProgress(database, { jobId, slot: Date.now() - 1_000, outcome });
  }
  const env = { DATABASE_URL: database.connectionString };
  const down = await vedette(t, group, { env });
  t.match(down, { code: 1, stdout: /^down {2}status {2}jobs 1, 2\n {2}1 of 2 jobs up, 2 required; down: part 2\n/ });
  t.match(down.stdout, /\n {2}jobs total: 2 jobs\n {2}jobs up: 1 job\n.*\n {2}jobs: 1 up, 2 down\n/s);
  t.match(await vedette(t, [...group, '--field', 'require=1'], { env }), { code: 0, stdout: /^up {2}jobs 1, 2\n/ });

  const jobs = [
    { job_id: 10, job_name: 'shop', type: 'group', jobs: ['both'], require: 'any' },
    { job_id: 11, job_name: 'both', type: 'group', jobs: [1, 2] },
  ];
  const cwd = t.testdir({ 'jobs.json': JSON.stringify(jobs) });
  const once = await vedette(t, ['once', '11', '--json'], { env, cwd });
  t.match(JSON.parse(once.stdout), [{ job_id: 11, outcome: 'down', values: { jobs_total: 2, jobs_up: 1 } }]);
  t.match(await vedette(t, ['config', 'check'], { env, cwd }), { code: 0, stdout: /2 jobs/ });
});
