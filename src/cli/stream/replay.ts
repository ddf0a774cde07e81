import { type FileHandle, open } from 'node:fs/promises';
import { Command } from 'commander';
import { Lifecycle } from '../../core/lifecycle.ts';
import { VedetteError } from '../../errors.ts';
import { OUTCOMES } from '../../messages/check-result.ts';
import type { Database } from '../../postgres/database.ts';
import type { RebuildPlan } from '../../processor/verify/rebuild.ts';
import type { Settings } from '../../settings.ts';
import { formatCount, formatCounted, formatInstant, type TimeRange } from '../../stats/index.ts';
import type { OffsetRange, StreamDriver } from '../../streaming/driver.ts';
import { type Cli, EXIT, examples, settingsFor } from '../context.ts';
import { withDatabase } from '../database.ts';
import { parseIds, parseNames } from '../options/parse.ts';
import { addRangeOptions, parseRange, type RangeOptions } from '../options/time-range.ts';
import type { ResultFilter } from './result-lines.ts';
import { describeDifference, keptFrom } from './verify.ts';

const DEFAULT_RANGE = '1h';
/** Longer than any stream is kept. */
const WHOLE_RANGE = '3660d';

interface ReplayOptions extends ResultFilter, RangeOptions {
  topic?: string;
  output?: string;
  rebuild?: boolean;
  backfill?: string;
  dryRun?: boolean;
}

/** Everything that the command has opened. */
interface Opened {
  cli: Cli;
  settings: Settings;
  database: Database;
  driver: StreamDriver;
  range: TimeRange;
  options: ReplayOptions;
}

/** How far the clocks of a scheduler and of the stream may be apart. */
const SKEW_MS = 60_000;
const LISTED = 20;

export function replayCommand(cli: Cli): Command {
  const replay = new Command('replay').description(
    'read the stream again: print the results of a time, or mend the rows that are not what it says',
  );
  return addRangeOptions(replay, DEFAULT_RANGE)
    .option('-j, --job <ids>', 'only these jobs, by id, separated by commas', parseIds)
    .option('--outcome <names>', `only these outcomes: ${OUTCOMES.join(', ')}`, parseNames(OUTCOMES))
    .option('--failures', 'only what is not up')
    .option('--topic <topic>', 'only this topic; every counted one unless given')
    .option('--output <file>', 'write the results there')
    .option('--rebuild', 'count the whole buckets of the time again, and write every row of metrics that differs')
    .option(
      '--backfill <metric>',
      'count one metric of the settings or of jobs again, such as max_values.days_left, and fill it in',
    )
    .option('--dry-run', 'with --rebuild or --backfill: only show what would be written')
    .addHelpText(
      'after',
      '\nResults are printed as they are in the stream (NDJSON), without repetitions, in the order of each partition.\n' +
        'A rebuild writes in one transaction or not at all, also while Vedette runs; nothing is counted twice. It is\n' +
        'refused (exit code 1) where the stream does not hold the whole time any more. A backfill writes likewise, but\n' +
        'only what the stream still has, all of it unless a time is given: for a metric that is new in the settings or of a\n' +
        `job, once the processors have it.\n${examples(
          ['vedette replay --range 24h --failures', 'every result of a day that was not up'],
          [
            'vedette replay --from 2026-11-20 --to 2026-11-21 --job 7 --output job-7.ndjson',
            'a day of a job, to a file',
          ],
          [
            'vedette replay --rebuild --from 2026-11-20 --to 2026-11-21 --dry-run',
            'what a rebuild of a day would write',
          ],
          ['vedette replay --backfill max_values.days_left', 'a new metric, for all that is in the stream'],
        )}`,
    )
    .action(async (options: ReplayOptions, command: Command) => {
      requireSense(options);
      const settings = settingsFor(cli, command);
      const isWhole = options.backfill !== undefined && !options.range && !options.from;
      const range = parseRange(options, isWhole ? WHOLE_RANGE : DEFAULT_RANGE, Date.now());
      await withDatabase(settings, { tables: 'ready' }, async ({ database }) => {
        const { openStream } = await import('./open.ts');
        const lifecycle = new Lifecycle();
        try {
          const driver = await openStream(settings, database, lifecycle);
          const opened = { cli, settings, database, driver, range, options };
          await (options.rebuild || options.backfill !== undefined ? rebuildRows(opened) : printResults(opened));
        } finally {
          await lifecycle.close();
        }
      });
    });
}

function requireSense({ rebuild, backfill, dryRun, outcome, failures, topic, output }: ReplayOptions): void {
  if (rebuild && backfill !== undefined) {
    throw new VedetteError('VED_USAGE', '--rebuild and --backfill are two things: give one of them');
  }
  const writes = rebuild ? '--rebuild' : backfill !== undefined ? '--backfill' : null;
  if (dryRun && !writes) throw new VedetteError('VED_USAGE', '--dry-run belongs to --rebuild and --backfill');
  if (writes && (outcome || failures || topic || output)) {
    throw new VedetteError('VED_USAGE', `${writes} counts every result: of the filters it only takes --job`);
  }
}

