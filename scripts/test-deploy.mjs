// `npm run test:deploy`: what is deployed, as it is deployed: whole processes, builds and every file that describes them.
// Arguments go to tap. A tool that is missing here is named by the test that would have used it.
import './check-node.mjs';
import { build } from './build.mjs';
import { installDebianTools } from './debian-tools.mjs';
import { ensureInstalled } from './ensure-install.mjs';
import { runTap } from './tap.mjs';

ensureInstalled();
await build();
// Validators of others.
installDebianTools('docker-compose', 'shellcheck');
process.exit(runTap(process.argv.slice(2), { TAP_RCFILE: '.taprc-deploy.yaml' }));
