import { test } from 'tap';
import { createTestDatabase } from '../helpers/database.ts';
import { vedette } from './run.ts';

test('start, stop and remove change all of the jobs or none', async (t) => {
  const env = { DATABASE_URL: (await createTestDatabase(t)).connectionString };
  const cwd = t.testdir({
    'sites.txt': '\ufeff# mine\nhttp://a.test/\n\nhttp://b.test/\n',
    'list.yaml': '\ufeff- { url: "http://c.test/", name: c, job_id: 3 }\n',
    'latin.yaml': Buffer.from('- { url: "http://c.test/", name: "caf\xe9" }\n', 'latin1'),
    'twice.json': '[{"job_id": 1,\n "uri": "http://a.test/", "tags": ["uri"],\n "uri": "http://b.test/"}]',
    'tagged.json': JSON.stringify([
      { job_id: 1, uri: 'http://x.test/', tags: ['x'] },
      { job_id: 2, uri: 'http://y.test/', tags: ['x'] },
      { job_id: 3, uri: 'http://z.test/' },
    ]),
  });
  const run = (...args: string[]) => vedette(t, ['jobs', ...args], { cwd, env });
  t.match(await run('import', 'latin.yaml'), { code: 1, stderr: /latin\.yaml: it is no UTF-8/ });
  t.match(await run('add', '--file', 'latin.yaml'), { code: 2, stderr: /latin\.yaml: it is no UTF-8/ });
  t.match(await run('add', '--file', 'twice.json'), { code: 2, stderr: /line 3: \[0\]\.uri: a key that was/ });
  t.match(await run('import', 'twice.json'), {
    code: 1,
    stderr: /line 3: \[0\]\.uri: given a key that was given before/,
  });
  t.match(await run('import', 'sites.txt', 'list.yaml', '--dry-run'), { code: 0, stdout: /3 new, 0 changed/ });
  t.match(await run('import', 'tagged.json', '--yes'), { code: 0 });
  const running = async () => JSON.parse((await run('--json')).stdout).map((job: { running: boolean }) => job.running);

  t.match(await run('stop', '1,2,99'), { code: 1, stderr: /There is no job 99; nothing was changed/ });
  t.same(await running(), [true, true, true]);
  t.match(await run('stop', '--tag', 'x', '--dry-run'), {
    code: 0,
    stdout: /^ +1 {2}http.*\n +2 {2}http.*\nNothing was changed/,
  });
  t.same(await running(), [true, true, true]);
  t.match(await run('stop', '--tag', 'x'), { code: 0, stdout: /job 1 is stopped\njob 2 is stopped\n$/ });
  t.same(await running(), [false, false, true], 'one without the tag is left alone');
  t.match(await run('stop', '--outcome', 'down'), { code: 0, stdout: /nothing was changed/ });
  t.match(await run('stop', '--tag', 'x'), { code: 0, stdout: /nothing was changed/ });
  t.match(await run('stop'), { code: 2, stderr: /Give ids, or --tag/ });
  t.match(await run('stop', '1', '--tag', 'x'), { code: 2 });
  t.match(await run('remove', '--query', 'x.test', '--yes'), { code: 0, stdout: /job 1 removed/ });
  t.same(await running(), [false, true]);
});

test('tag and untag change the tags of jobs by id or selection; those of the job file are left out', async (t) => {
  const database = await createTestDatabase(t);
  const cwd = t.testdir({
    'jobs.json': JSON.stringify([
      { job_id: 1, uri: 'http://a.test/', tags: ['x'] },
      { job_id: 2, uri: 'http://b.test/', tags: ['x', 'y'] },
      { job_id: 3, uri: 'http://c.test/' },
      { job_id: 4, uri: 'http://d.test/', tags: ['x'] },
    ]),
  });
  const env = { DATABASE_URL: database.connectionString };
  const run = (...args: string[]) => vedette(t, ['jobs', ...args], { cwd, env });
  t.match(await run('import', 'jobs.json', '--yes'), { code: 0 });
  await database.query(`UPDATE jobs SET source = 'file' WHERE job_id = 4`);
  const tags = async () => {
    const { rows } = await database.query<{ tags: string[] }>(
      `SELECT coalesce(definition->'tags', '[]') AS tags FROM jobs ORDER BY job_id`,
    );
    return rows.map((row) => row.tags.join(' '));
  };

  t.match(await run('tag', 'y,z', '--tag', 'x', '--dry-run'), {
    code: 0,
    stdout: /^ +1 {2}http.*\n +2 {2}http.*\nNothing was changed/,
  });
  t.same(await tags(), ['x', 'x y', '', 'x']);
  t.match(await run('tag', 'y,z', '--tag', 'x'), { code: 0, stdout: /job 1 has y, z\njob 2 has y, z\n$/ });
  t.same(await tags(), ['x y z', 'x y z', '', 'x'], 'nothing twice, and none of the job file');
  t.match(await run('tag', 'z', '--tag', 'x'), { code: 0, stdout: /nothing was changed/ });
  t.match(await run('tag', 'z', '3,4'), { code: 1, stderr: /job file/ });
  t.match(await run('tag', 'z', '3,99'), { code: 1, stderr: /There is no job 99; nothing was changed/ });
  t.same(await tags(), ['x y z', 'x y z', '', 'x'], 'all or none');
  t.match(await run('untag', 'y,q', '--query', 'a.test'), { code: 0, stdout: /job 1 is without y, q\n$/ });
  t.match(await run('untag', 'x', '1,2'), { code: 0 });
  t.same(await tags(), ['z', 'y z', '', 'x']);
  t.match(await run('tag', 'a,,b', '1'), { code: 2, stderr: /"" is no tag/ });
  t.match(await run('tag', 'x'), { code: 2, stderr: /Give ids, or --tag/ });
  t.match(await run('tag'), { code: 2, stderr: /missing required argument 'tags'/ });
});
