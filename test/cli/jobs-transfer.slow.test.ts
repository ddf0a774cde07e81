import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Test, test } from 'tap';
import { createTestDatabase } from '../helpers/database.ts';
import { vedette } from './run.ts';

const reference = `\${NAME}`;

async function createScene(t: Test, files: Record<string, string>) {
  const database = await createTestDatabase(t);
  const cwd = t.testdir(files);
  const env = { DATABASE_URL: database.connectionString, TOKEN: 's3cret' };
  return {
    cwd,
    database,
    run: (...args: string[]) => vedette(t, ['jobs', ...args], { cwd, env }),
    revision: async () => (await database.query<{ value: number }>('SELECT value FROM job_revision')).rows[0].value,
  };
}

test('an import says what it will do, does it as a whole, and does nothing the second time', async (t) => {
  const { run, revision, cwd, database } = await createScene(t, {
    'first.ini': '[a]\nurl = http://a.test/\njob_id = 1\n\n[b]\nurl = http://b.test/\njob_id = 2\ninterval = 5m\n',
    'second.csv': `job_id,name,url,interval,headers.X-Token\n2,b,http://b.test/,30s,\${TOKEN}\n3,c,http://c.test/,,\n`,
    'wrong.yaml': '- url: nonsense\n',
  });
  const dry = await run('import', 'first.ini', '--dry-run');
  t.equal(
    dry.stdout,
    'new      job 1  a\nnew      job 2  b\n2 new, 0 changed, 0 removed, 0 unchanged\nNothing was changed (--dry-run).\n',
  );
  t.match(JSON.parse((await run('list', '--json')).stdout), []);
  t.match(await run('import', 'first.ini'), { code: 0, stdout: /\nDone\.\n$/ });
  const before = await revision();
  t.equal((await run('import', 'first.ini')).stdout, '0 new, 0 changed, 0 removed, 2 unchanged\n');
  t.equal(await revision(), before, 'nothing was written');

  t.match(await run('import', 'second.csv', 'wrong.yaml'), {
    code: 1,
    stderr: /^error: wrong\.yaml: line 1: \[0\]\.url: /,
  });
  const plan = [
    'new      job 3  c',
    'changed  job 2  b',
    '           check_period_seconds: 300 -> 30',
    '           headers: nothing -> {"X-Token":"********"}',
  ];
  t.equal(
    (await run('import', 'second.csv')).stdout,
    [
      ...plan,
      '1 new, 1 changed, 0 removed, 0 unchanged',
      'Not in the files, and removed with --prune: 1',
      'Done.',
      '',
    ].join('\n'),
  );
  t.equal(
    (await run('import', 'second.csv', '--prune')).stdout,
    'removed  job 1  a\n0 new, 0 changed, 1 removed, 2 unchanged\nDone.\n',
  );
  const { rows } = await database.query<{ job_id: number; version: number }>(
    'SELECT job_id, version FROM jobs WHERE deleted_at IS NULL ORDER BY job_id',
  );
  t.same(rows, [
    { job_id: 2, version: 2 },
    { job_id: 3, version: 1 },
  ]);

  await run('stop', '3');
  t.match((await run('import', 'second.csv', '-n')).stdout, /changed {2}job 3 {2}c\n +enabled: false -> true\n/);
  await database.query("UPDATE jobs SET source = 'file' WHERE job_id = 3");
  t.match(await run('import', 'second.csv'), {
    code: 1,
    stderr: /Job 3 is managed by the job file.*\(enabled would change\)/,
  });
  writeFileSync(join(cwd, 'second.csv'), 'job_id,url\n4,http://d.test/\n');
  t.match((await run('import', 'second.csv', '--prune')).stdout, /new .* 4 .*\nremoved {2}job 2 {2}b\n/, 'job 3 stays');
});

test('export, in every form, then import: nothing changes, also for what was stopped by hand', async (t) => {
  const { run, revision, cwd } = await createScene(t, {
    'jobs.json': JSON.stringify([
      {
        job_id: 1,
        uri: 'http://a.test/',
        job_name: ' "a", [b]\n',
        tags: ['x, y', ''.padEnd(3, 'z')],
        body: `$${reference}`,
      },
      {
        job_id: 2,
        uri: 'http://b.test/',
        check_cron: '*/5 * * * *',
        location: ['eu', 'us'],
        expected_status: ['200', 201],
      },
      { job_id: 3, uri: 'https://u:s3cret@c.test/', headers: { Authorization: 's3cret' }, redirects: {} },
    ]),
  });
  t.match(await run('import', 'jobs.json'), { code: 0, stdout: /^new .*\n3 new/s });
  await run('stop', '2');
  const before = await revision();
  for (const form of ['json', 'yaml', 'ini', 'csv']) {
    for (const secrets of ['--secrets', '--masked']) {
      const file = `out.${form}`;
      t.match(await run('export', secrets, '-o', file), { code: 0, stdout: '', stderr: `3 jobs written to ${file}\n` });
      t.equal(readFileSync(join(cwd, file), 'utf8').includes('s3cret'), secrets === '--secrets');
      if (secrets === '--secrets') t.equal(statSync(join(cwd, file)).mode & 0o077, 0, 'for its owner alone');
      t.match(await run('import', file, '--prune'), {
        stdout: '0 new, 0 changed, 0 removed, 3 unchanged\n',
        stderr: '',
      });
    }
  }
  t.match(await run('export', '--masked', '--format', 'targets'), {
    code: 2,
    stderr: /job 1: tags: given .*\n.*--lossy/s,
  });
  t.match(await run('export', '--masked', '--format', 'targets', '--lossy'), { code: 0, stdout: /^- job_id: 1\n/ });
  t.equal(await revision(), before);

  const other = await createScene(t, { 'out.csv': readFileSync(join(cwd, 'out.csv'), 'utf8') });
  t.match(await other.run('import', 'out.csv'), {
    code: 1,
    stderr: /Job 1: body: given "\*{8}", accepted: the secret itself, none is stored/,
  });
});
