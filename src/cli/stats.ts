import { Command } from 'commander';
import { systemClock } from '../core/clock.ts';
import { TIME_FORMS } from '../core/instant.ts';
import { VedetteError } from '../errors.ts';
import type { Database } from '../postgres/database.ts';
import type { Settings } from '../settings.ts';
import { type NumberedJob, readJoblessIds } from '../stats/index.ts';
import { type Cli, examples, settingsFor } from './context.ts';
import { withDatabase } from './database.ts';
import { type JobNumbers, readNumbers } from './job-numbers.ts';
import { loadJobRules } from './job-rules.ts';
import { parseIds, parseName } from './parse.ts';
import { formatNumbers, showDatabase } from './stats-tables.ts';
import { parseRange, type TimeRange } from './time.ts';

const FORMATS = ['table', 'json', 'csv'] as const;

interface StatsOptions {
  range?: string;
  from?: string;
  to?: string;
  granularity?: string;
  query?: string;
  tag?: string;
  format: string;
  json?: boolean;
  csv?: boolean;
  database?: boolean;
}

export function statsCommand(cli: Cli): Command {
  return new Command('stats')
    .description('uptime, response times, status codes and coverage of jobs over a range of time, also of removed ones')
    .argument('[ids]', 'only these jobs, by id, separated by commas', parseIds)
    .option('--range <duration>', 'how far back from --to; 24h unless given')
    .option('--from <time>', `where to begin: ${TIME_FORMS}`)
    .option('--to <time>', 'where to end, in the same forms; now unless given')
    .option(
      '--granularity <name>',
      'read the numbers kept per minute, hour or day; by default the finest that reaches back',
    )
    .option('-q, --query <text>', 'only jobs with this in the name or the address')
    .option('--tag <tag>', 'only jobs with this tag')
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
  ['vedette stats --from 2026-11-01 --to 2026-12-01 --csv', 'a month, for a spreadsheet'],
  ['vedette stats --database', 'how large the tables are'],
)}`,
    )
    .action(async (ids: number[] | undefined, options: StatsOptions, command: Command) => {
      const settings = settingsFor(cli, command);
      const format = options.json ? 'json' : options.csv ? 'csv' : options.format;
      const nowMs = Date.now();
      const range = parseRange(options, '24h', nowMs);
      await withDatabase(settings, { tables: 'ready' }, async ({ database }) => {
        if (options.database) return showDatabase(cli, database, format);
        const jobs = await findJobs(settings, database, ids, options);
        const granularity = chooseGranularity(settings, range, nowMs, options.granularity);
        const numbers = await readAll(database, jobs, { ...range, granularity });
        // Of all the ids without a job only those are shown that had something in the range.
        const shown = numbers.filter(({ job, count, due }) => ids || job === 'current' || count > 0 || due > 0);
        cli.stdout.line(formatNumbers(shown, { ...range, granularity }, format, cli.stdout.style));
      });
    });
}

/** The jobs that are asked for, then removed ones and ids without a job, whose numbers stay readable. */
async function findJobs(
  settings: Settings,
  database: Database,
  ids: number[] | undefined,
  { query, tag }: StatsOptions,
): Promise<NumberedJob[]> {
  const rules = await loadJobRules(settings);
  const { createJobStore } = await import('../jobs/postgres-store.ts');
  const store = createJobStore({ database, clock: systemClock, toJob: rules.toJob });
  const stored = await store.list({ ...(query ? { q: query } : {}), ...(tag ? { tags: [tag] } : {}) });
  const jobs = stored
    .map(({ job: { jobId, name } }): NumberedJob => ({ jobId, name, job: 'current' }))
    .filter(({ jobId }) => !ids || ids.includes(jobId));
  const isFiltered = query !== undefined || tag !== undefined;
  const jobless = isFiltered ? [] : await readJoblessIds(database, ids ?? null);
  const all = [...jobs, ...jobless].toSorted((a, b) => a.jobId - b.jobId);
  const unknown = ids?.filter((id) => !all.some(({ jobId }) => jobId === id)) ?? [];
  if (unknown.length > 0) throw new VedetteError('VED_JOB_NOT_FOUND', `There is no job ${unknown.join(', ')}`);
  return all;
}

/** The finest kept granularity whose rows still reach back to the start of the range. */
function chooseGranularity(
  settings: Settings,
  { fromMs }: TimeRange,
  nowMs: number,
  wanted: string | undefined,
): string {
  const kept = settings.metrics.map(({ granularity }) => granularity);
  if (wanted !== undefined) {
    if (kept.includes(wanted)) return wanted;
    throw new VedetteError(
      'VED_USAGE',
      `--granularity: given ${JSON.stringify(wanted)}, accepted: one of ${kept.join(', ')}`,
    );
  }
  const { minuteMs, hourMs, dayMs } = settings.storage.retention;
  const reach: Record<string, number | null> = { minute: minuteMs, hour: hourMs, day: dayMs };
  const standard = ['minute', 'hour', 'day'].filter((name) => kept.includes(name));
  const fitting = standard.find((name) => reach[name] === null || nowMs - fromMs <= reach[name]!);
  const chosen = fitting ?? standard.at(-1) ?? kept[0];
  if (chosen === undefined) throw new VedetteError('VED_SETTINGS_INVALID', 'metrics: nothing is counted');
  return chosen;
}

/** A few jobs at a time: as many as there are connections. */
async function readAll(
  database: Database,
  jobs: readonly NumberedJob[],
  query: TimeRange & { granularity: string },
): Promise<JobNumbers[]> {
  const numbers: JobNumbers[] = [];
  let next = 0;
  const work = async () => {
    for (let index = next++; index < jobs.length; index = next++) {
      numbers[index] = await readNumbers(database, jobs[index]!, query);
    }
  };
  await Promise.all([work(), work(), work(), work()]);
  return numbers;
}
