// Makes node_modules fit package-lock.json. Plain Node without dependencies: it runs before there are any.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '..');

/** Returns why an installation is needed, or null when node_modules fits. `isQuick`: it took only a hash to know. */
export function installationProblem(folder = root) {
  const lockText = readOptional(path.join(folder, 'package-lock.json'));
  if (lockText === null) return null; // An installed package rather than a checkout.
  const installedText = readOptional(path.join(folder, 'node_modules/.package-lock.json'));
  if (installedText === null) return 'node_modules is missing';
  const stamp = path.join(folder, 'node_modules/.vedette-install');
  const hash = createHash('sha256').update(lockText).update(installedText).digest('hex');
  if (readOptional(stamp) === hash) return null;

  const wanted = JSON.parse(lockText).packages;
  const installed = JSON.parse(installedText).packages;
  for (const [name, entry] of Object.entries(wanted)) {
    // Optional ones are for other platforms, or not installed on purpose; npm leaves them out of its list.
    if (name === '' || entry.optional || entry.devOptional || entry.peer || entry.link) continue;
    // npm's list may be older than what is there; the package itself decides.
    if (installed[name]?.version !== entry.version && versionOf(folder, name) !== entry.version) {
      if (entry.dev && process.env.NODE_ENV === 'production') continue;
      return `${name.replace(/^.*node_modules\//, '')} ${entry.version} is not installed`;
    }
  }
  writeOptional(stamp, hash);
  return null;
}

/** Runs `npm ci` if needed; ends the process with npm's exit code when it fails. */
export function ensureInstalled(folder = root) {
  const problem = installationProblem(folder);
  if (problem === null) return;
  console.error(`Installing packages (${problem}) ...`);
  const npm = process.env.npm_execpath;
  const isScript = npm !== undefined && /\.[cm]?js$/.test(npm) && existsSync(npm);
  const [command, leading] = isScript ? [process.execPath, [npm]] : ['npm', []];
  const { status, error } = spawnSync(command, [...leading, 'ci'], {
    cwd: folder,
    // npm's output belongs to the installation, not to the output of the command that runs afterwards.
    stdio: ['ignore', 2, 2],
    shell: !isScript && process.platform === 'win32',
  });
  if (status !== 0) {
    console.error(
      `npm ci failed${error ? `: ${error.message}` : ` with exit code ${status}`}; see its messages above.`,
    );
    process.exit(status || 1);
  }
}

function versionOf(folder, name) {
  const text = readOptional(path.join(folder, name, 'package.json'));
  return text === null ? undefined : JSON.parse(text).version;
}

function readOptional(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null; // Missing or unreadable both mean: not known, so the slow way.
  }
}

function writeOptional(file, text) {
  try {
    writeFileSync(file, text);
  } catch {
    // A read-only installation only loses the short cut.
  }
}

if (process.argv[1] && path.resolve(process.argv[1]) === path.join(root, 'scripts/ensure-install.mjs'))
  ensureInstalled();
