import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Test, test } from 'tap';
import { freePort } from '../../scripts/free-port.ts';
import { until } from '../helpers/until.ts';
import { spawnVedette, vedette } from './run.ts';

async function createSite(t: Test): Promise<string> {
  const server = createServer((_request, response) => response.end('ok'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const READY = /"url":"(http:[^"]+)".*"msg":"ready"/;

async function serve(t: Test, cwd: string, ...args: string[]) {
  const run = spawnVedette(t, ['serve', '--port', '0', ...args], { cwd });
  const printed = await run.printed(READY);
  return { ...run, url: READY.exec(printed)?.[1] as string };
}

test('serve: from nothing to numbers, and the commands beside it', async (t) => {
  const site = await createSite(t);
  const cwd = t.testdir({
    'jobs.json': JSON.stringify([{ job_id: 1, job_name: 'site', check_period_seconds: 0.5, uri: site }]),
  });
  const first = await serve(t, cwd);
  t.match(await (await fetch(first.url)).json(), { name: 'vedette', roles: ['api', 'scheduler', 'processor'] });

  const tail = await vedette(t, ['tail', '--count', '2', '--json'], { cwd });
  t.match(JSON.parse(tail.stdout.split('\n')[0]!), { v: 1, job_id: 1, outcome: 'up', status: '200' });
  // What is in the stream is counted a moment later.
  const jobs = await until('the first result is counted', async () => {
    const { jobs } = JSON.parse((await vedette(t, ['stats', '--json'], { cwd })).stdout);
    return jobs[0].up >= 1 ? jobs : null;
  });
  t.match(jobs, [{ job_id: 1, uptime: 1 }]);
  t.match(await vedette(t, ['jobs', 'stop', '1'], { cwd }), { code: 0, stdout: 'job 1 is stopped\n' });
  t.match(await vedette(t, ['jobs', 'remove', '1'], { cwd }), { code: 1, stderr: /\[VED_JOB_MANAGED_BY_FILE\]/ });
  t.match(await vedette(t, ['db', 'url'], { cwd }), { code: 0, stdout: /^postgres/, stderr: '' });

  const second = await vedette(t, ['serve', '--port', '0'], { cwd });
  t.match(second, { code: 1, stderr: /^error: .*\[VED_DATA_DIR_IN_USE\]\n$/ });

  first.child.kill('SIGINT');
  t.match(await first.finished, { code: 0, stderr: '', stdout: /"msg":"ended"\}\n$/ });

  // A kill leaves everything as it is; the next start puts it right by itself.
  const third = await serve(t, cwd);
  third.child.kill('SIGKILL');
  await third.finished;
  const fourth = await serve(t, cwd);
  t.match(JSON.parse((await vedette(t, ['jobs', 'list', '--json'], { cwd })).stdout), [{ job_id: 1, running: false }]);
  fourth.child.kill('SIGTERM');
  t.match(await fourth.finished, { code: 0, stderr: '' });
  t.match(await vedette(t, ['db', 'url'], { cwd }), { code: 0, stderr: /runs only while Vedette does/ });
});

test('jobs that check this very server find it there from the first check to the last', async (t) => {
  const port = await freePort();
  const uri = `http://127.0.0.1:${port}/website_mock?status=200&delay_ms=300`;
  const jobs = Array.from({ length: 40 }, (_, index) => ({
    ...{ job_id: index + 1, uri },
    // Longer than a busy machine holds a check up: only a server that is not there makes it fail.
    ...{ check_period_seconds: 4, timeout_seconds: 3.5 },
  }));
  const cwd = t.testdir({ 'jobs.json': JSON.stringify(jobs) });
  let before = jobs.map(() => 0);
  for (const round of [1, 2]) {
    const run = await serve(t, cwd, '--port', String(port));
    const stats = await until('a check of each job that has found it', async () => {
      const { stdout } = await vedette(t, ['stats', '--json'], { cwd });
      const found = JSON.parse(stdout).jobs as Array<{ up: number; down: number }>;
      return found.length === jobs.length && found.every(({ up }, index) => up > (before[index] as number))
        ? found
        : null;
    });
    before = stats.map(({ up }) => up);
    t.ok(
      stats.every(({ down }) => down === 0),
      `round ${round}: ${JSON.stringify(stats)}`,
    );
    run.child.kill('SIGTERM');
    await until('an end that is said', async () => (await fetch(`${run.url}/health/ready`)).status === 503, 5_000);
    t.equal((await run.finished).code, 0);
  }
});

test('a process without the API has no port, unless probes are wanted', async (t) => {
  const cwd = t.testdir({ 'jobs.json': '[]' });
  const run = spawnVedette(
    t,
    ['serve', '--roles', 'scheduler,processor', '--port', '0', '--set', 'server.probes=true'],
    {
      cwd,
    },
  );
  const printed = await run.printed(/"msg":"ready"/);
  t.match(printed, /"url":null/);
  const [, address] = /listening at (http:\/\/\S+?)"/.exec(printed) ?? [];
  t.equal((await fetch(`${address}/health/ready`)).status, 200);
  t.equal((await fetch(`${address}/`)).status, 404);
  run.child.kill('SIGTERM');
  t.match(await run.finished, { code: 0, stderr: '' });

  const silent = spawnVedette(t, ['serve', '--roles', 'processor'], { cwd });
  t.notMatch(await silent.printed(/"msg":"ready"/), 'listening');
  silent.child.kill('SIGTERM');
  t.equal((await silent.finished).code, 0);
});

test('what cannot start says why in a line and exits with 1', async (t) => {
  const refused = async (...args: string[]) =>
    vedette(t, ['serve', ...args], { cwd: t.testdir({ 'jobs.json': '[{"uri": 1}]' }) });
  t.match(await refused('--port', 'x'), {
    code: 1,
    stderr: /^error: 1 problem in the settings:\n {2}server\.port: given "x" \(command line\)/,
  });
  t.match(await refused('--roles', 'api,schedule'), {
    code: 1,
    stderr: /accepted: one or more of api, scheduler, processor/,
  });
  t.match(await refused('--jobs'), { code: 2, stderr: /argument missing/ });
});
