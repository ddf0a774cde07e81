// Runs the stages of .ci/run one after the other, adds up the totals that tap prints, and ends with one line of them.
import { spawn } from 'node:child_process';

// It should take less than 40 minutes; a busy machine may need more, and is not a failure.
const LIMIT_MS = 80 * 60_000;
const stages = [
  { name: 'npm test', command: ['npm', 'test'] },
  { name: 'slow tests', command: ['npm', 'run', 'test:slow'] },
  { name: 'real Kafka', command: ['npm', 'run', 'test:kafka'] },
  { name: 'deployments', command: ['npm', 'run', 'test:deploy'] },
  { name: 'faults', command: ['npm', 'run', 'test:faults'] },
];

const totals = { passed: 0, failed: 0, skipped: 0 };
const started = Date.now();

for (const stage of stages) {
  const begun = Date.now();
  console.log(`\n=== ${stage.name}`);
  const { code, counted } = await run(stage.command, LIMIT_MS - (begun - started));
  totals.passed += counted.passed;
  totals.failed += counted.failed;
  totals.skipped += counted.skipped;
  // A stage that ends badly without a failed assertion (lint, types, a crash, the time limit) is one failure.
  if (code !== 0 && counted.failed === 0) totals.failed++;
  console.log(`=== ${stage.name}: exit ${code} after ${Math.round((Date.now() - begun) / 1000)} s`);
}

console.log(`\n${Math.round((Date.now() - started) / 60_000)} minutes in all`);
const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : '';
console.log(`${totals.passed} passed, ${totals.failed} failed${skipped}`);
process.exitCode = totals.failed > 0 || totals.passed === 0 ? 1 : 0;

/** Streams the output through; tap's last lines hold `# { total: 9, pass: 8, fail: 1, skip: 0 }`. */
function run([program, ...args], limitMs) {
  return new Promise((resolve) => {
    const counted = { passed: 0, failed: 0, skipped: 0 };
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
      env: { ...process.env, TAP_REPORTER: 'tap', CI: 'true' },
    });
    const timer = setTimeout(
      () => {
        console.log(`=== over the time limit, ending it`);
        process.kill(-child.pid, 'SIGKILL');
      },
      Math.max(0, limitMs),
    );
    let rest = '';
    child.stdout.on('data', (chunk) => {
      process.stdout.write(chunk);
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) count(line, counted);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      count(rest, counted);
      resolve({ code, counted });
    });
  });
}

function count(line, counted) {
  const match = /^# \{ total: \d+,?(.*)\}/.exec(line);
  if (!match) return;
  const read = (name) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(match[1])?.[1] ?? 0);
  counted.passed += read('pass');
  counted.failed += read('fail');
  counted.skipped += read('skip') + read('todo');
}
