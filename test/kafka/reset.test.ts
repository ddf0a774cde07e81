import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { spawnVedette } from '../cli/run.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';
import { noBroker, startKafka } from './broker.ts';
import { availableDrivers } from './drivers.ts';

interface JobState {
  job_id: number;
  state: { counts: { count: number } };
}

async function createSite(t: Test): Promise<string> {
  const site = createServer((_request, response) => response.end('ok'));
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    site.close();
    site.closeAllConnections();
  });
  return `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
}

const why = noBroker();
if (why) t.test('a reset on a real broker', { skip: why }, async () => undefined);
else {
  const cluster = await startKafka(t);
  for (const name of availableDrivers()) {
    t.test(`${name}: after a reset nothing of before is counted, the file's jobs are back, ids go on`, async (t) => {
      const uri = await createSite(t);
      const database = await createTestDatabase(t);
      const cwd = t.testdir({ 'jobs.json': JSON.stringify([{ job_id: 1, check_period_seconds: 0.5, uri }]) });
      const env = {
        DATABASE_URL: database.connectionString,
        KAFKA_BOOTSTRAP_SERVERS: cluster.bootstrapServers.join(','),
        VEDETTE_STREAM_DRIVER: name,
        VEDETTE_STREAM_PARTITIONS: '2',
        VEDETTE_TOPICS_RESULTS: `reset-${randomBytes(4).toString('hex')}`,
      };
      const roles = (...names: string[]) => ['serve', '--roles', names.join(',')];
      const checking = spawnVedette(
        t,
        [...roles('api', 'scheduler'), '--port', '0', '--set', 'server.allow_reset=true'],
        { cwd, env },
      );
      const startCounting = async () => {
        const run = spawnVedette(t, roles('processor'), { cwd, env });
        await run.printed(/"msg":"ready"/);
        return run;
      };
      const url = /"url":"(http:[^"]+)"/.exec(await checking.printed(/"msg":"ready"/))?.[1];
      let counting = await startCounting();
      const json = async <T>(path: string) => (await (await fetch(`${url}${path}`)).json()) as T;
      const post = async <T>(path: string, body: object) => {
        const headers = { 'content-type': 'application/json' };
        const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
        return { status: answer.status, body: (await answer.json()) as T };
      };
      const create = async () => (await post<JobState>('/job', { uri, check_period_seconds: 0.5 })).body.job_id;
      const counted = async (jobId: number) => (await json<JobState>(`/job/${jobId}`)).state?.counts.count ?? 0;
      const produced = async () => (await json<Record<string, number>>('/')).number_of_produced_messages as number;

      t.equal(await create(), 2);
      await until('numbers', async () => (await counted(1)) > 4 && (await counted(2)) > 4, 60_000);
      // Results that are in the topic and not counted yet when the tables go.
      counting.child.kill('SIGTERM');
      t.equal((await counting.finished).code, 0);
      const before = await produced();
      await until('results that nobody counts', async () => (await produced()) > before + 10);
      const resetAt = Date.now();
      const answer = await post<unknown>('/db/init', { reset: true, confirm: database.databaseName });
      t.equal(answer.status, 200, JSON.stringify(answer.body));
      await until('the job of the file', async () => (await json<JobState[]>('/job')).length > 0);
      t.match(await json('/job'), [{ job_id: 1 }], 'nobody has touched it, and there is no other');
      t.equal(await create(), 3, 'no id is given out again');
      counting = await startCounting();

      await until('new numbers', async () => (await counted(1)) > 4 && (await counted(3)) > 4, 60_000);
      const { rows: series } = await database.query<{ jobId: number }>(
        'SELECT DISTINCT job_id AS "jobId" FROM series_progress ORDER BY 1',
      );
      t.same(series, [{ jobId: 1 }, { jobId: 3 }], 'the removed job has no numbers');
      const { rows } = await database.query<{ results: number; old: number }>(
        'SELECT count(*) AS results, count(*) FILTER (WHERE slot < $1) AS old FROM results',
        [resetAt],
      );
      t.ok(Number(rows[0]?.results) > 8, 'results are stored');
      t.equal(Number(rows[0]?.old), 0, 'and none of before');
      await until('all is well', async () => (await json<{ status: string }>('/')).status === 'ok', 60_000);
      for (const { child } of [checking, counting]) child.kill('SIGTERM');
      t.match(await Promise.all([checking.finished, counting.finished]), [{ code: 0 }, { code: 0 }]);
    });
  }
}
