// House rules that no off-the-shelf linter states: file size, and who may end the process.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const MAX_LINES = 400;
const MAY_EXIT = new Set(['src/main.ts', 'src/cli.ts']);
const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', 'src', 'test', 'benchmarks', 'scripts'], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => /\.(ts|mjs|cjs)$/.test(file));

const problems = [];
for (const file of files) {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    continue; // Deleted in the working tree but still in the index.
  }
  const lines = text.split('\n').length - 1;
  if (lines > MAX_LINES) problems.push(`${file}: ${lines} lines, at most ${MAX_LINES}: make it two files`);
  if (file.startsWith('src/') && !MAY_EXIT.has(file) && /\bprocess\.exit\(/.test(text)) {
    problems.push(`${file}: process.exit belongs to ${[...MAY_EXIT].join(' and ')} alone`);
  }
}
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
console.log(`${files.length} files keep the house rules`);
