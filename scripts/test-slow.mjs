// `npm run test:slow`: the tests of whole processes that take long (`*.slow.test.ts`), and the random tests of `npm test` again,
// with many more cases. Arguments go to tap instead of the names of these files.
import './check-node.mjs';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { installDebianTools } from './debian-tools.mjs';
import { ensureInstalled, root } from './ensure-install.mjs';
import { runTap } from './tap.mjs';

ensureInstalled();
// The real browser of the tests of pages.
installDebianTools('chromium');
const listed = process.argv.slice(2);
const slow = readdirSync(path.join(root, 'test'), { recursive: true }).filter((name) => name.endsWith('.slow.test.ts'));
const files = [
  ...slow.map((name) => path.join('test', name)).sort(),
  'test/jobs/forms.test.ts',
  'test/scheduler/exactly-once.test.ts',
  'test/access/reach/reach.test.ts',
];
const many = {
  VEDETTE_FUZZ_REQUESTS: '10000',
  FUZZ_RUNS: '10000',
  FORMS_RUNS: '600',
  CHAOS_RUNS: '24',
  REACH_RUNS: '400',
};
process.exit(runTap(['--timeout=900', ...(listed.length > 0 ? listed : files)], { ...many, ...process.env }));
