// `npm test`: installs if needed, then lint, types and tests. Arguments go to tap: `npm test -- test/core/clock.test.ts`.
import './check-node.mjs';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { ensureInstalled, root } from './ensure-install.mjs';
import { runTap } from './tap.mjs';

ensureInstalled();
const bin = (name) => path.join(root, 'node_modules/.bin', name);
const failed = [];
console.log('> lint and types');
// Each of them has one thread: two at a time take half as long on two cores.
await Promise.all([
  step('lint', 'npm', ['run', '--silent', 'lint']),
  step('types', bin('tsc'), ['--noEmit'])
    .then(() => step('types of tests and benchmarks', bin('tsc'), ['--noEmit', '--project', 'test']))
    .then(() => step('types of the page', bin('tsc'), ['--noEmit', '--project', 'src/web/browser'])),
]);
console.log('> tests');
if (runTap(process.argv.slice(2)) !== 0) failed.push('tests');
console.log(failed.length === 0 ? 'lint, types and tests passed' : `failed: ${failed.join(', ')}`);
process.exit(failed.length === 0 ? 0 : 1);

/** Prints what it said when it has ended, so that nothing is mixed. */
function step(name, command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, shell: process.platform === 'win32' });
    const said = [];
    child.stdout.on('data', (chunk) => said.push(chunk));
    child.stderr.on('data', (chunk) => said.push(chunk));
    child.on('error', (error) => said.push(Buffer.from(`${error.message}\n`)));
    child.on('close', (status) => {
      console.log(`> ${name}`);
      process.stdout.write(Buffer.concat(said));
      if (status !== 0) failed.push(name);
      resolve();
    });
  });
}
