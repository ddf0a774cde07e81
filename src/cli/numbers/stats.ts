import { Command } from 'commander';
import { metricsOfAll } from '../../aggregates/metrics-plan.ts';
import { systemClock } from '../../core/clock.ts';
import { VedetteError } from '../../errors.ts';
import type { Database } from '../../postgres/database.ts';
import type { Settings } from '../../settings.ts';
import {
  finestGranularity,
  type JobNumbers,
  type KeptGranularity,
  keptGranularity,
  type NumberedJob,
  type ReadModel,
  type TimeRange,
} from '../../stats/index.ts';
import { type Cli, examples, settingsFor } from '../context.ts';
import { withDatabase } from '../database.ts';
import { loadJobRules } from '../jobs/rules.ts';
import { parseIds, parseName } from '../options/parse.ts';
import { addRangeOptions, parseRange, type RangeOptions } from '../options/time-range.ts';
import { openReadModel } from './read-model.ts';
import { FORMATS, formatNumbers, RANKS, showDatabase } from './tables.ts';

const DEFAULT_RANGE = '24h';

interface StatsOptions extends RangeOptions {
  granularity?: string;
  query?: string;
  tag?: string;
  location?: string;
  format: string;
  json?: boolean;
  csv?: boolean;
  database?: boolean;
}

export function statsCommand(cli: Cli): Command {
  const stats = new Command('stats')
    .description('uptime, response times, status codes and coverage of jobs over a range of time, also of removed ones')
    .argument('[ids]', 'only these jobs, by id, separated by commas', parseIds);
  return addRangeOptions(stats, DEFAULT_RANGE)
    .option(
      '--granularity <name>',
      'read the numbers kept per minute, hour or day; by default the finest that reaches back',
    )
    .option('-q, --query <text>', 'only jobs with this in the name or the address')
    .option('--tag <tag>', 'only jobs with this tag')
    .option('--location <name>', 'only the results of this location; all of them together unless given')
    .option('--format <format>', `one of ${FORMATS.join(', ')}`, parseName(FORMATS), 'table')
    .option('--json', 'short for --format json')
    .option('--csv', 'short for --format csv')
    .option('--database', 'size and counts of the database instead')
    .addHelpText(
      'after',
      `
coverage: results of the slots that were due. known: the same without missed slots, about which nothing is known.
Without --query and --tag, jobs that were removed and ids that only other producers use are shown, too.
${examples(
  ['vedette stats', 'the last 24 hours'],
  ['vedette stats 1,2 --range 7d', 'two jobs over a week'],
  ['vedette stats --location eu', 'as seen from one location'],
  ['vedette stats --from 2026-11-01 --to 2026-12-01 --csv', 'a month, for a spreadsheet'],
  ['vedette stats --database', 'how large the tables are'],
)}`,
    )
    .action(async (ids: number[] | undefined, options: StatsOptions, command: Command) => {
      const settings = settingsFor(cli, command);
      const format = options.json ? 'json' : options.csv ? 'csv' : options.format;
      const nowMs = Date.now();
      const range = parseRange(options, DEFAULT_RANGE, nowMs);
      await withDatabase(settings, { tables: 'ready' }, async ({ database }) => {
        const readModel = await openReadModel(database);
        if (options.database) return showDatabase(cli, await readModel.databaseFacts(), format);
        const jobs = await findJobs(settings, database, readModel, ids, options);
        const granularity = chooseGranularity(settings, range, nowMs, options.granularity);
        const { location } = options;
        const numbers = await readAll(readModel, jobs, { ...range, location, granularity, percentiles: RANKS, nowMs });
        // Of ids without a job, and of jobs at one location, only those are shown that had something in the range.
        const isShown = (job: string) => ids !== undefined || (job === 'current' && location === undefined);
        const shown = numbers.filter(({ job, count, due }) => isShown(job) || count > 0 || due > 0);
        cli.stdout.line(formatNumbers(shown, { ...range, granularity: granularity.name }, format, cli.stdout.style));
      });
    });
}

/** The jobs that were asked for, then removed ones and ids without a job, whose numbers stay readable. */
async function findJobs(
  settings: Settings,
  database: Database,
  readModel: ReadModel,
  ids: number[] | undefined,
  { query, tag }: StatsOptions,
): Promise<NumberedJob[]> {
  const rules = await loadJobRules(settings);
  const { createJobStore } = await import('../../jobs/postgres-store.ts');
  const store = createJobStore({ database, clock: systemClock, toJob: rules.toJob, redact: rules.redact });
  const stored = await store.list({ ...(query ? { q: query } : {}), ...(tag ? { tags: [tag] } : {}) });
  const jobs = stored
    .map(({ job: { jobId, name } }): NumberedJob => ({ jobId, name, job: 'current' }))
    .filter(({ jobId }) => !ids || ids.includes(jobId));
  const isFiltered = query !== undefined || tag !== undefined;
  const jobless = isFiltered ? [] : await readModel.joblessIds(ids ?? null);
  const all = [...jobs, ...jobless].toSorted((a, b) => a.jobId - b.jobId);
  const unknown = ids?.filter((id) => !all.some(({ jobId }) => jobId === id)) ?? [];
  if (unknown.length > 0) throw new VedetteError('VED_JOB_NOT_FOUND', `There is no job ${unknown.join(', ')}`);
  return all;
}

/** The kept granularity of that name, or the finest that reaches back. Throws VED_USAGE. */
export function chooseGranularity(
  { metrics, storage }: Settings,
  range: TimeRange,
  nowMs: number,
  wanted: string | undefined,
): KeptGranularity {
  const kept = metricsOfAll(metrics).map(({ granularity }) => granularity);
  const { minuteMs, hourMs, dayMs } = storage.retention;
  const retention = { minute: minuteMs, hour: hourMs, day: dayMs };
  if (wanted === undefined) return finestGranularity(range, kept, { retention, nowMs });
  const granularity = keptGranularity(wanted, kept);
  if (granularity) return granularity;
  const text = `--granularity: given ${JSON.stringify(wanted)}, accepted: one of ${kept.join(', ')}`;
  throw new VedetteError('VED_USAGE', text);
}

/** A few jobs at a time: as many as there are connections. */
async function readAll(
  readModel: ReadModel,
  jobs: readonly NumberedJob[],
  query: Parameters<ReadModel['numbers']>[1],
): Promise<JobNumbers[]> {
  const numbers: JobNumbers[] = [];
  const waiting = jobs.entries();
  const work = async () => {
    for (const [index, job] of waiting) numbers[index] = await readModel.numbers(job, query);
  };
  await Promise.all([work(), work(), work(), work()]);
  return numbers;
}
