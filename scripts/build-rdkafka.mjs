// Compiles node-rdkafka, the optional native Kafka client. npm installs it without running its scripts, so that nobody's
// first start waits for a compiler. The result is kept outside of node_modules and put back after the next `npm ci`.
//   npm run rdkafka:build [-- --force] [--strip] [--yes]
// --yes installs missing packages of the system without asking; without a terminal it says which and ends.
// --strip removes what is not needed to load it: the sources of both, for images.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, readSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { cacheFolder } from './cache-folder.mjs';

/** Debian names; the last three let librdkafka have TLS with SCRAM, gzip and zstd. lz4 and snappy come with its sources. */
const PACKAGES = ['python3', 'make', 'g++', 'libssl-dev', 'zlib1g-dev', 'libzstd-dev'];
const ARTIFACTS = ['build/Release/node-librdkafka.node', 'build/deps/librdkafka.so.1', 'build/deps/librdkafka++.so.1'];
const INTERMEDIATE = [
  'build/Release/obj.target',
  'build/Release/.deps',
  'build/deps/librdkafka.a',
  'build/deps/librdkafka++.a',
];

/** What is loaded, beside the artifacts. */
const RUNTIME = ['package.json', 'LICENSE.txt', 'lib', 'librdkafka.js', 'build'];

const root = join(import.meta.dirname, '..');
const folder = join(root, 'node_modules/node-rdkafka');
const force = process.argv.includes('--force');

if (!existsSync(folder)) fail('node_modules/node-rdkafka is not there: run npm ci without --omit=optional');
const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
const libc = process.report.getReport().header.glibcVersionRuntime ?? 'other';
const cache = join(
  cacheFolder(),
  `rdkafka-${version}-abi${process.versions.modules}-${process.platform}-${process.arch}-${libc}`,
);

if (force || !(report() || (restore() && report()))) {
  installPackages();
  compile();
  if (!report()) fail(`it compiled, but does not load:\n${loaded().error}`);
  keep();
}
if (process.argv.includes('--strip')) strip();

/** Loads the module in a process of its own: a failed load must not stay in this one. */
function loaded() {
  const script = "const k=require('node-rdkafka');console.log(k.librdkafkaVersion+'|'+k.features.join(' '))";
  const run = spawnSync(process.execPath, ['-e', script], { cwd: root, encoding: 'utf8' });
  return run.status === 0 ? { text: run.stdout.trim() } : { error: run.stderr };
}

function report() {
  const { text } = loaded();
  if (text === undefined) return false;
  const [librdkafka, features] = text.split('|');
  console.log(`node-rdkafka ${version} loads: librdkafka ${librdkafka}, ${features}`);
  return true;
}

function restore() {
  if (!existsSync(cache)) return false;
  cpSync(cache, folder, { recursive: true, verbatimSymlinks: true });
  console.log(`taken from ${cache}`);
  return true;
}

function keep() {
  const partial = `${cache}.${process.pid}`;
  for (const path of ARTIFACTS) cpSync(join(folder, path), join(partial, path), { verbatimSymlinks: true });
  rmSync(cache, { recursive: true, force: true });
  renameSync(partial, cache);
}

function strip() {
  for (const name of readdirSync(folder)) {
    if (!RUNTIME.includes(name)) rmSync(join(folder, name), { recursive: true, force: true });
  }
  for (const name of readdirSync(join(folder, 'build'), { recursive: true, withFileTypes: true })) {
    const path = join(name.parentPath, name.name);
    if (name.isDirectory() || ARTIFACTS.some((artifact) => path.endsWith(artifact))) continue;
    rmSync(path);
  }
  if (!report()) fail(`stripped, it does not load any more:\n${loaded().error}`);
  const kib = Number(execFileSync('du', ['-sk', folder], { encoding: 'utf8' }).split('\t')[0]);
  console.log(`stripped to ${(kib / 1024).toFixed(1)} MiB`);
}

function installPackages() {
  if (process.platform !== 'linux' || !existsSync('/usr/bin/dpkg-query')) {
    console.log(`not Debian: it needs what there is called ${PACKAGES.join(' ')}`);
    return;
  }
  const missing = PACKAGES.filter((name) => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query fills it in.
    const query = spawnSync('dpkg-query', ['-W', '-f=${db:Status-Status}', name], { encoding: 'utf8' });
    return query.stdout !== 'installed';
  });
  if (missing.length === 0) return;
  if (process.getuid() !== 0) fail(`packages are missing: sudo apt-get install ${missing.join(' ')}`);
  if (!mayInstall(missing)) fail(`nothing was installed; run it with --yes, or: apt-get install ${missing.join(' ')}`);
  console.log(`installing ${missing.join(' ')}`);
  const run = (...args) =>
    spawnSync('apt-get', args, { stdio: 'inherit', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  const install = ['install', '-y', '--no-install-recommends', ...missing];
  if (run(...install).status !== 0 && (run('update').status !== 0 || run(...install).status !== 0)) {
    fail(`apt-get could not install ${missing.join(' ')}`);
  }
}

/** The system is its owner's: nothing is installed there unasked. */
function mayInstall(missing) {
  if (process.argv.includes('--yes')) return true;
  if (!process.stdin.isTTY || !process.stdout.isTTY) return false;
  process.stdout.write(`Packages of the system are missing: ${missing.join(' ')}\nInstall them with apt-get? [y/N] `);
  const answer = Buffer.alloc(16);
  return /^y(es)?\s*$/i.test(answer.toString('utf8', 0, readSync(0, answer)));
}

function compile() {
  rmSync(join(folder, 'build'), { recursive: true, force: true });
  const started = performance.now();
  console.log('compiling librdkafka and its binding, one to three minutes');
  // Its Makefile wants this file before it makes it when it runs in parallel.
  execFileSync(process.execPath, ['util/configure'], { cwd: folder, stdio: 'ignore' });
  // Lowest priority: whoever works on this machine goes first.
  const args = ['-n', '19', 'npm', 'rebuild', 'node-rdkafka', '--ignore-scripts=false', '--foreground-scripts'];
  const jobs = String(availableParallelism());
  const run = spawnSync('nice', args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    env: { ...process.env, JOBS: jobs, MAKEFLAGS: `-j${jobs}` },
  });
  if (run.status !== 0)
    fail(`${run.stdout?.slice(-4000)}\n${run.stderr?.slice(-4000)}\nnode-rdkafka could not be compiled`);
  for (const path of INTERMEDIATE) rmSync(join(folder, path), { recursive: true, force: true });
  removeObjects();
  console.log(`compiled in ${Math.round((performance.now() - started) / 1000)} s`);
}

function removeObjects() {
  execFileSync('find', [
    join(folder, 'deps'),
    '-type',
    'f',
    '(',
    '-name',
    '*.o',
    '-o',
    '-name',
    '*.a',
    '-o',
    '-name',
    '*.lo',
    ')',
    '-delete',
  ]);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
