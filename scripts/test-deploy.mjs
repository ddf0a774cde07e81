// `npm run test:deploy`: what is deployed, as it is deployed: whole processes, builds and every file that describes them.
// Arguments go to tap. A tool that is missing here is named by the test that would have used it.
import './check-node.mjs';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { build } from './build.mjs';
import { ensureInstalled, root } from './ensure-install.mjs';

ensureInstalled();
await build();
const { status } = spawnSync(path.join(root, 'node_modules/.bin/tap'), process.argv.slice(2), {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, TAP_RCFILE: '.taprc-deploy.yaml' },
});
process.exit(status ?? 1);
