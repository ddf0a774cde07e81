import { Command } from 'commander';
import { parseDuration, parseSeconds } from '../core/duration.ts';
import { VedetteError } from '../errors.ts';
import type { Workload } from '../plan/index.ts';
import { parseBytes } from '../settings/leaf.ts';
import type { Settings } from '../settings.ts';
import { type Cli, examples, settingsFor } from './context.ts';
import { loadJobFile, loadJobRules } from './jobs/rules.ts';
import { parseCount, parseName } from './options/parse.ts';
import type { Output } from './terminal/output.ts';
import { formatTable } from './terminal/table.ts';

interface PlanOptions {
  jobs?: number;
  push: number;
  period: string;
  locations: number;
  retention?: string;
  store?: Workload['store'];
  failures: number;
  stream?: Workload['stream'];
  partitions?: number;
  replication: number;
  responseTime: string;
  responseSize: string;
  after: string;
  costs?: boolean;
  json?: boolean;
}

const KEPT = ['results', 'minute', 'hour', 'day', 'stream'] as const;

export function planCommand(cli: Cli): Command {
  return new Command('plan')
    .description('compute what so many jobs need: processes, PostgreSQL, partitions, disk; from measured costs')
    .option('--jobs <count>', 'how many; without it, those of the job file', parseCount(1))
    .option(
      '--push <percent>',
      'how many of the jobs are not checked but reported (type push), with --jobs',
      parseCount(0),
      0,
    )
    .option('--period <time>', 'how often each is checked: seconds, or 30s, 5m', '60')
    .option('--locations <count>', 'at how many locations each is checked', parseCount(1), 1)
    .option(
      '--retention <list>',
      `how long is kept, such as results=1d,minute=14d: of ${KEPT.join(', ')}; the rest as in the settings`,
    )
    .option(
      '--store <which>',
      'raw results: all, failures, none (results.store)',
      parseName(['all', 'failures', 'none']),
    )
    .option('--failures <percent>', 'how many results are not up, for --store failures', parseCount(0), 2)
    .option('--stream <which>', 'embedded or kafka; as in the settings', parseName(['embedded', 'kafka']))
    .option('--partitions <count>', 'of the topic (stream.partitions)', parseCount(1))
    .option('--replication <count>', 'copies that Kafka keeps', parseCount(1), 3)
    .option('--response-time <time>', 'how long an answer takes', '300ms')
    .option('--response-size <size>', 'how large an answer is', '10KiB')
    .option('--after <time>', 'sizes are those after so long', '365d')
    .option('--costs', 'list the measured costs instead')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      examples(
        ['vedette plan --jobs 1000 --period 30', 'a thousand jobs'],
        ['vedette plan --jobs 100000 --retention results=6h,minute=3d --stream kafka', 'a fleet'],
        ['vedette plan', 'the jobs of jobs.json, with the settings as they are'],
      ),
    )
    .action(async (options: PlanOptions, command: Command) => {
      const { COSTS, plan, showCosts, showPlan } = await import('../plan/index.ts');
      const table = layOut(cli.stdout);
      if (options.costs) return options.json ? cli.stdout.json(COSTS) : cli.stdout.line(showCosts(table));
      const workload = await readWorkload(options, settingsFor(cli, command));
      const planned = plan(workload);
      if (options.json) cli.stdout.json({ workload, ...planned });
      else cli.stdout.line(showPlan(planned, workload, table));
    });
}

async function readWorkload(options: PlanOptions, settings: Settings): Promise<Workload> {
  const { stream, storage, processor, publisher } = settings;
  const { resultsMs, minuteMs, hourMs, dayMs } = storage.retention;
  const kept = { results: resultsMs, minute: minuteMs, hour: hourMs, day: dayMs, stream: stream.retentionMs };
  const groups = options.jobs === undefined ? await jobsOfFile(settings) : groupsOf(options, options.jobs);
  return {
    groups: groups.map((group) => ({ ...group, jobs: group.jobs * options.locations })),
    retention: { ...kept, ...parseRetention(options.retention ?? '') },
    store: options.store ?? settings.results.store,
    stream: options.stream ?? (settings.kafkaConnection ? 'kafka' : 'embedded'),
    partitions: options.partitions ?? stream.partitions,
    replication: options.replication,
    failureShare: options.failures / 100,
    responseSeconds: time('--response-time', options.responseTime) / 1000,
    responseBytes:
      parseBytes(options.responseSize) ?? refuse('--response-size', options.responseSize, '512B, 10KiB, 1MiB'),
    afterMs: time('--after', options.after),
    flushIntervalMs: processor.flushIntervalMs,
    lingerMs: Math.max(1, publisher.lingerMs),
  };
}

function groupsOf(options: PlanOptions, jobs: number): Workload['groups'] {
  const periodMs = periodOf(options);
  if (options.push > 100) refuse('--push', String(options.push), '0 to 100');
  const reported = Math.round((jobs * options.push) / 100);
  const groups = [
    { jobs: jobs - reported, periodMs },
    { jobs: reported, periodMs, isReported: true },
  ];
  return groups.filter(({ jobs }) => jobs > 0);
}

/** By period; a cron expression counts as once an hour. */
async function jobsOfFile(settings: Settings): Promise<Workload['groups']> {
  const rules = await loadJobRules(settings);
  const jobs = (await loadJobFile(settings, rules))?.filter(({ enabled }) => enabled) ?? [];
  if (jobs.length === 0)
    throw new VedetteError('VED_USAGE', 'There are no jobs in the job file: say how many with --jobs');
  const groups = new Map<string, { jobs: number; periodMs: number; isReported?: boolean }>();
  for (const job of jobs) {
    const { periodMs } = job;
    const isReported = rules.graceOf(job) !== null;
    const key = `${periodMs} ${isReported}`;
    const group = groups.get(key) ?? { jobs: 0, periodMs: periodMs ?? 3_600_000, ...(isReported && { isReported }) };
    group.jobs++;
    groups.set(key, group);
  }
  return [...groups.values()];
}

function periodOf({ period }: PlanOptions): number {
  const seconds = parseSeconds(period);
  return seconds !== null && seconds > 0 ? seconds * 1000 : refuse('--period', period, '60, 30s, 5m');
}

function parseRetention(text: string): Partial<Workload['retention']> {
  const entries = text.split(',').filter((part) => part.trim() !== '');
  return Object.fromEntries(
    entries.map((entry) => {
      const [name = '', length = ''] = entry.split('=').map((part) => part.trim());
      if (!KEPT.some((known) => known === name)) refuse('--retention', entry, `${KEPT.join('=, ')}=`);
      return [name, length === 'forever' ? null : time('--retention', length)];
    }),
  );
}

function time(option: string, text: string): number {
  const ms = parseDuration(text);
  return ms !== null && ms > 0 ? ms : refuse(option, text, '300ms, 30s, 12h, 7d');
}

function refuse(option: string, given: string, accepted: string): never {
  throw new VedetteError('VED_USAGE', `${option}: given ${JSON.stringify(given)}, accepted: ${accepted}`);
}

/** Everything but the first column to the right, as numbers are. */
function layOut({ style }: Output): (titles: readonly string[], rows: ReadonlyArray<readonly string[]>) => string {
  return (titles, rows) =>
    formatTable(
      rows,
      titles.map((title, index) => ({
        title,
        value: (row: readonly string[]) => row[index] ?? '',
        ...(index === 0 ? {} : { align: 'right' as const }),
      })),
      style,
    );
}
