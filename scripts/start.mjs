// `npm start`: installs if needed, builds if stale, then becomes `vedette serve` in this very process, so that signals
// and the exit code need no forwarding.
import './check-node.mjs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, root } from './ensure-install.mjs';

async function start() {
  ensureInstalled();
  const { build } = await import('./build.mjs');
  await build();
  process.argv.splice(1, 1, path.join(root, 'bin/vedette.js'), 'serve');
  await import(pathToFileURL(path.join(root, 'dist/cli.js')).href);
}

start().catch((error) => {
  console.error(error.message || error);
  process.exit(1);
});
