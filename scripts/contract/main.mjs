// `npm run test:contract`: clients made by generators, and Schemathesis, against a running API. Arguments go to tap.
import '../check-node.mjs';
import { fileURLToPath } from 'node:url';
import { ensureInstalled } from '../ensure-install.mjs';
import { ensurePythonTools } from '../python-tools.mjs';
import { runTap } from '../tap.mjs';

ensureInstalled();
const { bin, problem } = ensurePythonTools('contract', fileURLToPath(new URL('requirements.txt', import.meta.url)));
if (problem !== null) console.error(`\n*** The tests with Python tools are skipped. ${problem} ***\n`);
const env = {
  TAP_RCFILE: '.taprc-contract.yaml',
  ...(bin === null ? { CONTRACT_PYTHON_PROBLEM: problem } : { CONTRACT_PYTHON_BIN: bin }),
};
process.exit(runTap(process.argv.slice(2), env));
