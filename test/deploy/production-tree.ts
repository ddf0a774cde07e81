import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Test } from 'tap';

export const root = resolve(import.meta.dirname, '../..');

/** What git would hand to somebody else: tracked files, and new ones that are not ignored. */
export function checkoutFiles(): string[] {
  const list = execFileSync('git', ['ls-files', '-coz', '--exclude-standard'], { cwd: root, encoding: 'utf8' });
  return list.split('\0').filter((name) => name !== '');
}

/** A folder that every user may enter, removed at teardown. */
export function temporaryFolder(t: Pick<Test, 'teardown'>, name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `vedette-${name}-`));
  chmodSync(folder, 0o755);
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function copyFiles(names: readonly string[], folder: string): void {
  for (const name of names) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    cpSync(join(root, name), join(folder, name), { verbatimSymlinks: true });
  }
}

/** An installation that compiles something takes minutes; a registry that does not answer would take for ever. */
const COMMAND_MS = 240_000;
/** How this machine reaches a registry. */
const NETWORK = /^(https?_proxy|no_proxy|node_extra_ca_certs|ssl_cert_(file|dir)|npm_config_(registry|cafile))$/i;

/** Runs a command to its end, as a build machine does: nothing of this test run is in its environment. */
export function runIn(folder: string, command: string, args: readonly string[], env: Record<string, string> = {}) {
  const network = Object.entries(process.env).filter(([name]) => NETWORK.test(name));
  const { PATH = '', HOME = '' } = process.env;
  return execFileSync(command, args, {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: COMMAND_MS,
    env: { PATH, HOME, npm_config_prefer_offline: 'true', ...Object.fromEntries(network), ...env },
  });
}

/** An account that owns nothing of what it runs. Undefined unless the tests run as root. */
export const stranger = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;

/** Nobody but root may write there any more, and the stranger is not root. */
export function makeReadOnly(t: Pick<Test, 'teardown'>, folder: string): void {
  execFileSync('chmod', ['-R', 'a-w', folder]);
  t.teardown(() => execFileSync('chmod', ['-R', 'u+w', folder]));
}
