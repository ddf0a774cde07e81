// `npm run test:faults`: whole processes that are killed, paused and cut off. Arguments go to tap.
// VEDETTE_FAULT_SEED repeats an earlier run, VEDETTE_FAULTS says how many faults each test injects (default 3 to 40),
// VEDETTE_FAULTS_SAMPLE=yes takes turns with the two clients for Kafka where both take the same way (test/faults/sample.ts).
import './check-node.mjs';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { build } from './build.mjs';
import { ensureInstalled } from './ensure-install.mjs';
import { runTap } from './tap.mjs';

ensureInstalled();
await build();
if (!existsSync('/usr/bin/faketime') && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
  // Steps the wall clock of one process; without it that test says loudly that it was skipped.
  const apt = (...args) =>
    spawnSync('apt-get', ['-qq', ...args], { stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
  if (!apt('install', '-y', 'faketime') && apt('update')) apt('install', '-y', 'faketime');
}
// A long run may take as long as it needs.
const faults = Number(process.env.VEDETTE_FAULTS ?? 0);
const timeout = faults > 40 ? [`--timeout=${1_500 + faults * 30}`] : [];
process.exit(runTap([...timeout, ...process.argv.slice(2)], { TAP_RCFILE: '.taprc-faults.yaml' }));
