import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Test, test } from 'tap';
import { spawnVedette, vedette } from './run.ts';

/** A site whose path says what it answers: /<status>/<body>; /wait never answers. */
async function createSite(t: Test, onWait = () => {}): Promise<string> {
  const server = createServer((request, response) => {
    const [, status = '200', body = 'ok'] = (request.url ?? '').split('/');
    if (status === 'wait') return onWait();
    response.statusCode = Number(status) || 200;
    response.end(body === 'echo' ? `${request.method} ${request.headers['x-test']}` : body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('check: exit code by outcome, phases for people, JSON for programs', async (t) => {
  const site = await createSite(t);
  const up = await vedette(t, ['check', site]);
  t.match(up, { code: 0, stderr: '' });
  t.match(up.stdout, new RegExp(`^up  200  [\\d.]+ ms  2 bytes  http://${site}\\n`));
  for (const phase of ['connect', 'ttfb', 'transfer']) {
    t.match(up.stdout, new RegExp(`\\n  ${phase} +[\\d.]+ ms +\\d+%  [ █]+ `), phase);
  }
  t.notMatch(up.stdout, '\x1b[', 'no colours where there is no terminal');

  t.match(await vedette(t, ['check', `${site}/404`, '--retries', '1']), {
    code: 1,
    stdout: /^down {2}status {2}404 .* try 2 of 2/,
  });
  t.match(await vedette(t, ['check', `${site}/404`, '--expect', '404,2xx']), { code: 0 });
  t.match(await vedette(t, ['check', `${site}/200/error`, '--pattern', '^ok$']), {
    code: 1,
    stdout: /^down {2}body {2}200/,
  });
  t.match(await vedette(t, ['check', site, '--max-time', '0.000001']), { code: 3, stdout: /^degraded {2}latency/ });
  t.match(await vedette(t, ['check', `${site}/wait`, '--timeout', '0.2']), { code: 1, stdout: /^down {2}timeout/ });
  t.match(await vedette(t, ['check', site, '--set', 'monitors.gate=deny_internal']), {
    code: 1,
    stdout: /^down {2}forbidden_address/,
  });

  const json = await vedette(t, [
    'check',
    `http://${site}/200/echo`,
    '-X',
    'post',
    '-H',
    'X-Test: a:b',
    '--pattern',
    '^POST a:b$',
    '--json',
  ]);
  const result = JSON.parse(json.stdout);
  t.match(result, { uri: `http://${site}/200/echo`, outcome: 'up', status: '200', attempt: 1, bytes: 8 });
  t.ok(result.response_time > 0 && result.timings.ttfb > 0);
});

test('check: addresses of other types', async (t) => {
  const site = await createSite(t);
  t.match(await vedette(t, ['check', `tcp://${site}`]), {
    code: 0,
    stdout: new RegExp(`^up  [\\d.]+ .s  tcp://${site}\\n`),
  });
  const json = await vedette(t, ['check', `tls://${site}`, '--json']);
  t.match(json, { code: 1 });
  t.match(JSON.parse(json.stdout), { uri: `tls://${site}`, outcome: 'down', reason: 'tls' });
  for (const uri of ['kafka://127.0.0.99:9', 'grpc://127.0.0.99:9', 'dns+https://127.0.0.99:9/a.test']) {
    const closed = await vedette(t, ['check', uri, '--retries', '1', '--json']);
    t.match(closed, { code: 1 });
    t.match(JSON.parse(closed.stdout), { uri, outcome: 'down', reason: 'connect', attempt: 2 });
  }
  for (const scheme of ['ssh', 'telnet']) {
    t.match(await vedette(t, ['check', `${scheme}://${site}`, '--timeout', '0.5']), {
      code: 1,
      stdout: new RegExp(`^down  timeout  ${scheme}://${site}\\n`),
    });
  }
  t.match(await vedette(t, ['check', `socks5://${site}`, '--field', 'target=127.0.0.1:9']), {
    code: 1,
    stdout: new RegExp(`^down  protocol  socks5://${site}\\n`),
  });
  t.match(await vedette(t, ['check', 'gopher://x.test']), {
    code: 2,
    stderr: /uri: given "gopher:\/\/x.test", .*; there are jobs for dns:\/\/, dns\+https:\/\/, dns\+tls:\/\/, /,
  });
});

test('check: wrong use', async (t) => {
  t.match(await vedette(t, ['check', 'x.test', '--pattern', '(']), {
    code: 2,
    stderr: /^error: 1 problem in the job:\n {2}pattern: given "\(", accepted: a regular expression/,
  });
  t.match(await vedette(t, ['check', 'x.test', '--field', 'keepalive=true']), {
    code: 2,
    stderr: /keepalive: .*did you mean/,
  });
  t.match(await vedette(t, ['check', 'x.test', '--timeout', 'soon']), {
    code: 2,
    stderr: /Seconds are wanted, such as 2\.5/,
  });
});

test('Ctrl-C ends a check at once, with 130', async (t) => {
  let onWait = () => {};
  const waiting = new Promise<void>((resolve) => {
    onWait = resolve;
  });
  const site = await createSite(t, () => onWait());
  const run = spawnVedette(t, ['check', `${site}/wait`, '--timeout', '30']);
  await waiting;
  run.child.kill('SIGINT');
  t.match(await run.finished, { code: 130, stdout: '', stderr: 'cancelled\n' });
});

test('once checks the jobs of the job file', async (t) => {
  const site = await createSite(t);
  const job = (jobId: number, path: string, more: object = {}) => ({
    job_id: jobId,
    job_name: `job of ${path}`,
    uri: `http://${site}${path}`,
    ...more,
  });
  const cwd = t.testdir({
    'jobs.json': JSON.stringify([job(1, '/200'), job(2, '/500'), job(3, '/404', { enabled: false })]),
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what a job file may hold.
    'reference.json': JSON.stringify([{ job_id: 1, uri: '${SITE}/200' }]),
    'own.env': `SITE=http://${site}\n`,
    'good.json': JSON.stringify([job(1, '/200')]),
    'broken.json': JSON.stringify([{ uri: 'ftp://x' }, job(1, '/'), job(1, '/', { methd: 'get' })]),
  });
  const table = await vedette(t, ['once'], { cwd });
  t.equal(table.code, 1);
  t.match(
    table.stdout,
    /^job {2}outcome {2}status +time {2}name +why\n {2}1 {2}up +200 .*\n {2}2 {2}down +500 .*status/,
  );
  t.match(table.stdout, /\n1 up, 0 degraded, 1 down\n$/);
  t.match(await vedette(t, ['once', '--jobs', 'reference.json', '-e', 'own.env'], { cwd }), { code: 0 });
  t.match(await vedette(t, ['once', '3', '--json'], { cwd }), { code: 1, stdout: /"status": "404"/ });
  t.match(await vedette(t, ['once', '--jobs', 'good.json'], { cwd }), { code: 0 });
  t.match(await vedette(t, ['once', '9'], { cwd }), { code: 1, stderr: /There is no job 9/ });
  t.match(await vedette(t, ['once', '--jobs', 'nowhere.json'], { cwd }), {
    code: 1,
    stderr: /nowhere\.json: there is no such file/,
  });
  const broken = await vedette(t, ['config', 'check', '--set', 'jobs_file=broken.json'], { cwd });
  t.equal(broken.code, 1);
  t.match(
    broken.stderr,
    /^error: broken\.json: line 1: \[0\]\.uri: given "ftp:\/\/x", accepted: an http:\/\/ or https:\/\/ address; there are jobs for dns:.*\n/,
  );
  t.match(broken.stderr, /\nbroken\.json: line 1: \[0\]\.job_id: given nothing, accepted: a number of its own/);
  t.match(broken.stderr, /\nbroken\.json: line 1: \[2\]\.methd: .*did you mean method/);
  t.match(
    broken.stderr,
    /\nbroken\.json: line 1: \[2\]\.job_id: given 1, accepted: a number of its own, \[1\] \(line 1\) has it/,
  );
});

test('the address is a field like any other, as types without addresses need it', async (t) => {
  const site = await createSite(t);
  const described = ['--type', 'http', '--field', `uri=http://${site}/`];
  t.match(await vedette(t, ['check', ...described]), { code: 0, stdout: new RegExp(`http://${site}/\n`) });
});

test('once leaves out jobs whose programs report, unless they are named', async (t) => {
  const backup = { job_id: 1, type: 'push', job_name: 'backup' };
  const cwd = t.testdir({
    'jobs.json': JSON.stringify([backup, { job_id: 2, uri: `http://${await createSite(t)}/` }]),
    'reported.json': JSON.stringify([backup]),
  });
  t.match(await vedette(t, ['once'], { cwd }), { code: 0, stdout: /\n1 up, 0 degraded, 0 down\n$/ });
  t.match(await vedette(t, ['once', '--jobs', 'reported.json'], { cwd }), { code: 0, stdout: /^There are no jobs to/ });
  t.match(await vedette(t, ['once', '1'], { cwd }), {
    code: 1,
    stdout: /missed .* its program reports.*, 1 missed\n$/s,
  });
});

test('once shows an address without its password', async (t) => {
  const uri = `http://ann:p4ssword@${await createSite(t)}/`;
  const cwd = t.testdir({ 'jobs.json': JSON.stringify([{ job_id: 1, uri }]) });
  const { stdout } = await vedette(t, ['once', '--json'], { cwd });
  t.match(JSON.parse(stdout), [{ uri: /^http:\/\/ann:\*+@/ }]);
});
