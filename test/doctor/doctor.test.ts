import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { hostname } from 'node:os';
import { type Test, test } from 'tap';
import type { ExaminationContext } from '../../src/doctor/context.ts';
import { diagnose, type Finding } from '../../src/doctor/index.ts';
import { vedette } from '../cli/run.ts';
import { findings, findingsOn, finds } from './examine.ts';

// A port that nothing of the machine uses, so that only the planted fault is found.
const PORT = { PORT: '0' };

test('a healthy machine: nothing but ok, exit code 0', async (t) => {
  const run = await vedette(t, ['doctor', '--json'], { env: PORT });
  const report = JSON.parse(run.stdout) as { problems: number; warnings: number; findings: Finding[] };
  t.match(report, { problems: 0, warnings: 0 });
  t.equal(run.code, 0);
  t.match(await vedette(t, ['doctor'], { env: PORT }), {
    code: 0,
    stdout: /ok +node\.version .*\n\d+ ok, 0 warnings, 0 problems\n$/s,
  });
});

test('what Node.js is', async (t) => {
  finds(t, await findingsOn(t, { machine: { nodeVersion: '18.19.1' } }, PORT), {
    name: 'node.version',
    verdict: 'problem',
    found: /^Node\.js 18\.19\.1, needed is 20\.20 or newer$/,
    advice: /Install the LTS version/,
  });
  finds(t, await findingsOn(t, { machine: { nodeVersion: '23.1.0' } }, PORT), {
    name: 'node.version',
    verdict: 'warning',
    found: /23\.1\.0/,
    advice: /even \(LTS\) version/,
  });
});

test('settings: all problems at once, and the rest is looked at all the same', async (t) => {
  const all = await findings(t, {
    ...PORT,
    VEDETTE_SCHEDULER_LEASSE: '5s',
    VEDETTE_ROLES: 'scheduler,boss',
    DB_PORT: 'x',
  });
  const wrong = all.filter(({ name }) => name === 'settings').map(({ found }) => found);
  t.equal(wrong.length, 3);
  t.match(wrong.join('\n'), /did you mean VEDETTE_SCHEDULER_LEASE\?/);
  t.match(wrong.join('\n'), /roles: given .*boss/);
  t.match(all, [{ name: 'node.version', verdict: 'ok' }]);
  finds(t, all, {
    name: 'postgres',
    verdict: 'warning',
    found: /not looked at, because database\.port is wrong/,
    advice: /Put the settings right first/,
  });
});

test('a broken job file: all problems at once', async (t) => {
  const cwd = t.testdir({
    'jobs.json':
      '[{ "job_id": 1, "uri": "ftp://x" }, { "job_id": 1, "job_name": "b", "uri": "http://127.0.0.1/", "check_period_seconds": -1 }]',
  });
  const wrong = (await findings(t, PORT, cwd)).filter(({ name }) => name === 'jobs.file');
  t.ok(wrong.length >= 3);
  t.match(wrong, [{ verdict: 'problem', found: /^jobs\.json: line 1: \[0\]/, advice: /Put it right/ }]);
  t.match(await vedette(t, ['doctor'], { env: PORT, cwd }), { code: 1 });
});

test('a port that is taken, and by whom', async (t) => {
  const taken = async (server: ReturnType<typeof createServer>) => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => server.close());
    return String((server.address() as AddressInfo).port);
  };
  const stranger = createHttpServer((_request, response) => response.setHeader('server', 'nginx').end('hello'));
  finds(t, await findings(t, { PORT: await taken(stranger) }), {
    name: 'api.port',
    verdict: 'problem',
    found: /in use by another program \(nginx\)/,
    advice: /End it, or choose another port/,
  });
  const ours = createHttpServer((_request, response) => response.end('{"name":"vedette"}'));
  finds(t, await findings(t, { PORT: await taken(ours) }), {
    name: 'api.port',
    verdict: 'ok',
    found: /Vedette itself/,
  });
  const closed = createHttpServer((_request, response) =>
    response.writeHead(401).end(JSON.stringify({ statusCode: 401, code: 'VED_UNAUTHORIZED' })),
  );
  finds(t, await findings(t, { PORT: await taken(closed) }), {
    name: 'api.port',
    verdict: 'ok',
    found: /Vedette itself/,
  });
  const silent = createServer(() => {});
  finds(t, await findings(t, { PORT: await taken(silent) }), {
    name: 'api.port',
    verdict: 'problem',
    found: /in use by another program$/,
    advice: /PORT/,
  });
});

test('an address that this machine has not, and a public API without a key', async (t) => {
  const all = await findings(t, { HOST: '192.0.2.1' });
  finds(t, all, { name: 'api.port', verdict: 'problem', found: /no address 192\.0\.2\.1/, advice: /HOST/ });
  finds(t, all, { name: 'api.keys', verdict: 'warning', found: /public/, advice: /openssl rand/ });
  const readable = await findings(t, { HOST: '192.0.2.1', VEDETTE_SERVER_ANONYMOUS: 'read' });
  t.notOk(
    readable.some(({ name }) => name === 'api.keys'),
    'everybody may read, as was asked for',
  );
});

