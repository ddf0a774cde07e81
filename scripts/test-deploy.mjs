// `npm run test:deploy`: what is deployed, as it is deployed: whole processes, builds and every file that describes them.
// Arguments go to tap. A tool that is missing here is named by the test that would have used it.
import './check-node.mjs';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { build } from './build.mjs';
import { ensureInstalled } from './ensure-install.mjs';
import { runTap } from './tap.mjs';

ensureInstalled();
await build();
// Validators of others; without them their tests say loudly that they were skipped.
const tools = ['docker-compose', 'shellcheck'].filter((tool) => !existsSync(`/usr/bin/${tool}`));
if (tools.length > 0 && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
  const apt = (...args) =>
    spawnSync('apt-get', ['-qq', ...args], { stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
  const install = ['install', '-y', '--no-install-recommends', ...tools];
  if (!apt(...install) && apt('update')) apt(...install);
}
process.exit(runTap(process.argv.slice(2), { TAP_RCFILE: '.taprc-deploy.yaml' }));
