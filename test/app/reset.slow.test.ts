import { test } from 'tap';
import { freePort } from '../../scripts/free-port.ts';
import { spawnVedette, vedette } from '../cli/run.ts';
import { createTestDatabaseUrl } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';

interface JobState {
  job_id: number;
  state: { counts: { count: number } };
}

test('a reset under load: jobs of the file are there at once, numbers begin again at 0, and no request fails', async (t) => {
  const databaseUrl = await createTestDatabaseUrl(t);
  const port = await freePort();
  const uri = `http://127.0.0.1:${port}/website_mock?status=200`;
  const cwd = t.testdir({ 'jobs.json': JSON.stringify([{ job_id: 1, check_period_seconds: 0.5, uri }]) });
  const env = { DATABASE_URL: databaseUrl };
  const run = spawnVedette(t, ['serve', '--port', String(port), '--set', 'server.allow_reset=true'], { cwd, env });
  const other = spawnVedette(t, ['serve', '--roles', 'scheduler,processor'], { cwd, env });
  await Promise.all([run.printed(/"msg":"ready"/), other.printed(/"msg":"ready"/)]);
  const url = `http://127.0.0.1:${port}`;
  const json = async <T>(path: string) => (await (await fetch(`${url}${path}`)).json()) as T;
  const post = (path: string, body: object) =>
    fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const made = (await (await post('/job', { uri, check_period_seconds: 0.5 })).json()) as JobState;
  t.equal(made.job_id, 2);
  const counted = async (jobId: number) => (await json<JobState>(`/job/${jobId}`)).state?.counts.count ?? 0;
  await until('numbers', async () => (await counted(1)) > 4 && (await counted(2)) > 4, 90_000);

  const failures: string[] = [];
  let ended = false;
  const users = ['/job', '/', '/job/1', '/health/live'].map(async (path) => {
    while (!ended) {
      const answer = await fetch(`${url}${path}`).catch((error: Error) => error);
      // Between the reset and the file there is no job for a moment.
      if (answer instanceof Error || (answer.status !== 200 && !(path === '/job/1' && answer.status === 404))) {
        failures.push(`${path}: ${answer instanceof Error ? answer.message : answer.status}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });
  const confirm = new URL(databaseUrl).pathname.slice(1);
  const answer = await post('/db/init', { reset: true, confirm });
  t.equal(answer.status, 200, await answer.text());
  t.match(await json('/job'), [{ job_id: 1 }], 'the job of the file, and no other');
  t.ok((await counted(1)) <= 1, 'it begins again at 0');
  const fresh = (await (await post('/job', { uri, check_period_seconds: 0.5 })).json()) as JobState;
  t.equal(fresh.job_id, 3, 'no id is given out again');
  await until('new numbers', async () => (await counted(1)) > 2 && (await counted(3)) > 2);
  await until('all is well', async () => (await json<{ status: string }>('/')).status === 'ok');
  ended = true;
  await Promise.all(users);
  t.same(failures, []);
  t.match(await (await fetch(`${url}/job/2`)).json(), { code: 'VED_JOB_NOT_FOUND' });

  // The command does it from outside; the processes notice.
  t.match(await vedette(t, ['db', 'init', '--reset', '--confirm', confirm], { env, cwd }), { code: 0 });
  await until('the job of the file', async () => (await json<JobState[]>('/job')).some(({ job_id }) => job_id === 1));
  await until('new numbers', async () => (await counted(1)) > 2);
  for (const process of [run, other]) process.child.kill('SIGTERM');
  t.equal((await run.finished).code, 0);
  t.equal((await other.finished).code, 0);
});
