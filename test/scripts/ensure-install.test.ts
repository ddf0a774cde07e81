import { existsSync } from 'node:fs';
import { test } from 'tap';
import { createProject } from './project.ts';

/** In the place of npm: notes what it was asked, and installs what is wanted, or fails. */
const FAKE_NPM = `
import { cpSync, mkdirSync, readFileSync, writeFileSync, appendFileSync } from 'node:fs';
appendFileSync('asked.txt', process.argv.slice(2).join(' ') + '\\n');
if (process.env.NPM_FAILS) process.exit(9);
mkdirSync('node_modules', { recursive: true });
const { '': self, ...packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')).packages;
writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages }));
`;

const install = (project: ReturnType<typeof createProject>, extra = '') =>
  project.node(
    '--input-type=module',
    '-e',
    `
    process.env.npm_execpath = './fake-npm.mjs'; ${extra}
    const { ensureInstalled } = await import('./scripts/ensure-install.mjs');
    ensureInstalled();
  `,
  );

test('installs when node_modules is missing, and not again', async (t) => {
  const project = createProject(t, { installed: false });
  project.write('fake-npm.mjs', FAKE_NPM);
  t.match(await install(project), {
    code: 0,
    stdout: '',
    stderr: 'Installing packages (node_modules is missing) ...\n',
  });
  t.equal(project.read('asked.txt'), 'ci\n');
  t.match(await install(project), { code: 0, stderr: '' });
  t.ok(existsSync(project.at('node_modules/.vedette-install')), 'the next look costs a hash only');
  t.match(await install(project), { code: 0, stderr: '' });
  t.equal(project.read('asked.txt'), 'ci\n');
});

test('installs when the lock file wants another version than is there', async (t) => {
  const project = createProject(t);
  project.write('fake-npm.mjs', FAKE_NPM);
  t.match(await install(project), { stderr: '' }, 'what is there fits');
  const lock = JSON.parse(project.read('package-lock.json'));
  lock.packages['node_modules/pino'].version = '99.0.0';
  project.write('package-lock.json', JSON.stringify(lock));
  t.match(await install(project), { code: 0, stderr: 'Installing packages (pino 99.0.0 is not installed) ...\n' });
  t.match(await install(project), { code: 0, stderr: '' });
});

test('an optional package that is not there is no reason', async (t) => {
  const project = createProject(t);
  project.write('fake-npm.mjs', FAKE_NPM);
  const lock = JSON.parse(project.read('package-lock.json'));
  lock.packages['node_modules/node-rdkafka-of-tests'] = { version: '1.0.0', optional: true };
  project.write('package-lock.json', JSON.stringify(lock));
  t.match(await install(project), { code: 0, stderr: '' });
});

test("a failed installation says so and has npm's exit code", async (t) => {
  const project = createProject(t, { installed: false });
  project.write('fake-npm.mjs', FAKE_NPM);
  const run = await install(project, "process.env.NPM_FAILS = '1';");
  t.match(run, { code: 9, stderr: /npm ci failed with exit code 9; see its messages above\.\n$/ });
});
