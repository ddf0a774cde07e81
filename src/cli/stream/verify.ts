import { Command } from 'commander';
import { Lifecycle } from '../../core/lifecycle.ts';
import type { Difference, RowDifference, VerifyReport } from '../../processor/verify/index.ts';
import { WAIT_MS } from '../../push/reports.ts';
import { readPushJobs } from '../../push/tokens.ts';
import { MARGIN_MS, permittedDelayMs } from '../../settings/permitted-delay.ts';
import type { Settings } from '../../settings.ts';
import { formatCount, formatCounted, formatInstant } from '../../stats/index.ts';
import { type Cli, EXIT, examples, settingsFor } from '../context.ts';
import { withDatabase } from '../database.ts';
import { addRangeOptions, parseRange, type RangeOptions } from '../options/time-range.ts';

const DEFAULT_RANGE = '24h';

interface VerifyOptions extends RangeOptions {
  json?: boolean;
}

export function verifyCommand(cli: Cli): Command {
  const verify = new Command('verify').description(
    'read the stream again, count it and compare with every row, bit for bit; may run on a live system',
  );
  return addRangeOptions(verify, DEFAULT_RANGE)
    .option('--json', 'the whole report as JSON')
    .addHelpText(
      'after',
      `\nExit code: 0 everything that could be judged is equal, 1 something is not (or nothing could be judged).\n${examples(
        ['vedette verify', 'the last 24 hours'],
        ['vedette verify --from 2026-11-20 --to 2026-11-21', 'a day'],
      )}`,
    )
    .action(async (options: VerifyOptions, command: Command) => {
      const settings = settingsFor(cli, command);
      const range = parseRange(options, DEFAULT_RANGE, Date.now());
      await withDatabase(settings, { tables: 'ready' }, async ({ database }) => {
        const [{ verify }, { planMetrics }, { countedTopics, openStream }, { countCronSlots }] = await Promise.all([
          import('../../processor/verify/index.ts'),
          import('../../aggregates/metrics-plan.ts'),
          import('./open.ts'),
          import('../../scheduler/slots.ts'),
        ]);
        const pushJobs = await readPushJobs(database);
        const lifecycle = new Lifecycle();
        try {
          const report = await verify({
            ...range,
            database,
            driver: await openStream(settings, database, lifecycle),
            topics: await countedTopics(settings, database),
            plans: planMetrics(settings.metrics),
            keptFromMs: keptFrom(settings),
            results: { store: settings.results.store, keptFromMs: resultsKeptFrom(settings) },
            permittedDelayMs: permittedDelayMs(settings),
            // Slots of push jobs wait for reports that may be under way.
            extraDelayMs: (jobId) => (pushJobs.has(jobId) ? WAIT_MS + MARGIN_MS : 0),
            countSlots: countCronSlots,
            onProgress: ({ records, total }) => {
              cli.stderr.progress(`${formatCount(records)} of ${formatCounted(total, 'record')} read`);
            },
          });
          cli.stderr.progress('');
          cli.exitCode = report.ok ? EXIT.ok : EXIT.failed;
          if (options.json) cli.stdout.json(report);
          else show(cli, report);
        } finally {
          await lifecycle.close();
        }
      });
    });
}

/** Since when rows of each granularity must still be there. */
export function keptFrom({ storage }: Settings): Record<string, number> {
  const now = Date.now();
  const { minuteMs, hourMs, dayMs } = storage.retention;
  const lengths = Object.entries({ minute: minuteMs, hour: hourMs, day: dayMs });
  return Object.fromEntries(lengths.flatMap(([name, length]) => (length === null ? [] : [[name, now - length]])));
}

/** Since when raw results must still be there, ms since the epoch. */
export function resultsKeptFrom({ storage }: Settings): number {
  const { resultsMs } = storage.retention;
  return resultsMs === null ? 0 : Date.now() - resultsMs;
}

function show({ stdout }: Cli, report: VerifyReport): void {
  const { style } = stdout;
  const { coverage } = report;
  const differences = report.differenceCount + report.rowDifferenceCount;
  const isEmpty = report.equalRows === 0 && differences === 0 && coverage.gaps.length === 0;
  const verdict = report.ok
    ? style.green('equal')
    : isEmpty
      ? style.yellow('nothing to judge: the stream has no results of this time')
      : style.red('NOT EQUAL');
  stdout.line(`${style.bold(verdict)}  ${formatInstant(report.fromMs)} to ${formatInstant(report.toMs)}`);
  stdout.line(
    `${formatCounted(report.records, 'record')} read, ${formatCounted(report.results, 'result')} counted again, ` +
      `${formatCounted(report.equalRows, 'row')} equal in every column, ${formatCounted(differences, 'difference')}`,
  );
  stdout.line(
    `${formatCount(coverage.series)} series: ${formatCount(coverage.counted)} of ${formatCounted(coverage.due, 'slot')} counted` +
      (coverage.pending > 0 ? `, ${formatCount(coverage.pending)} under way` : ''),
  );
  for (const difference of report.differences)
    stdout.line(`${style.red('differs')}  ${describeDifference(difference)}`);
  for (const difference of report.rowDifferences) {
    stdout.line(`${style.red('differs')}  ${describeRowDifference(difference)}`);
  }
  const listed = report.differences.length + report.rowDifferences.length;
  if (differences > listed) stdout.line(`... and ${formatCount(differences - listed)} more`);
  for (const { jobId, location, due, counted, overdue } of coverage.gaps) {
    const silent = overdue > 0 ? `, ${formatCount(overdue)} of them overdue since the last one` : '';
    stdout.line(
      `${style.red('gap')}  job ${jobId} at ${location}: ${counted} of ${formatCounted(due, 'slot')} counted${silent}`,
    );
  }
  for (const difference of report.unprovable)
    stdout.line(`${style.yellow('unprovable')}  ${describeDifference(difference)}`);
  for (const { topic, partition, counted, found } of report.unequalPartitions) {
    stdout.line(
      `${style.yellow('not whole')}  ${formatCounted(counted, 'result was', 'results were')} counted from ${topic}[${partition}], which holds ` +
        `${formatCount(found)}: was the topic deleted and made again?`,
    );
  }
  for (const { jobId, location, why } of coverage.unknown) {
    stdout.line(`${style.yellow('not judged')}  coverage of job ${jobId} at ${location}: ${why}`);
  }
  for (const { granularity, fromMs, toMs, why } of report.notCovered) {
    stdout.line(
      `${style.yellow('not judged')}  ${granularity} from ${formatInstant(fromMs)} to ${formatInstant(toMs)}: ${why}`,
    );
  }
}

export function describeDifference({
  granularity,
  jobId,
  location,
  dtMs,
  kind,
  column,
  stored,
  expected,
}: Difference): string {
  const row = `${granularity} ${formatInstant(dtMs)} of job ${jobId} at ${location}`;
  if (column === null) return `${row}: ${kind}`;
  return `${row}: ${column} is ${JSON.stringify(stored)}, the stream says ${JSON.stringify(expected)}`;
}

function describeRowDifference({ table, row, column, stored, expected }: RowDifference): string {
  const what = column === null ? table : `${table}.${column}`;
  return `${row}: ${what} is ${JSON.stringify(stored)}, the stream says ${JSON.stringify(expected)}`;
}
