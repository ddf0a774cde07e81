// `npm test`: installs if needed, then lint, types and tests. Arguments go to tap: `npm test -- test/core/clock.test.ts`.
import './check-node.mjs';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { ensureInstalled, root } from './ensure-install.mjs';
import { runTap } from './tap.mjs';

ensureInstalled();
const bin = (name) => path.join(root, 'node_modules/.bin', name);
const steps = [
  ['lint', 'npm', ['run', '--silent', 'lint']],
  ['types', bin('tsc'), ['--noEmit']],
  ['types of tests and benchmarks', bin('tsc'), ['--noEmit', '--project', 'test']],
  ['types of the page', bin('tsc'), ['--noEmit', '--project', 'src/web/browser']],
];
const failed = [];
for (const [name, command, args] of steps) {
  console.log(`> ${name}`);
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) failed.push(name);
}
console.log('> tests');
if (runTap(process.argv.slice(2)) !== 0) failed.push('tests');
console.log(failed.length === 0 ? 'lint, types and tests passed' : `failed: ${failed.join(', ')}`);
process.exit(failed.length === 0 ? 0 : 1);
