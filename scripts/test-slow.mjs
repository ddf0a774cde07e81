// `npm run test:slow`: the random tests of `npm test` again, with many more cases.
import './check-node.mjs';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { ensureInstalled, root } from './ensure-install.mjs';

ensureInstalled();
const files = [
  'test/api/fuzz.test.ts',
  'test/messages/decode.fuzz.test.ts',
  'test/jobs/forms.test.ts',
  'test/scheduler/exactly-once.test.ts',
];
const { status } = spawnSync(path.join(root, 'node_modules/.bin/tap'), ['--timeout=900', ...files], {
  cwd: root,
  stdio: 'inherit',
  env: { VEDETTE_FUZZ_REQUESTS: '10000', FUZZ_RUNS: '10000', FORMS_RUNS: '600', CHAOS_RUNS: '24', ...process.env },
});
process.exit(status ?? 1);
