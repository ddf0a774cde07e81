// Builds dist from src, only the files that changed. It strips types and does not check them: `npm test` does.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './ensure-install.mjs';

const STAMP = 'dist/.build.json';
const CONFIG = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'];

/**
 * What differs between src and what dist was built from. Sizes and times are compared first, contents only where those
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

/** Builds if stale. Answers the number of files built. */
export async function build(folder = root) {
  if (!existsSync(path.join(folder, 'src'))) return 0; // An installed package comes built.
  const { files, changed, removed, touched } = findStale(folder);
  if (changed.length === 0 && removed.length === 0) {
    if (touched) refreshStamp(folder, files);
    return 0;
  }
  const configChanged = changed.some((name) => CONFIG.includes(name));
  const sources = (configChanged ? Object.keys(files) : changed).filter(isSource);
  // Without a stamp a build that is cut off here is repeated, not believed.
  rmSync(path.join(folder, STAMP), { force: true });
  prune(
    folder,
    new Set(
      Object.keys(files)
        .filter(isSource)
        .flatMap((name) => [outputOf(name), `${outputOf(name)}.map`]),
    ),
  );
  const scripts = sources.filter((name) => name.endsWith('.ts'));
  if (scripts.length > 0) await transpile(folder, scripts);
  for (const name of sources.filter((name) => !name.endsWith('.ts'))) {
    write(path.join(folder, outputOf(name)), readFileSync(path.join(folder, name)));
  }
  writeStamp(folder, files);
  return sources.length;
}

async function transpile(folder, sources) {
  const { default: ts } = await import('typescript').catch((cause) => {
    throw new Error('dist is older than src, and TypeScript, which builds it, is not installed: run npm ci', { cause });
  });
  const { config } = ts.readConfigFile(path.join(folder, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, folder);
  const compilerOptions = {
    ...options,
    noEmit: false,
    incremental: false,
    sourceMap: true,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
  };
  delete compilerOptions.tsBuildInfoFile;
  for (const name of sources) {
    const { outputText, sourceMapText, diagnostics } = ts.transpileModule(
      readFileSync(path.join(folder, name), 'utf8'),
      {
        compilerOptions,
        fileName: path.relative(path.dirname(outputOf(name)), name),
        reportDiagnostics: true,
      },
    );
    if (diagnostics?.length)
      throw new Error(`${name}: ${ts.flattenDiagnosticMessageText(diagnostics[0].messageText, '\n')}`);
    write(path.join(folder, outputOf(name)), outputText);
    if (sourceMapText) write(path.join(folder, `${outputOf(name)}.map`), sourceMapText);
  }
}

const isSource = (name) => name.startsWith('src/');
const outputOf = (name) => name.replace(/^src\//, 'dist/').replace(/\.ts$/, '.js');

/** Removes from dist what no source makes any more. */
function prune(folder, wanted) {
  if (!existsSync(path.join(folder, 'dist'))) return;
  for (const name of listTree(folder, 'dist')) {
    // Drafts belong to a build that goes on beside this one.
    if (!wanted.has(name) && !name.endsWith('.tmp')) rmSync(path.join(folder, name), { force: true });
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
  const count = await build();
  console.error(count === 0 ? 'dist is up to date' : `built ${count} files`);
}
