// Installs and compiles node-rdkafka, the native Kafka client. It is an optional peer dependency: npm leaves it out, so that
// nobody's installation waits for a compiler. The compiled files are kept outside of node_modules and put back after
// the next `npm ci`.
//   npm run rdkafka:build [-- --force] [--strip] [--yes]
// --yes installs missing packages of the system without asking; without a terminal it says which and ends.
// --strip removes what is not needed to load it: the sources of both, for images.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
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

/** Files that are loaded, beside the artifacts. */
const RUNTIME = ['package.json', 'LICENSE.txt', 'lib', 'librdkafka.js', 'build'];

const root = join(import.meta.dirname, '..');
const folder = join(root, 'node_modules/node-rdkafka');
const force = process.argv.includes('--force');

const version = readManifest(root).peerDependencies['node-rdkafka'];
const libc = process.report.getReport().header.glibcVersionRuntime ?? 'other';
const cache = join(
  cacheFolder(),
  `rdkafka-v${version}-abi${process.versions.modules}-${process.platform}-${process.arch}-${libc}`,
);

// Before anything is downloaded: what the system lacks, and whether it may be installed.
const isCompiled = existsSync(cache);
if (force || (!isCompiled && !report())) installPackages();
// Its own manifest says v3.6.1.
if (!existsSync(folder) || readManifest(folder).version.replace(/^v/, '') !== version) installModule();
if (force || !(report() || (restore() && report()))) {
  compile();
  if (!report()) fail(`it compiled, but does not load:\n${loaded().error}`);
  keep();
}
if (process.argv.includes('--strip')) strip();

function readManifest(of) {
  return JSON.parse(readFileSync(join(of, 'package.json'), 'utf8'));
}

/** Beside the packages of package-lock.json, which npm would look through, change and prune if it did this in place. */
function installModule() {
  const workshop = mkdtempSync(join(tmpdir(), 'vedette-rdkafka-'));
  try {
    writeFileSync(join(workshop, 'package.json'), '{"private": true}');
    const args = ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
    const run = spawnSync('npm', [...args, `node-rdkafka@${version}`], {
      cwd: workshop,
      stdio: ['ignore', 'ignore', 'inherit'],
      // npm tells its children where it works and what it does there.
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name))),
    });
    if (run.status !== 0) fail(`npm could not install node-rdkafka ${version}`);
    const packages = join(workshop, 'node_modules');
    for (const name of readdirSync(packages).filter((each) => !each.startsWith('.'))) {
      const place = join(root, 'node_modules', name);
      if (name !== 'node-rdkafka' && existsSync(place)) continue;
      rmSync(place, { recursive: true, force: true });
      cpSync(join(packages, name), place, { recursive: true, verbatimSymlinks: true });
    }
  } finally {
    rmSync(workshop, { recursive: true, force: true });
  }
}

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
  const args = ['-n', '19', 'npm', 'run', 'install'];
  const jobs = String(availableParallelism());
  const run = spawnSync('nice', args, {
    cwd: folder,
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
