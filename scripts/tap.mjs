// Runs tap. Built with the plugins that .taprc names first: tap does that by itself when it has others, but runs the tests of
// that time with the plugins it had, which compile each of them with TypeScript.
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './ensure-install.mjs';

const tap = path.join(root, 'node_modules/.bin/tap');
/** Goes with each installation of tap. */
const stamp = path.join(root, 'node_modules/tap/.vedette-built');

/** Returns tap's exit code. `env` is added to the environment. */
export function runTap(args, env = {}) {
  if (!existsSync(stamp)) {
    const { status } = run(['build'], {}, ['ignore', 'ignore', 'inherit']);
    if (status === 0) writeFileSync(stamp, '');
  }
  return run(args, env, 'inherit').status ?? 1;
}

function run(args, env, stdio) {
  return spawnSync(tap, args, {
    cwd: root,
    stdio,
    env: { ...process.env, ...env },
    shell: process.platform === 'win32',
  });
}
