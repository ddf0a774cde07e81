import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { type Test, test } from 'tap';
import { createTestDatabase } from '../helpers/database.ts';
import { spawnVedette, vedette } from './run.ts';

async function createSite(t: Test): Promise<string> {
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/404' ? 404 : 200;
    response.end('Yes, we are open');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('once takes its jobs from files in any form, from a folder, or from the command line', async (t) => {
  const site = await createSite(t);
  const cwd = t.testdir({
    'checks.yaml': `checks:\n  - { url: "${site}/", name: a }\n  - { url: "${site}/404", regexp: open, check_period: 5m }\n`,
    'targets.yaml': `- url: ${site}/\n  pattern: "Yes"\n  interval: 30\n`,
    'sites.ini': `[a]\nurl = ${site}/404\nexpected_status = 404\n`,
    'sites.csv': `url,pattern,interval\n${site}/,"^Yes, we",30s\n${site}/404,closed,30s\n`,
    folder: { 'one.ini': `[b]\nurl = ${site}/\n`, 'two.csv': `name,url\nc,${site}/?a=1\n` },
  });
  const once = async (args: string[], env: Record<string, string> = {}) => {
    const { code, stdout, stderr } = await vedette(t, ['once', '--json', ...args], { cwd, env });
    if (stderr !== '') return stderr;
    return [code, ...JSON.parse(stdout).map(({ outcome }: { outcome: string }) => outcome)].join(' ');
  };
  t.equal(await once(['--jobs', 'checks.yaml']), '0 up up', 'with a regexp the response code is ignored');
  t.equal(await once(['--targets-file', 'targets.yaml']), '0 up');
  t.equal(await once([], { JOBS_FILE: 'sites.ini' }), '0 up');
  t.equal(await once(['--jobs', 'sites.csv']), '1 up down');
  t.equal(await once(['--jobs', 'folder', '--jobs', 'targets.yaml']), '0 up up up');
  t.equal(await once([], { JOBS_FILE: 'folder,sites.csv' }), '1 up up up down');
  t.equal(await once(['--url', `${site}/?a=1,2`, '--url', `${site}/404`, '--pattern', 'Yes']), '1 up down');
  t.equal(await once([], { VEDETTE_SITE_URL: `${site}/, ${site}/404`, VEDETTE_SITE_SECONDS: '5m' }), '1 up down');

  t.match(
    await once(['--url', 'ftp://x']),
    /site\.url: given "ftp:\/\/x", accepted: an http:\/\/ or https:\/\/ address; there are jobs for dns/,
  );
  t.match(
    await once(['--url', site, '--seconds', 'soon']),
    /site\.seconds: given "soon" .*accepted: seconds such as 30/,
  );
  t.match(await once(['--url', site, '--pattern', '(']), /settings: site\.pattern: given "\("/);
  t.match(await once(['--seconds', '5']), /site\.seconds: given a value \(command line\), accepted: nothing without/);
  t.match(
    await once(['--url', site, '--jobs', 'sites.ini']),
    /'--url <url>' cannot be used with option '--jobs <path>'/,
  );
  t.match(await once(['--targets-file', 'x', '--jobs', 'y']), /'--targets-file <path>' cannot be used with/);
  t.match(await once(['--stored', '--url', site]), /'--stored' cannot be used with option '--url <url>'/);
  t.match(
    await once(['--url', site], { JOBS_FILE: 'sites.ini' }),
    /command line\) beside jobs_file \(JOBS_FILE in the/,
  );
  const modes = await vedette(t, ['serve', '--mode', 'producer', '--roles', 'api'], { cwd });
  t.match(modes, { code: 2, stderr: /'--mode <mode>' cannot be used with option '--roles <roles>'/ });
  t.match(await vedette(t, ['serve', '--mode', 'both'], { cwd }), { code: 2, stderr: /producer, consumer/ });
});

test('one site of the command line, checked by a producer and counted by a consumer', async (t) => {
  const site = await createSite(t);
  const database = await createTestDatabase(t);
  const env = { POSTGRES_DSN: database.connectionString };
  const cwd = t.testdir({});
  const sites = ['--url', `${site}/`, '--seconds', '0.5', '--pattern', 'Yes'];
  const producer = spawnVedette(t, ['serve', '--mode', 'producer', ...sites], { cwd, env });
  t.match(await producer.printed(/"msg":"ready"/), /"roles":\["scheduler"\]/);
  const consumer = spawnVedette(t, ['serve', '--mode', 'consumer'], { cwd, env });
  t.match(await consumer.printed(/"msg":"ready"/), /"roles":\["processor"\]/);
  const counted = async () =>
    (await database.query<{ up: number }>("SELECT up FROM metrics WHERE granularity = 'day' AND up > 0")).rows.length;
  while ((await counted()) === 0) await pause(100);
  const { rows } = await database.query<{ source: string; definition: object }>('SELECT source, definition FROM jobs');
  t.match(rows, [{ source: 'file', definition: { uri: `${site}/`, pattern: 'Yes', check_period_seconds: 0.5 } }]);
  for (const { child, finished } of [producer, consumer]) {
    child.kill('SIGTERM');
    t.match(await finished, { code: 0, stderr: '' });
  }
});
