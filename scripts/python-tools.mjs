// Python programs and packages of others that tests run, in an environment of their own in the cache folder.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { cacheFolder } from './cache-folder.mjs';

/**
 * Installs what the file `requirements` lists, unless it is there; returns the folder of the programs (python among them),
 * or why there is none. `name` tells the environments of several files apart.
 */
export function ensurePythonTools(name, requirements) {
  const hash = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const folder = path.join(cacheFolder(), `${name}-python-${hash}`);
  const bin = path.join(folder, 'bin');
  const stamp = path.join(folder, 'complete');
  if (existsSync(stamp)) return { bin, problem: null };
  const run = (program, ...args) => spawnSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const version = run('python3', '-c', 'import sys, venv; assert sys.version_info >= (3, 10), sys.version');
  if (version.status !== 0)
    return { bin: null, problem: `Python 3.10 or newer with venv is needed: ${reason(version)}` };
  console.error(`Installing the Python tools of the ${name} tests ...`);
  rmSync(folder, { recursive: true, force: true });
  const made = run('python3', '-m', 'venv', folder);
  if (made.status !== 0) return { bin: null, problem: `python3 -m venv failed: ${reason(made)}` };
  const installed = run(path.join(bin, 'pip'), 'install', '--quiet', '--disable-pip-version-check', '-r', requirements);
  if (installed.status !== 0) return { bin: null, problem: `pip install failed: ${reason(installed)}` };
  writeFileSync(stamp, '');
  return { bin, problem: null };
}

function reason({ error, stderr }) {
  return error?.message ?? (stderr ?? '').trim().split('\n').at(-1);
}