async function printResults({ cli, settings, database, driver, range, options }: Opened): Promise<void> {
  const [{ createLineReader }, { countedTopics }] = await Promise.all([
    import('./result-lines.ts'),
    import('./open.ts'),
  ]);
  const topics = options.topic === undefined ? await countedTopics(settings, database) : [options.topic];
  const file = options.output === undefined ? undefined : await openOutput(options.output);
  let results = 0;
  try {
    for (const topic of topics) {
      const read = createLineReader(cli, options);
      for await (const batch of driver.read(topic, await stretchesOf(cli, driver, topic, range), cli.signal)) {
        const lines = read(batch).filter(
          ({ atMs, result: { slots = 1, periodMs = 0 } }) =>
            atMs >= range.fromMs && atMs - (slots - 1) * periodMs < range.toMs,
        );
        results += lines.length;
        const text = lines.map((line) => `${line.text}\n`).join('');
        if (file) await file.write(text);
        else cli.stdout.data(text);
      }
    }
  } finally {
    await file?.close();
  }
  if (cli.signal.aborted) cli.exitCode = EXIT.interrupted;
  if (file || cli.stderr.isTerminal) {
    cli.stderr.line(
      `${formatCounted(results, 'result')}, ${formatInstant(range.fromMs)} to ${formatInstant(range.toMs)}` +
        (cli.signal.aborted ? ', broken off' : ''),
    );
  }
}

async function openOutput(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'w');
  } catch (error) {
    throw new VedetteError('VED_USAGE', `--output: ${(error as Error).message}`, { cause: error });
  }
}

/** A record cannot tell of a time after the stream stamped it: so older ones are left out. It may tell of any time before. */
async function stretchesOf(
  { stderr }: Cli,
  driver: StreamDriver,
  topic: string,
  { fromMs }: TimeRange,
): Promise<OffsetRange[]> {
  const [ranges, firsts] = await Promise.all([driver.ranges(topic), driver.offsetsAt?.(topic, fromMs - SKEW_MS)]);
  const stretches = ranges.map(({ partition, low, high }) => {
    return { partition, from: Math.max(low, firsts?.get(partition) ?? low), to: high, low };
  });
  const cut = stretches.filter(({ from, low }) => low > 0 && from === low).map(({ partition }) => partition);
  if (cut.length > 0) {
    stderr.line(`${topic}: older results than those of partition ${cut.join(', ')} may have expired from the stream`);
  }
  return stretches;
}

async function rebuildRows({ cli, settings, database, driver, range, options }: Opened): Promise<void> {
  const [{ planRebuild, rebuild }, { planMetrics }, { countedTopics }, { readSelections }] = await Promise.all([
    import('../../processor/verify/rebuild.ts'),
    import('../../aggregates/metrics-plan.ts'),
    import('./open.ts'),
    import('./selections.ts'),
  ]);
  const wanted = {
    ...range,
    database,
    driver,
    topics: await countedTopics(settings, database),
    plans: planMetrics(settings.metrics),
    selections: await readSelections(settings, database),
    keptFromMs: keptFrom(settings),
    signal: cli.signal,
    ...(options.job ? { jobs: new Set(options.job) } : {}),
  };
  const isDry = options.dryRun === true;
  if (options.backfill !== undefined) {
    const { backfillMetric } = await import('./backfill.ts');
    await backfillMetric(cli, options.backfill, { ...wanted, isDry });
    return;
  }
  if (isDry) {
    const plan = await planRebuild(wanted);
    showPlan(cli, plan);
    refuse(cli, plan);
    return;
  }
  const { written, ...plan } = await rebuild(wanted, (first) => showPlan(cli, first));
  if (refuse(cli, plan) || !written) return;
  const { note, systemActor } = await import('../../access/audit.ts');
  const { fromMs, toMs } = plan.report;
  const after = { from: new Date(fromMs), to: new Date(toMs), rows: plan.changes.length, jobs: options.job ?? null };
  await note(database, systemActor(), { action: 'metrics.rebuild', subject: 'metrics', before: null, after });
  cli.stdout.line(
    `${cli.stdout.style.green('written')}  ${formatCounted(plan.changes.length, 'row')}, in one transaction`,
  );
}

function showPlan({ stdout }: Cli, { report, changes }: RebuildPlan): void {
  const { style } = stdout;
  const count = (wanted: (change: RebuildPlan['changes'][number]) => boolean) =>
    formatCount(changes.filter(wanted).length);
  stdout.line(`${style.bold('plan')}  ${formatInstant(report.fromMs)} to ${formatInstant(report.toMs)}`);
  stdout.line(
    `${formatCounted(report.records, 'record')} read, ${formatCounted(report.results, 'result')} counted again, ` +
      `${formatCounted(report.equalRows, 'row')} ${report.equalRows === 1 ? 'is' : 'are'} equal`,
  );
  stdout.line(
    `rows to change: ${count(({ stored, expected }) => stored !== null && expected !== null)}, ` +
      `to make: ${count(({ stored }) => stored === null)}, to remove: ${count(({ expected }) => expected === null)}`,
  );
  for (const { differences } of changes.slice(0, LISTED)) {
    for (const difference of differences) stdout.line(`  ${describeDifference(difference)}`);
  }
  if (changes.length > LISTED) stdout.line(`  ... and ${formatCount(changes.length - LISTED)} more rows`);
  for (const { granularity, fromMs, toMs, why } of report.notCovered) {
    stdout.line(
      `${style.yellow('left alone')}  ${granularity} from ${formatInstant(fromMs)} to ${formatInstant(toMs)}: ${why}`,
    );
  }
}

function refuse(cli: Cli, { refusals }: RebuildPlan): boolean {
  for (const why of refusals) cli.stderr.line(`${cli.stderr.style.red('refused:')} ${why}`);
  if (refusals.length > 0) cli.exitCode = EXIT.failed;
  return refusals.length > 0;
}
