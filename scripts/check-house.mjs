// House rules that no off-the-shelf linter states; each kind has a file in scripts/house/.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { checkArchitecture } from './house/check-architecture.mjs';
import { checkFiles } from './house/check-files.mjs';
import { checkRooms } from './house/check-rooms.mjs';
import { checkTables } from './house/check-tables.mjs';

const folders = ['src', 'test', 'benchmarks', 'scripts', 'migrations'];
const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', ...folders], { encoding: 'utf8' })
  .split('\n')
  // A file deleted in the working tree may still be in the index.
  .filter((file) => file !== '' && existsSync(file));
const read = (pattern) =>
  new Map(files.filter((file) => pattern.test(file)).map((file) => [file, readFileSync(file, 'utf8')]));

const sources = read(/\.(ts|mjs|cjs)$/);
const problems = [
  ...checkFiles(sources),
  ...checkRooms(sources.keys(), JSON.parse(readFileSync('package.json', 'utf8'))),
  ...checkArchitecture(
    readFileSync('docs/architecture.md', 'utf8'),
    files.filter((file) => file.startsWith('src/')).map((file) => file.slice('src/'.length)),
  ),
  ...checkTables(sources, read(/^migrations\/.*\.sql$/)),
];
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
console.log(`${sources.size} files keep the house rules`);
