import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { t as run, test } from 'tap';
import { freePort } from '../../scripts/free-port.ts';
import { until } from '../helpers/until.ts';
import { checkoutFiles, copyFiles, runIn, temporaryFolder } from './production-tree.ts';

/** An installation that compiles something takes minutes. */
const INSTALL_MS = 120_000;
const MAX_BYTES = 1_000_000;

const checkout = temporaryFolder(run, 'checkout');
const prefix = temporaryFolder(run, 'prefix');
const program = join(prefix, 'bin/vedette');
let tarball: string;

test('npm pack in a fresh checkout packs what runs and nothing else', async (t) => {
  copyFiles(checkoutFiles(), checkout);
  runIn(checkout, 'npm', ['ci']);
  const [packed] = JSON.parse(runIn(checkout, 'npm', ['pack', '--json', '--foreground-scripts=false']));
  tarball = join(checkout, packed.filename);
  t.comment(`${Math.round(packed.size / 1000)} kB, ${packed.entryCount} files`);
  t.ok(packed.size < MAX_BYTES);
  const names: string[] = packed.files.map(({ path }: { path: string }) => path);
  for (const name of [
    'bin/vedette.js',
    'dist/cli.js',
    'dist/page.css',
    'dist/page.js',
    'migrations/0001-initial.sql',
    'settings/default.yaml',
    'LICENSE',
    'docs/settings.md',
  ]) {
    t.ok(names.includes(name), name);
  }
  const others = names.filter((name) => /^(src|test|examples|benchmarks|deploy|jobs)|\.map$|\.env$|proofs/.test(name));
  t.same(others, []);
});

test('npm install -g compiles nothing, and installs the program', async (t) => {
  const begun = Date.now();
  runIn(prefix, 'npm', ['install', '-g', '--prefix', prefix, tarball]);
  t.ok(Date.now() - begun < INSTALL_MS, `${Date.now() - begun} ms`);
  const packages = readdirSync(join(prefix, 'lib/node_modules/vedette/node_modules'));
  for (const name of ['node-rdkafka', 'esbuild', 'typescript', 'tap']) t.notOk(packages.includes(name), name);
  const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
  t.equal(runIn('/', program, ['--version']).trim(), version);
});

test('vedette serve runs in an empty folder, says how to get jobs, takes one, and ends with Ctrl-C', async (t) => {
  const cwd = temporaryFolder(t, 'empty');
  const port = await freePort();
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(program, ['serve', '--port', String(port)], { cwd, env: { PATH, HOME } });
  t.teardown(() => child.kill('SIGKILL'));
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (log += text));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const url = `http://127.0.0.1:${port}`;
  await until('ready', async () => (await fetch(`${url}/health/ready`)).ok, 60_000);
  t.match(log, /vedette jobs add.*no job file/);
  const page = await fetch(url, { headers: { accept: 'text/html' } });
  t.match([page.status, await page.text()], [200, /There are no jobs yet/]);
  t.equal((await fetch(`${url}/docs/`)).status, 200);
  for (const asset of ['dashboard.css', 'dashboard.js', 'favicon.svg']) {
    t.equal((await fetch(`${url}/${asset}`)).status, 200, asset);
  }

  const add = ['jobs', 'add', 'http://vedette.self/website_mock?status=200', '--name', 'mine', '--period', '1'];
  t.match(runIn(cwd, program, add), /job 1 added: mine/);
  await until('a result', async () => / up +200 .* mine$/m.test(runIn(cwd, program, ['jobs'])), 30_000);
  t.ok(statSync(join(cwd, 'data/postgres')).isDirectory());
  child.kill('SIGINT');
  t.equal(await ended, 0, log);
});
