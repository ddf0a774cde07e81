// `npm run test:newest`: tests of the rooms where versions of Node.js differ (sockets, TLS, timers, bytes) on the newest one, whose
// program npm brings. Arguments go to tap instead of the names of these files. VEDETTE_TEST_NODE=22 takes that version instead.
import './check-node.mjs';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { cacheFolder } from './cache-folder.mjs';
import { ensureInstalled, root } from './ensure-install.mjs';
import { runTap } from './tap.mjs';

const ROOMS = ['core', 'messages', 'monitors', 'postgres', 'scheduler', 'streaming'];

ensureInstalled();
const version = process.env.VEDETTE_TEST_NODE || 'latest';
const bin = install(version);
console.error(`tests on Node.js ${execFileSync(path.join(bin, 'node'), ['--version'], { encoding: 'utf8' }).trim()}`);
const listed = process.argv.slice(2);
process.exit(runTap(listed.length > 0 ? listed : filesOf(ROOMS), { PATH: bin + path.delimiter + process.env.PATH }));

/** Returns the folder of its program. */
function install(version) {
  const folder = path.join(cacheFolder(), `node-${version}`);
  mkdirSync(folder, { recursive: true });
  const command = [
    'install',
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    '--prefix',
    folder,
    `node@${version}`,
  ];
  execFileSync('npm', command, {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  return path.join(folder, 'node_modules/node/bin');
}

function filesOf(rooms) {
  return rooms.flatMap((room) =>
    readdirSync(path.join(root, 'test', room), { recursive: true })
      .filter((name) => name.endsWith('.test.ts') && !name.endsWith('.slow.test.ts'))
      .map((name) => path.join('test', room, name))
      .sort(),
  );
}
