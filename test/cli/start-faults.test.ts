import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { type Test, test } from 'tap';
import { describeFault } from '../../src/cli/fault.ts';
import { vedette } from './run.ts';

async function takenPort(t: Test): Promise<number> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return (server.address() as { port: number }).port;
}

/** One line, and not a stack. */
const SENTENCE = /^error: [^\n]+\n$/;

test('a port in use is found before anything is made', async (t) => {
  const cwd = t.testdir({});
  const port = await takenPort(t);
  const run = await vedette(t, ['serve', '--port', String(port)], { cwd });
  t.match(run, { code: 1, stderr: SENTENCE });
  t.match(run.stderr, `port ${port} is in use`);
  t.notOk(existsSync(path.join(cwd, 'data')), 'no database was made');
});

test('a data folder that is none is one sentence', async (t) => {
  const cwd = t.testdir({ file: '' });
  for (const folder of ['file', 'file/below', '/proc']) {
    const run = await vedette(t, ['serve', '--port', '0', '--data-dir', folder], { cwd });
    t.match(run, { code: 1, stderr: SENTENCE }, folder);
    t.match(run.stderr, /needs a folder that it can write to/, folder);
  }
});

test('jobs that cannot be read are told before a database is made', async (t) => {
  const cwd = t.testdir({ 'wrong.json': '[{"uri": 5}]' });
  for (const [file, why] of [
    ['nofile.json', /nofile\.json/],
    ['wrong.json', /uri: given 5/],
  ] as const) {
    const run = await vedette(t, ['serve', '--port', '0', '--jobs', file], { cwd });
    t.match(run, { code: 1, stderr: why });
    t.notMatch(run.stderr, / at .*:\d+:\d+/);
    t.notOk(existsSync(path.join(cwd, 'data')), 'no database was made');
  }
});

test('hints repeat the options that were given', async (t) => {
  const cwd = t.testdir({ 'my.env': '' });
  const run = await vedette(t, ['jobs', '-e', 'my.env', '--data-dir', "it's here"], { cwd });
  t.match(run.stderr, "`npx vedette serve -e my.env --data-dir 'it'\\''s here'`");
});

test('what the system refuses is said in words, a defect with its stack', async (t) => {
  const { text, code } = await import('node:fs/promises')
    .then(({ readFile }) => readFile('/nowhere/at/all'))
    .then(() => ({ text: '', code: '' }), describeFault);
  t.same({ text, code }, { text: 'open /nowhere/at/all: no such file or directory', code: 'ENOENT' });
  t.match(describeFault(new TypeError('x')).text, /defect of Vedette: TypeError: x\n +at /);
  t.equal(describeFault(new AggregateError([new Error('inner')], '')).text, 'inner');
});
