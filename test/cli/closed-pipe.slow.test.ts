import { test } from 'tap';
import { createTestDatabaseUrl } from '../helpers/database.ts';
import { spawnVedette } from './run.ts';

const COMMANDS = [
  ['--help'],
  ['jobs'],
  ['jobs', '--json'],
  ['stats'],
  ['verify', '--json'],
  ['series', 'list'],
  ['tail', '--last', '5', '--count', '1'],
  ['config', 'show'],
  ['db', 'url'],
  ['doctor'],
];

test('a reader that goes away ends a command without a word', async (t) => {
  const env = { DATABASE_URL: await createTestDatabaseUrl(t) };
  const cwd = t.testdir({ 'jobs.json': '[]' });
  for (const command of COMMANDS) {
    const { child, finished } = spawnVedette(t, command, { cwd, env });
    child.stdout.destroy();
    if (command[0] === 'tail') child.kill('SIGTERM');
    const { code, stderr } = await finished;
    t.equal(stderr, '', command.join(' '));
    if (command[0] !== 'tail') t.equal(code, 0, command.join(' '));
  }
});

test('a command whose messages nobody reads does its work; serve ends in order when its log cannot be written', async (t) => {
  const env = { DATABASE_URL: await createTestDatabaseUrl(t) };
  const cwd = t.testdir({ 'jobs.json': '[]' });
  const wrong = spawnVedette(t, ['jobs', 'stop', '99'], { cwd, env });
  wrong.child.stderr.destroy();
  t.same(await wrong.finished, { code: 1, stdout: '', stderr: '' });
  const quiet = spawnVedette(t, ['once', '--publish'], { cwd, env });
  quiet.child.stderr.destroy();
  t.match(await quiet.finished, { code: 0, stdout: /no jobs/ }, 'it has done what it was asked to');
  const serve = spawnVedette(t, ['serve', '--port', '0'], { cwd, env });
  await serve.printed(/"msg"/);
  serve.child.stdout.destroy();
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  if (serve.child.exitCode === null) serve.child.kill('SIGTERM');
  const { code, stderr } = await serve.finished;
  t.notMatch(stderr, /\n +at /);
  t.equal(code, 0);
});
