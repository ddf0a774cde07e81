// `npm start`: installs if needed, builds if stale, then becomes `vedette serve` in this very process, so that signals
// and the exit code need no forwarding.
import './check-node.mjs';
import module from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, root } from './ensure-install.mjs';

async function start() {
  // Newer Nodes keep what they compiled, which makes the next start faster.
  module.enableCompileCache?.();
  ensureInstalled();
  const { build } = await import('./build.mjs');
  await build();
  endWithParent();
  process.argv.splice(1, 1, path.join(root, 'bin/vedette.js'), 'serve');
  await import(pathToFileURL(path.join(root, 'dist/cli.js')).href);
}

/**
 * A signal that only npm gets ends npm and its shell, and would leave this process running on its own. Ctrl-C is not
 * meant: a terminal sends that to every process.
 */
function endWithParent() {
  if (!process.env.npm_lifecycle_event) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, 250);
  timer.unref();
}

start().catch((error) => {
  console.error(error.message || error);
  process.exit(1);
});