test('a disk that is nearly full', async (t) => {
  const space = (free: number) => ({ machine: { space: async () => ({ free, total: 2e12 }) } });
  finds(t, await findingsOn(t, space(1e8), PORT), {
    name: 'disk',
    verdict: 'problem',
    found: /^100 MB of 2\.0 TB are free/,
    advice: /Make room/,
  });
  finds(t, await findingsOn(t, space(9e9), PORT), {
    name: 'disk',
    verdict: 'warning',
    found: /9\.0 GB/,
    advice: /vedette plan/,
  });
});

test('a data folder that others hold, or that is none', async (t) => {
  const lock = (holder: object) => JSON.stringify({ start: 'long ago', since: '2026-01-02T03:04:05.000Z', ...holder });
  const withData = (data: string | Record<string, string>) => t.testdir({ data }) as string;
  const dead = withData({ 'vedette.lock': lock({ pid: 999_999, host: hostname() }) });
  finds(t, await findings(t, PORT, dead), {
    name: 'data_dir.owner',
    verdict: 'warning',
    found: /left locked by process 999999, since 2026-01-02/,
    advice: /The next start takes the folder over/,
  });
  const elsewhere = withData({ 'vedette.lock': lock({ pid: 7, host: 'another-host' }) });
  finds(t, await findings(t, PORT, elsewhere), {
    name: 'data_dir.owner',
    verdict: 'warning',
    found: /in use by process 7 on another-host/,
    advice: /one host at a time/,
  });
  finds(t, await findings(t, PORT, withData('a file')), {
    name: 'data_dir',
    verdict: 'problem',
    found: /data is not a folder/,
    advice: /Choose another folder/,
  });
  finds(t, await findings(t, PORT, t.testdir({ data: { postgres: { PG_VERSION: '9\n' } } })), {
    name: 'data_dir.postgres',
    verdict: 'problem',
    found: /made by PostgreSQL 9/,
    advice: /pg_dump/,
  });
});

test('an examination that hangs or breaks is a finding', async (t: Test) => {
  const context = { settingsProblems: [] } as unknown as ExaminationContext;
  const hangs = { name: 'hangs', timeoutMs: 20, examine: () => new Promise<Finding[]>(() => {}) };
  const breaks = { name: 'breaks', examine: async () => Promise.reject(new Error('a defect')) };
  t.match(await diagnose(context, [hangs, breaks]), [
    { name: 'hangs', verdict: 'problem', found: 'no answer within 0.02 s' },
    { name: 'breaks', verdict: 'problem', found: 'could not be looked at: a defect' },
  ]);
});

test('the exit code is for scripts: warnings count only when they should', async (t) => {
  const env = { ...PORT, HOST: '0.0.0.0' };
  t.match(await vedette(t, ['doctor'], { env }), { code: 0, stdout: /1 warning, 0 problems/ });
  t.match(await vedette(t, ['doctor', '--strict'], { env }), { code: 1 });
});

test('secrets that jobs refer to and that are not on this machine', async (t) => {
  const header = (name: string) => ({ headers: { 'x-a': `$${`{secret:${name}}`}` } });
  const uri = 'http://127.0.0.1/';
  const jobs = [
    { job_id: 1, uri, ...header('there') },
    ...[2, 3].map((id) => ({ job_id: id, uri: `${uri}${id}`, ...header('gone') })),
    { job_id: 4, uri, location: 'elsewhere', ...header('elsewhere') },
    { job_id: 5, uri, enabled: false, ...header('stopped') },
  ];
  const cwd = t.testdir({ 'jobs.json': JSON.stringify(jobs), run: { there: 'value' } });
  const env = { ...PORT, VEDETTE_SECRETS_FOLDER: 'run', VEDETTE_SECRETS_FILE: 'run' };
  const all = await findings(t, env, cwd);
  finds(t, all, { name: 'secrets.folder', verdict: 'ok', found: /run$/ });
  finds(t, all, { name: 'secrets.file', verdict: 'warning', found: /is not a file$/, advice: /Change/ });
  const missing = { name: 'secrets.missing', advice: /./ };
  finds(t, all, { ...missing, verdict: 'problem', found: /^gone of jobs 2, 3: .*run is not a file$/ });
  const away = { ...PORT, VEDETTE_SECRETS_FOLDER: 'away', VEDETTE_ROLES: 'api', VEDETTE_SECRET_THERE: 'x' };
  const apart = await findings(t, away, cwd);
  finds(t, apart, {
    name: 'secrets.folder',
    verdict: 'warning',
    found: /away cannot be read: ENOENT/,
    advice: /Mount/,
  });
  finds(t, apart, { ...missing, verdict: 'warning', found: /^gone of jobs 2, 3: it is not in .*away\/gone, VEDETTE_/ });
});
