import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { test } from 'tap';
import { listeningOn, placeOf } from '../../src/installation/self-address.ts';
import { until } from '../helpers/until.ts';
import { spawnVedette, vedette } from './run.ts';

const READY = /"msg":"ready"/;
const KEY = 'a-key-of-this-test';
const SELF = 'http://vedette.self/website_mock?status=200';

test('jobs check this very Vedette wherever it listens, also from another process', async (t) => {
  const job = { job_id: 1, check_period_seconds: 0.5, uri: SELF };
  const cwd = t.testdir({ 'jobs.json': JSON.stringify([job]) });
  const args = ['serve', '--host', '0.0.0.0', '--port', '0'];
  const env = { VEDETTE_SERVER_API_KEYS: KEY };
  const api = spawnVedette(t, [...args, '--roles', 'api,processor'], { cwd, env });
  const printed = await api.printed(READY);
  const port = /"url":"http:\/\/0\.0\.0\.0:(\d+)/.exec(printed)?.[1];
  const scheduler = spawnVedette(t, ['serve', '--host', '0.0.0.0', '--roles', 'scheduler', '--join'], { cwd });
  await scheduler.printed(READY);
  await until('results', async () => {
    const jobs = (await (
      await fetch(`http://127.0.0.1:${port}/job`, { headers: { authorization: `Bearer ${KEY}` } })
    ).json()) as [{ state: { counts: { up: number } } }];
    return jobs[0].state.counts.up >= 2;
  });
  const check = await vedette(t, ['check', SELF], { cwd });
  t.match(check, { code: 0, stdout: /^up {2}200/ });
  for (const { child, finished } of [scheduler, api]) {
    child.kill('SIGTERM');
    t.equal((await finished).code, 0);
  }
});

test('without an API the result says so; nothing else is under that name, also by a redirect', async (t) => {
  const cwd = t.testdir({});
  t.match(await vedette(t, ['check', SELF], { cwd }), {
    code: 1,
    stdout: /vedette\.self cannot be reached: no Vedette runs on/,
  });
  for (const uri of [
    'http://vedette.self/job/1/stop',
    'https://vedette.self/website_mock',
    'http://vedette.self:81/website_mock',
  ]) {
    t.match(
      await vedette(t, ['check', uri, '-X', 'POST'], { cwd }),
      { code: 2, stderr: /the practice site is all/ },
      uri,
    );
  }
  const site = createServer((_request, response) => response.writeHead(302, { location: SELF }).end());
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  t.teardown(() => site.close());
  const trap = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
  t.match(await vedette(t, ['check', trap], { cwd }), { code: 1, stdout: /forbidden_address/ });
});

test('where a process is reached from here and from elsewhere', async (t) => {
  const all = { ...listeningOn('0.0.0.0', 80), outside: ['10.0.0.7'] };
  t.same(placeOf(all), { address: '127.0.0.1', port: 80 });
  t.same(placeOf(all, 'another'), { address: '10.0.0.7', port: 80 });
  t.same(placeOf(listeningOn('::', 80)), { address: '::1', port: 80 });
  t.equal(placeOf(listeningOn('127.0.0.1', 80), 'another'), null);
  t.same(placeOf(listeningOn('192.0.2.1', 80), 'another'), { address: '192.0.2.1', port: 80 });
  t.equal(listeningOn('::', 80).machine, hostname());
});
