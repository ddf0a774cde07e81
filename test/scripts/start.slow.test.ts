import { readdirSync, statSync, utimesSync } from 'node:fs';
import { test } from 'tap';
import { createProject } from './project.ts';

test('builds at the first start, runs in the same process, passes flags and exit code', async (t) => {
  const project = createProject(t);
  const run = project.spawn(process.execPath, 'scripts/start.mjs', '--port', '9000');
  const first = await run.finished;
  t.equal(first.stderr, '');
  t.same(JSON.parse(first.stdout), { answer: 42, command: 'serve', args: ['--port', '9000'], pid: run.pid });
  t.equal(first.code, 0);
  t.equal((await project.node('scripts/start.mjs', 'exit', '5')).code, 5);
});

test('builds again what changed, and nothing when only times did', async (t) => {
  const project = createProject(t);
  const builtAt = () => statSync(project.at('dist/cli.js')).mtimeMs;
  await project.node('scripts/build.mjs');
  const before = builtAt();

  t.match(await project.node('scripts/build.mjs'), { stderr: 'dist is up to date\n', code: 0 });
  utimesSync(project.at('src/answer.ts'), new Date(), new Date());
  t.match(await project.node('scripts/build.mjs'), { stderr: 'dist is up to date\n' });
  t.equal(builtAt(), before);

  project.write('src/answer.ts', 'export const answer: number = 43;\n');
  t.match(await project.node('scripts/start.mjs'), { stdout: /"answer":43/ });

  project.write('tsconfig.json', `${project.read('tsconfig.json')}\n`);
  t.match(await project.node('scripts/build.mjs'), { stderr: /^built \d+ files\n$/ }, 'another configuration builds');
});

test('what a former build made stays as long as a process may run that was started from it', async (t) => {
  const project = createProject(t);
  const parts = () => readdirSync(project.at('dist')).filter((name) => /^answer-.*\.js$/.test(name));
  project.write('src/cli.ts', "console.log((await import('./answer.ts')).answer);\n");
  await project.node('scripts/build.mjs');
  const [first] = parts();
  project.write('src/answer.ts', 'export const answer: number = 43;\n');
  t.match(await project.node('scripts/start.mjs'), { stdout: '43\n' });
  t.equal(parts().length, 2);
  const yesterday = new Date(Date.now() - 25 * 3_600_000);
  utimesSync(project.at(`dist/${first}`), yesterday, yesterday);
  project.write('src/answer.ts', 'export const answer: number = 44;\n');
  await project.node('scripts/build.mjs');
  t.equal(parts().length, 2);
  t.notOk(parts().includes(first));
});

test('a build that was cut off is repeated', async (t) => {
  const project = createProject(t);
  await project.node('scripts/build.mjs');
  project.remove('dist/.build.json');
  project.write('dist/cli.js', 'half a fi');
  t.match(await project.node('scripts/start.mjs'), { stdout: /"answer":42/, code: 0 });
});

test('source that cannot be built: said in a line, not run, and not believed afterwards', async (t) => {
  const project = createProject(t);
  await project.node('scripts/build.mjs');
  project.write('src/answer.ts', 'export const answer = ;\n');
  for (const attempt of [1, 2]) {
    const run = await project.node('scripts/start.mjs');
    t.match(run, { code: 1, stdout: '', stderr: /^src\/answer\.ts:1:23: Unexpected ";"/ }, `attempt ${attempt}`);
  }
});

test('a checkout that is built runs without the packages that build it', async (t) => {
  const project = createProject(t);
  await project.node('scripts/build.mjs');
  project.remove('node_modules/esbuild');
  t.match(await project.node('bin/vedette.js', 'check'), { stdout: /"command":"check"/, code: 0 });
  project.write('src/answer.ts', 'export const answer = 1;\n');
  t.match(await project.node('bin/vedette.js'), {
    stderr: /esbuild, which builds it, is not installed: run npm ci/,
  });
});

test('Ctrl-C reaches the program exactly once, with npm in between and without, and its exit code comes back', async (t) => {
  const project = createProject(t);
  await project.node('scripts/build.mjs');
  for (const command of [
    ['npm', 'start', '--', 'wait'],
    [process.execPath, 'scripts/start.mjs', 'wait'],
  ] as const) {
    const run = project.spawn(command[0], ...command.slice(1));
    await run.printed('"pid"');
    process.kill(-run.pid, 'SIGINT');
    const { stdout, code, signal } = await run.finished;
    t.match(stdout, '{"signal":"SIGINT","stops":1}');
    t.notMatch(stdout, 'forced');
    // Some shells answer Ctrl-C with their own death, which npm then passes on in the place of the exit code.
    if (command[0] === 'npm') t.ok(code === 7 || signal === 'SIGINT', `${code} ${signal}`);
    else t.equal(code, 7);
  }
});

test('a second Ctrl-C forces the end', async (t) => {
  const project = createProject(t);
  await project.node('scripts/build.mjs');
  const run = project.spawn(process.execPath, 'scripts/start.mjs', 'wait');
  await run.printed('"pid"');
  process.kill(run.pid, 'SIGINT');
  await new Promise((resolve) => setTimeout(resolve, 450));
  process.kill(run.pid, 'SIGINT');
  t.match(await run.finished, { code: 130, stdout: /forced/ });
});

test('SIGTERM to npm alone ends the program as well', async (t) => {
  const project = createProject(t);
  await project.node('scripts/build.mjs');
  const run = project.spawn('npm', 'start', '--', 'wait');
  await run.printed('"pid"');
  process.kill(run.pid, 'SIGTERM');
  t.match((await run.finished).stdout, '{"signal":"SIGTERM","stops":1}');
});

test('an old Node is told in one line', async (t) => {
  const project = createProject(t);
  const pretend = "Object.defineProperty(process,'versions',{value:{...process.versions,node:'18.19.1'}})";
  const run = await project.node(
    '--import',
    `data:text/javascript,${encodeURIComponent(pretend)}`,
    'scripts/start.mjs',
  );
  t.match(run, {
    code: 1,
    stdout: '',
    stderr: /^Vedette needs Node\.js 20\.20 or newer; this is 18\.19\.1 \(.*\)\.\n$/,
  });
});
