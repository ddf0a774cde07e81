// Builds dist from src: bundles of one command line and of what it loads on demand. It strips types and does not check
// them: `npm test` does.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './ensure-install.mjs';

const STAMP = 'dist/.build.json';
const CONFIG = ['tsconfig.json', 'package-lock.json'];
/** Packages of so many small files that loading them one by one takes longer than anything else at a start. */
const BUNDLED = ['typebox'];
/** What Node.js is started with: the command line, and the threads of checks. */
const PROGRAMS = [
  { in: 'src/cli.ts', out: 'cli' },
  { in: 'src/scheduler/checks/threads/check-program.ts', out: 'check-program' },
];
/** Files that a page loads are served as they are, and lists are read. */
const ASSETS = /^src\/.*\/(browser\/[^/]+\.(js|css|svg)|[^/]+\.txt)$/;
/** A process that runs may still load parts of the build that it was started from. */
const KEPT_MS = 24 * 3_600_000;

/**
 * Returns the differences between src and the sources that dist was built from. Sizes and times are compared first, contents only where those
 * differ, so that a check of an unchanged tree costs a few ms and a `git checkout` does not force a build.
 */
export function findStale(folder = root) {
  const stamp = readStamp(folder);
  const files = {};
  const changed = [];
  for (const name of listFiles(folder)) {
    const { mtimeMs, size } = statSync(path.join(folder, name));
    const known = stamp.files[name];
    if (known && known.mtimeMs === mtimeMs && known.size === size) files[name] = known;
    else {
      const hash = createHash('sha256')
        .update(readFileSync(path.join(folder, name)))
        .digest('hex');
      files[name] = { mtimeMs, size, hash };
      if (known?.hash !== hash) changed.push(name);
    }
  }
  const removed = Object.keys(stamp.files).filter((name) => !files[name]);
  return { files, changed, removed, touched: JSON.stringify(files) !== JSON.stringify(stamp.files) };
}

/** Builds if stale. Returns the number of files built. */
export async function build(folder = root) {
  if (!existsSync(path.join(folder, 'src'))) return 0; // An installed package comes built.
  const { files, changed, removed, touched } = findStale(folder);
  if (changed.length === 0 && removed.length === 0) {
    if (touched) refreshStamp(folder, files);
    return 0;
  }
  const outputs = [...(await bundle(folder)), ...copyAssets(folder, Object.keys(files))];
  // Without a stamp a build that is cut off here is repeated, not believed.
  rmSync(path.join(folder, STAMP), { force: true });
  for (const { path: file, contents } of outputs) write(file, contents);
  prune(folder, new Set(outputs.map(({ path: file }) => path.relative(folder, file))));
  writeStamp(folder, files);
  return outputs.length;
}

async function bundle(folder) {
  const esbuild = await import('esbuild').catch((cause) => {
    throw new Error('dist is older than src, and esbuild, which builds it, is not installed: run npm ci', { cause });
  });
  const manifest = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const { dependencies, optionalDependencies, peerDependencies } = manifest;
  const packages = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies });
  try {
    const { outputFiles } = await esbuild.build({
      absWorkingDir: folder,
      entryPoints: PROGRAMS,
      outdir: 'dist',
      // All in one folder: what a file finds relative to its own place does not depend on the bundle it is in.
      chunkNames: '[name]-[hash]',
      bundle: true,
      splitting: true,
      external: packages.filter((name) => !BUNDLED.includes(name)),
      platform: 'node',
      format: 'esm',
      target: 'node20.20',
      sourcemap: true,
      write: false,
      logLevel: 'silent',
    });
    return outputFiles;
  } catch (error) {
    const [first] = error.errors ?? [];
    if (!first) throw error;
    const { file, line, column } = first.location ?? { file: 'src', line: 0, column: 0 };
    throw new Error(`${file}:${line}:${column + 1}: ${first.text}`, { cause: error });
  } finally {
    // Its process would stay, with more than 100 MB, as long as ours.
    await esbuild.stop();
  }
}

/** All in the folder of the bundles, as a file beside them. */
function copyAssets(folder, files) {
  return files
    .filter((name) => ASSETS.test(name))
    .map((name) => ({
      path: path.join(folder, 'dist', path.basename(name)),
      contents: readFileSync(path.join(folder, name)),
    }));
}

/** Removes from dist what is neither of this build nor of one that a process may still run. */
function prune(folder, wanted) {
  for (const name of listTree(folder, 'dist')) {
    const file = path.join(folder, name);
    const { mtimeMs } = statSync(file, { throwIfNoEntry: false }) ?? {};
    if (!wanted.has(name) && Date.now() - mtimeMs > KEPT_MS) rmSync(file, { force: true });
  }
}

function listFiles(folder) {
  const sources = listTree(folder, 'src').filter((name) => !name.endsWith('.d.ts'));
  return [...CONFIG.filter((name) => existsSync(path.join(folder, name))), ...sources].sort();
}

function listTree(folder, top) {
  return readdirSync(path.join(folder, top), { withFileTypes: true }).flatMap((entry) => {
    const name = `${top}/${entry.name}`;
    return entry.isDirectory() ? listTree(folder, name) : entry.isFile() ? [name] : [];
  });
}

function readStamp(folder) {
  try {
    return JSON.parse(readFileSync(path.join(folder, STAMP), 'utf8'));
  } catch {
    return { files: {} }; // Never built, or cut off while it was.
  }
}

function writeStamp(folder, files) {
  write(path.join(folder, STAMP), JSON.stringify({ files }));
}

/** Only makes the next look faster; where the tree is read-only, as on hosts that copied it, that look stays slow. */
function refreshStamp(folder, files) {
  try {
    writeStamp(folder, files);
  } catch (error) {
    if (!['EROFS', 'EACCES', 'EPERM'].includes(error.code)) throw error;
  }
}

function write(file, content) {
  mkdirSync(path.dirname(file), { recursive: true });
  // Another process may be starting from dist, or building it too: a file is there whole or not at all.
  const draft = `${file}.${process.pid}.tmp`;
  writeFileSync(draft, content);
  renameSync(draft, file);
}

if (process.argv[1] && path.resolve(process.argv[1]) === path.join(root, 'scripts/build.mjs')) {
  // A package holds this build alone, and nothing of earlier ones that a process may still run.
  if (process.argv.includes('--fresh')) rmSync(path.join(root, 'dist'), { recursive: true, force: true });
  const count = await build();
  console.error(count === 0 ? 'dist is up to date' : `built ${count} files`);
}
