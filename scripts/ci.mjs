// Runs the stages of .ci/run one after the other, adds up the totals that tap prints, names what failed, and ends with
// one line of the totals.
import { spawn } from 'node:child_process';
import { installDebianTools } from './debian-tools.mjs';
import { TapReader } from './tap-reader.mjs';

// It should take less than 60 minutes; a busy machine may need more, and is not a failure.
const LIMIT_MS = 80 * 60_000;
const stages = [
  { name: 'npm test', command: ['npm', 'test'] },
  { name: 'newest Node.js', command: ['npm', 'run', 'test:newest'] },
  { name: 'slow tests', command: ['npm', 'run', 'test:slow'] },
  { name: 'contract of the API', command: ['npm', 'run', 'test:contract'] },
  { name: 'real Kafka', command: ['npm', 'run', 'test:kafka'] },
  { name: 'deployments', command: ['npm', 'run', 'test:deploy'] },
  { name: 'faults', command: ['npm', 'run', 'test:faults'] },
];

// What tests of monitor types and of pages meet, where it can be had.
installDebianTools('chromium', 'redis-server', 'ping', 'sshd', 'telnetd');

const totals = { passed: 0, failed: 0, skipped: 0 };
const summary = [];
const failures = [];
const started = Date.now();

for (const { name, command } of stages) {
  const begun = Date.now();
  console.log(`\n=== ${name}`);
  const { code, tap } = await run(command, LIMIT_MS - (begun - started));
  // A stage that ends badly without a failed assertion (lint, types, a crash, the time limit) is one failure.
  if (code !== 0 && tap.counted.failed === 0) {
    tap.counted.failed = 1;
    tap.failures.push(`exit ${code}`);
  }
  for (const kind of Object.keys(totals)) totals[kind] += tap.counted[kind];
  failures.push(...tap.failures.map((failure) => `${name} > ${failure}`));
  summary.push(`${name}: ${show(tap.counted)}, ${Math.round((Date.now() - begun) / 1000)} s`);
  console.log(`=== ${name}: exit ${code}`);
}

await run(['npx', 'tsx', 'test/helpers/remove-postgres.ts'], 60_000);
console.log(`\n${summary.join('\n')}`);
console.log(`${Math.round((Date.now() - started) / 60_000)} minutes in all`);
if (failures.length > 0) console.log(`\nfailed:\n${failures.map((failure) => `  ${failure}`).join('\n')}`);
console.log(show(totals));
process.exitCode = totals.failed > 0 || totals.passed === 0 ? 1 : 0;

function show({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/** Streams the output through. */
function run([program, ...args], limitMs) {
  return new Promise((resolve) => {
    const tap = new TapReader();
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
      env: { ...process.env, TAP_REPORTER: 'tap', CI: 'true', VEDETTE_FAULTS_SAMPLE: 'yes' },
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
      for (const line of lines) tap.line(line);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      tap.line(rest);
      resolve({ code, tap });
    });
  });
}
