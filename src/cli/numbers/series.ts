import { Command } from 'commander';
import { Lifecycle } from '../../core/lifecycle.ts';
import { createLogger } from '../../core/logger.ts';
import { VedetteError } from '../../errors.ts';
import type { SeriesRepair } from '../../processor/series/repair.ts';
import { formatInstant } from '../../stats/index.ts';
import { type Cli, examples, settingsFor } from '../context.ts';
import { withDatabase } from '../database.ts';
import { parseId } from '../options/parse.ts';
import { resultsKeptFrom } from '../stream/verify.ts';
import { confirm } from '../terminal/confirm.ts';
import { seriesListCommand } from './series-list.ts';
import { seriesMetricsCommand } from './series-metrics.ts';
import { seriesResultsCommand } from './series-results.ts';

export function seriesCommand(cli: Cli): Command {
  const series = new Command('series').description('what is counted, and how far');
  for (const create of [seriesListCommand, seriesMetricsCommand, seriesResultsCommand]) series.addCommand(create(cli));
  series.addCommand(
    new Command('repair')
      .description('mend a job of which nothing is counted any more, because a line of the stream claimed too much')
      .argument('<job>', 'id of the job')
      .option('--location <name>', 'only at this location')
      .option('--topic <name>', 'only in this topic')
      .option('--yes', 'write it without being asked')
      .addHelpText(
        'after',
        `
A line with an epoch that no scheduler was given, or with a slot in the future, makes all later results of its job
repetitions. Processors refuse such lines; this undoes those that were counted before they did. The series goes back to
what it would be without those lines: its totals, last result and raw results, too. Rows of times to come are removed,
and the lines are kept in dead_letters. Rows of metrics are mended by "vedette replay --rebuild" afterwards. Without
--yes it shows what it would do, and asks on a terminal.
${examples(
  ['vedette series repair 17', 'show what is wrong with job 17, and ask'],
  ['vedette series repair 17 --location eu --yes', 'mend it at once'],
)}`,
      )
      .action(async (job: string, options: RepairFlags, command: Command) => repair(cli, job, options, command)),
  );
  return series;
}

interface RepairFlags {
  location?: string;
  topic?: string;
  yes?: boolean;
}

async function repair(cli: Cli, job: string, options: RepairFlags, command: Command): Promise<void> {
  const settings = await settingsFor(cli, command);
  const { stdout, signal } = cli;
  const jobId = parseId(job);
  await withDatabase(settings, { tables: 'ready' }, async ({ database }) => {
    const [{ planRepair, applyRepair }, { openStream }, { readLeaseEpochs }] = await Promise.all([
      import('../../processor/series/repair.ts'),
      import('../stream/open.ts'),
      import('../../scheduler/tables/leases.ts'),
    ]);
    const lifecycle = new Lifecycle();
    try {
      const driver = await openStream(settings, database, lifecycle);
      const { location, topic } = options;
      const leaseEpochs = (locations: readonly string[]) => readLeaseEpochs(database, locations);
      const results = { store: settings.results.store, keptFromMs: resultsKeptFrom(settings) };
      const wanted = { database, driver, leaseEpochs, jobId, location, topic, results, signal };
      const plan = await planRepair(wanted);
      if (plan.series.length === 0)
        throw new VedetteError('VED_USAGE', `Nothing was ever counted of job ${jobId} there`);
      if (plan.repairs.length === 0) return stdout.line(`Nothing to repair: ${plan.series.length} series looked at.`);
      for (const one of plan.repairs) for (const text of describe(one)) stdout.line(text);
      const asks = stdout.isTerminal && process.stdin.isTTY;
      if (!options.yes && !(asks && (await confirm(cli, 'Write this?')))) {
        stdout.line('Nothing was written. With --yes it is.');
        return;
      }
      const { repairs } = await applyRepair(wanted);
      const logger = createLogger({ level: 'info', fd: 2 });
      const { note, systemActor } = await import('../../access/audit.ts');
      const after = repairs.map(({ series, becomes, letters }) => ({ series, becomes, lines: letters.length }));
      const subject = `job:${jobId}`;
      await note(database, systemActor(), { action: 'series.repair', subject, before: null, after });
      for (const { series, becomes, letters } of repairs) {
        logger.warn({ series, becomes, lines: letters.length }, 'series repaired');
      }
      stdout.line('Repaired. Results that were left out meanwhile: `vedette replay --rebuild --from ... --to ...`.');
    } finally {
      await lifecycle.close();
    }
  });
}

function describe({ series, becomes, letters }: SeriesRepair): string[] {
  const instant = (ms: number) => (ms < 0 ? 'none' : formatInstant(ms));
  return [
    `Job ${series.jobId} at ${series.location}, topic ${series.topic}:`,
    `  epoch ${series.epoch} -> ${becomes.epoch}`,
    `  last slot ${instant(series.slot)} -> ${instant(becomes.slot)}`,
    `  results ${series.count} -> ${becomes.count}`,
    ...letters.map(({ partition, offset, line, error }) => `  line ${line} of ${partition}:${offset} ${error}`),
  ];
}
