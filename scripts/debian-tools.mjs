import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Packages that are not called as their program. */
const PACKAGES = { ping: 'iputils-ping', sshd: 'openssh-server', telnetd: 'inetutils-telnetd' };
const FOLDERS = ['/usr/bin', '/usr/sbin'];

/**
 * Installs the Debian packages of programs that are missing, where that can be done without asking. Tests say
 * loudly what they could not do without them.
 */
export function installDebianTools(...names) {
  const missing = names.filter((name) => !FOLDERS.some((folder) => existsSync(`${folder}/${name}`)));
  if (missing.length === 0 || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return;
  console.error(`Installing ${missing.join(' and ')}`);
  const apt = (...args) =>
    spawnSync('apt-get', ['-qq', ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
      // In this runlevel no package starts its service.
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
    }).status === 0;
  const install = ['install', '-y', '--no-install-recommends', ...missing.map((name) => PACKAGES[name] ?? name)];
  if (!apt(...install) && apt('update')) apt(...install);
}
