// `npm run test:contract`: clients made by generators, and Schemathesis, against a running API. Arguments go to tap.
import '../check-node.mjs';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { ensureInstalled, root } from '../ensure-install.mjs';
import { ensurePythonTools } from './python.mjs';

ensureInstalled();
const { bin, problem } = ensurePythonTools();
if (problem !== null) console.error(`\n*** The tests with Python tools are skipped. ${problem} ***\n`);
const { status } = spawnSync(path.join(root, 'node_modules/.bin/tap'), process.argv.slice(2), {
  cwd: root,
  stdio: 'inherit',
  env: {
    ...process.env,
    TAP_RCFILE: '.taprc-contract.yaml',
    ...(bin === null ? { CONTRACT_PYTHON_PROBLEM: problem } : { CONTRACT_PYTHON_BIN: bin }),
  },
});
process.exit(status ?? 1);
