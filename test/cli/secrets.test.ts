import { test } from 'tap';
import { createTestDatabase } from '../helpers/database.ts';
import { serve } from '../monitors/support.ts';
import { vedette } from './run.ts';

const ref = (name: string): string => `$${`{secret:${name}}`}`;

test('check and once use the secrets of the settings, and say what is missing', async (t) => {
  const site = await serve(t, (request, response) => {
    response.statusCode = request.headers.authorization === 'Bearer s3cret-value' ? 200 : 401;
    response.end();
  });
  const header = ['-H', `Authorization: Bearer ${ref('shop-token')}`];
  const env = { VEDETTE_SECRET_SHOP_TOKEN: 's3cret-value' };
  const good = await vedette(t, ['check', `${site.uri}/?t=${ref('shop-token')}`, ...header, '--json'], { env });
  t.match(JSON.parse(good.stdout), { uri: `${site.uri}/?t=${ref('shop-token')}`, outcome: 'up', status: '200' });
  t.notMatch(good.stdout + good.stderr, 's3cret');
  t.match(await vedette(t, ['check', site.uri, ...header]), {
    code: 1,
    stdout: /^missed {2}internal .*\n {2}secret shop-token: it is not in VEDETTE_SECRET_SHOP_TOKEN\n/,
  });
  const cwd = t.testdir({
    'jobs.json': JSON.stringify([
      { job_id: 1, uri: site.uri, auth: { type: 'bearer', token: ref('shop-token') } },
      { job_id: 2, uri: site.uri, auth: { type: 'bearer', token: ref('other') } },
    ]),
    'secrets.yaml': 'shop-token: s3cret-value\n',
  });
  const once = await vedette(t, ['once', '--json'], { cwd, env: { VEDETTE_SECRETS_FILE: 'secrets.yaml' } });
  t.match(JSON.parse(once.stdout), [
    { job_id: 1, outcome: 'up' },
    { job_id: 2, outcome: 'missed', reason: 'internal', detail: /^secret other: it is not in .*secrets\.yaml, VED/ },
  ]);
  const checked = await vedette(t, ['config', 'check'], { cwd, env });
  t.match(checked, { code: 0, stdout: /2 jobs, all of them right/ });
  t.equal(checked.stderr, 'note: no secret other on this machine (job 2): it is not in VEDETTE_SECRET_OTHER\n');
});

test('jobs that refer to secrets are added, exported and imported as they are written', async (t) => {
  const database = await createTestDatabase(t);
  const env = { DATABASE_URL: database.connectionString, VEDETTE_SECRET_THERE: 's3cret-value' };
  const run = (args: string[], cwd?: string) => vedette(t, ['jobs', ...args], { env, ...(cwd ? { cwd } : {}) });
  const address = `https://ann:${ref('there')}@a.test/?token=${ref('gone')}`;
  t.match(await run(['add', address, '--field', `proxy=http://u:${ref('there')}@p.test:1`]), {
    code: 0,
    stdout: `job 1 added: ${address}\n`,
    stderr: 'note: no secret gone on this machine (job 1): it is not in VEDETTE_SECRET_GONE\n',
  });
  const exported = await run(['export', '--format', 'yaml']);
  t.match(exported, { code: 0, stderr: '' }, 'there is nothing to mask');
  t.match(exported.stdout, address);
  const cwd = t.testdir({ 'jobs.yaml': exported.stdout });
  t.match(await run(['import', 'jobs.yaml', '--yes', '--prune'], cwd), { code: 0, stdout: /1 unchanged/ });
  t.match(await run(['list', '--query', ref('gone')]), { stdout: /ann:/ }, 'a list is searched by what it shows');
  const { rows } = await database.query(
    `SELECT (SELECT string_agg(j::text, '') FROM jobs j) || (SELECT string_agg(v::text, '') FROM job_versions v) ||
       (SELECT string_agg(c::text, '') FROM job_checks c) AS stored`,
  );
  t.match(rows, [{ stored: ref('gone') }]);
  t.notMatch(rows, [{ stored: /s3cret/ }]);
  await database.query('UPDATE jobs SET definition = definition || \'{"check_period_seconds": 3600}\'');
  const doctor = await vedette(t, ['doctor', '--json'], { env: { ...env, PORT: '0' } });
  t.match(
    JSON.parse(doctor.stdout).findings.filter(({ name }: { name: string }) => /^secrets/.test(name)),
    [{ verdict: 'problem', found: /^gone of job 1: it is not in VEDETTE_SECRET_GONE$/ }],
  );
});
