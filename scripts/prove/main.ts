// `npm run prove`: every long run whole, one after the other, and a dated record of what was found.
import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { COMMIT } from '../../test/faults/record.ts';
import { build } from '../build.mjs';
import { installKafka, whyNoKafka } from '../kafka/installation.ts';
import { runOnce } from './child.ts';
import { toMarkdown } from './markdown.ts';
import type { Outcome } from './outcome.ts';
import { chooseRuns, RUNS } from './runs.ts';

const root = join(import.meta.dirname, '../..');
const HELP = `npm run prove -- [--only RUN] [--seed N] [--out FOLDER] [--list]

Runs every long run and writes what was found to a file of its own in docs/proofs. Exit code 0: all of them held.

--only RUN    a run, or all whose names begin so: crowd, crowd/rdkafka, crowd/rdkafka/15; may be given more than once
--seed N      what happens follows from it: that of an earlier record repeats its faults; without it a new one
--out FOLDER  where the record goes; docs/proofs unless given
--list        prints the runs
Ctrl-C ends the run that is under way with everything it has started; the record then has those before it.`;

function readOptions() {
  try {
    return parseArgs({
      options: {
        only: { type: 'string', multiple: true, default: [] },
        seed: { type: 'string' },
        out: { type: 'string', default: join(root, 'docs/proofs') },
        list: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    return fail(`${(error as Error).message}\n\n${HELP}`);
  }
}

const values = readOptions();
if (values.help) end(HELP);
if (values.list) end(RUNS.map(({ name }) => name).join('\n'));
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
if (!Number.isSafeInteger(seed) || seed < 0) fail(`--seed is a whole number, not ${values.seed}`);
const runs = chooseRuns(values.only);
if (runs.length === 0) fail(`no run is called ${values.only.join(' or ')}; --list prints them`);

await prepare();
const startedAt = new Date();
const [load = 0] = loadavg();
const interrupt = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => interrupt.abort());
const outcomes: Outcome[] = [];
for (const [index, run] of runs.entries()) {
  if (interrupt.signal.aborted) break;
  const began = performance.now();
  const say = (line: string) =>
    console.log(`[${index + 1}/${runs.length} ${run.name} ${clock(performance.now() - began)}] ${line}`);
  say(`begins, seed ${seed}`);
  const outcome = await runOnce(run, { seed, signal: interrupt.signal, say });
  say([outcome.verdict.toUpperCase(), ...outcome.reasons].join('\n    '));
  outcomes.push(outcome);
}
const finished = outcomes.filter(({ verdict }) => verdict !== 'interrupted');
if (finished.length > 0) console.log(`record: ${relative(process.cwd(), await keep(finished))}`);
const held = finished.filter(({ verdict }) => verdict === 'held').length;
console.log(`${held} of ${runs.length} runs held, seed ${seed}`);
process.exitCode = interrupt.signal.aborted ? 130 : held === runs.length ? 0 : 1;

/** Prepares what takes long, outside of the runs. The runs that need something that is missing report it. */
async function prepare(): Promise<void> {
  await build();
  if (whyNoKafka() === undefined) installKafka();
  const rdkafka = spawnSync(process.execPath, [join(root, 'scripts/build-rdkafka.mjs')], {
    cwd: root,
    encoding: 'utf8',
  });
  if (rdkafka.status !== 0) console.log(`NO RDKAFKA: ${rdkafka.stderr.trim().split('\n').at(-1)}`);
}

async function keep(finished: readonly Outcome[]): Promise<string> {
  const command = ['npm run prove --', ...values.only.flatMap((one) => ['--only', one]), '--seed', seed].join(' ');
  const text = toMarkdown({
    startedAt,
    endedAt: new Date(),
    command,
    commit: COMMIT,
    load,
    outcomes: finished,
  });
  const name = startedAt.toISOString().slice(0, 16).replace('T', '-').replace(':', '');
  await mkdir(values.out, { recursive: true });
  const file = join(values.out, `${name}.md`);
  await writeFile(file, text);
  return file;
}

function clock(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

function end(text: string): never {
  console.log(text);
  process.exit(0);
}

function fail(text: string): never {
  console.error(text);
  process.exit(2);
}
