import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { toMarkdown } from '../../scripts/prove/markdown.ts';
import type { Outcome } from '../../scripts/prove/outcome.ts';
import { chooseRuns, RUNS } from '../../scripts/prove/runs.ts';
import type { RunRecord } from '../faults/record.ts';

const root = join(import.meta.dirname, '../..');

test('the long runs: each driver on each version of PostgreSQL, chosen by name or its beginning', (t) => {
  const crowds = chooseRuns(['crowd']).map(({ name }) => name);
  t.equal(crowds.length, 12);
  for (const driver of ['embedded', 'kafkajs', 'rdkafka']) {
    for (const major of [14, 15, 16, 18]) t.ok(crowds.includes(`crowd/${driver}/${major}`), `${driver} on ${major}`);
  }
  t.strictSame(
    chooseRuns(['crowd/rdkafka/15', 'all-kinds/kafkajs']).map(({ name }) => name),
    ['crowd/rdkafka/15', 'all-kinds/kafkajs'],
  );
  t.strictSame(chooseRuns(['crowd/rdkafka/1']), [], 'half a name is none');
  t.equal(chooseRuns([]).length, RUNS.length);
  t.equal(new Set(RUNS.map(({ name }) => name)).size, RUNS.length);
  t.end();
});

test('the table of faults names every file of them', (t) => {
  const files = readdirSync(join(root, 'test/faults')).flatMap((name) => /^(.+)\.test\.ts$/.exec(name)?.[1] ?? []);
  const page = readFileSync(join(root, 'docs/faults.md'), 'utf8');
  const named = [...page.matchAll(/^\| `([\w-]+)` +\|/gm)].map(([, name]) => name as string);
  t.strictSame(named.sort(), files.sort());
  t.end();
});

test('the command says what it takes, and what it does not', (t) => {
  const prove = (...args: string[]) =>
    spawnSync(process.execPath, ['--import=tsx', 'scripts/prove/main.ts', ...args], { cwd: root, encoding: 'utf8' });
  const help = prove('--help');
  t.equal(help.status, 0);
  t.match(help.stdout, /--only RUN .*--seed N .*--out FOLDER/s);
  t.match(prove('--only', 'nothing'), { status: 2, stderr: 'no run is called nothing; --list prints them\n' });
  t.match(prove('--seed', 'x'), { status: 2, stderr: '--seed is a whole number, not x\n' });
  t.end();
});

test('the record says what held, what did not, and what was not run', (t) => {
  const record: RunRecord = {
    name: 'crowd/rdkafka/15',
    seed: 7,
    commit: 'abc1234',
    startedAt: '2026-11-28T16:00:00.000Z',
    seconds: 300,
    setting: { PostgreSQL: '15.18' },
    faults: { 'a processor is killed': 21 },
    audit: {
      due: 100_000,
      counted: 100_000,
      answered: 93_000,
      missed: 7_000,
      missedBy: { late: 7_000 },
      servedButMissed: 3,
      rows: { minute: 4_000, day: 800 },
      wrongRows: 2,
    },
    problems: ['row day 1 default 0: count is 1, its raw results say 2'],
    problemCount: 34,
    standstill: {
      any: { ms: 1_234, where: 'any', waiting: 5, atMs: 9_000 },
      partition: { ms: 9_876, where: 'checks/4', waiting: 3, atMs: 9_000 },
      longestGapMs: 300,
    },
    verify: { ok: false, equalRows: 4_798, differences: 2 },
    counters: { duplicates: 12 },
  };
  const [run, other] = chooseRuns(['crowd']);
  const assertions = { passed: 5, failed: 1, skipped: 0 };
  const failed: Outcome = {
    run,
    verdict: 'failed',
    reasons: ['no problem'],
    assertions,
    seconds: 301,
    seed: 7,
    records: [record],
  };
  const absent: Outcome = {
    ...failed,
    run: other,
    verdict: 'not run',
    reasons: ['java is not installed'],
    records: [],
  };
  const text = toMarkdown({
    startedAt: new Date('2026-11-28T16:00:00Z'),
    endedAt: new Date('2026-11-28T16:10:00Z'),
    command: 'npm run prove -- --seed 7',
    commit: 'abc1234',
    load: 1.5,
    outcomes: [failed, absent],
  });
  t.match(text, '# Proof of 28 November 2026, 16:00 UTC');
  t.match(text, '**0 of 2 runs held.**');
  t.match(text, `| ${run.name} | **failed** | 7 | 5 passed, 1 failed | 301 |`);
  t.match(text, `${other.name}:\n\n* java is not installed`);
  t.match(text, '| 100,000 | 100,000 | 93,000 (93.0 %) | 7,000 | 4,800 | 2 | NOT EQUAL, 4,798 rows | 1.2 s | 9.9 s |');
  t.match(text, '| missed: late | 7,000 |');
  t.match(text, '| a processor is killed | 21 |');
  t.match(text, '34 differences; the first:\n\n* row day 1 default 0');
  t.end();
});
