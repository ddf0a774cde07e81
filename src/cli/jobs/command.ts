import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { systemClock } from '../../core/clock.ts';
import { plainText } from '../../core/plain-text.ts';
import { VedetteError } from '../../errors.ts';
import type { Job, StoredJob } from '../../jobs/definition.ts';
import { findRepeatedKey } from '../../jobs/forms/json-faults.ts';
import type { JobRules } from '../../jobs/rules.ts';
import type { JobDefinition, JobFilter, JobStore } from '../../jobs/store.ts';
import { OUTCOMES } from '../../messages/check-result.ts';
import type { Database } from '../../postgres/database.ts';
import type { Settings } from '../../settings.ts';
import { type Cli, examples, settingsFor } from '../context.ts';
import { withDatabase } from '../database.ts';
import { openReadModel } from '../numbers/read-model.ts';
import { addJobOptions, type JobOptions, toJobFields } from '../options/job.ts';
import { parseId, parseName, parseSeconds } from '../options/parse.ts';
import { addBulk } from './bulk.ts';
import { addPush } from './push.ts';
import { loadJobRules, readDefinition, sayLackingSecrets } from './rules.ts';
import { sayAge } from './state-age.ts';
import { showJobs } from './table.ts';
import { addExport, addImport } from './transfer.ts';

export interface Work {
  store: JobStore;
  rules: JobRules;
  database: Database;
  settings: Settings;
}

export function jobsCommand(cli: Cli): Command {
  const jobs = new Command('jobs').description('list and change the jobs in the database');
  const run = async (command: Command, work: (open: Work) => Promise<void>) => {
    const settings = settingsFor(cli, command);
    const rules = await loadJobRules(settings);
    const { createJobStore } = await import('../../jobs/postgres-store.ts');
    await withDatabase(settings, { tables: 'ready' }, ({ database }) =>
      work({
        settings,
        database,
        rules,
        store: createJobStore({ database, clock: systemClock, toJob: rules.toJob, redact: rules.redact }),
      }),
    );
  };
  addList(cli, jobs, run);
  addBulk(cli, jobs, run);
  addAdd(cli, jobs, run);

  addExport(cli, jobs, run);
  addImport(cli, jobs, run);
  addPush(cli, jobs, run);
  return jobs;
}

/** Runs `work` on the jobs of the database that the settings name. */
export type Run = (command: Command, work: (open: Work) => Promise<void>) => Promise<void>;

interface ListOptions {
  query?: string;
  running?: boolean;
  stopped?: boolean;
  tag?: string;
  outcome?: string;
  json?: boolean;
}

function addList(cli: Cli, jobs: Command, run: Run): void {
  jobs
    .command('list', { isDefault: true })
    .description('jobs with their state and last result')
    .option('-q, --query <text>', 'part of the name or the address')
    .option('--running', 'only those that run')
    .option('--stopped', 'only those that do not')
    .option('--tag <tag>', 'only those with this tag')
    .option('--outcome <outcome>', 'only those whose last outcome it is', parseName(OUTCOMES))
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      examples(['vedette jobs', 'all of them'], ['vedette jobs list --outcome down', 'what is down now']),
    )
    .action((options: ListOptions, command: Command) => {
      if (options.running && options.stopped)
        throw new VedetteError('VED_USAGE', '--running and --stopped exclude each other');
      const { query: q, tag, outcome } = options;
      const running = options.running ? true : options.stopped ? false : undefined;
      const filter = Object.fromEntries(
        Object.entries({ q, tags: tag && [tag], outcomes: outcome && [outcome], running }).filter(
          ([, value]) => value !== undefined,
        ),
      );
      return run(command, async ({ store, database, rules }) => {
        const stored = await store.list(filter as JobFilter);
        const readModel = await openReadModel(database);
        const ids = stored.map(({ job }) => job.jobId);
        const states = await readModel.states(ids, Date.now());
        const shown = { isJson: options.json === true, isTrouble: outcome !== undefined && outcome !== 'up' };
        await showJobs(cli, rules, stored, states, shown);
        if (!shown.isJson) await sayAge(cli, database, states.values());
      });
    });
}

interface AddOptions extends JobOptions {
  id?: number;
  name?: string;
  period?: number;
  cron?: string;
  timezone?: string;
  tag?: string[];
  location?: string[];
  stopped?: boolean;
  file?: string;
}

function addAdd(cli: Cli, jobs: Command, run: Run): void {
  const add = jobs
    .command('add')
    .description('add a job, or those of a JSON file; `import` reads every form and says what it will do')
    .argument('[url]', 'what to check. None for a type without addresses')
    .option('--file <file>', 'a JSON file with a job or a list of them; - is standard input')
    .option('--id <id>', 'job_id; the next free one unless given', parseId)
    .option('--name <name>', 'job_name')
    .option('--period <seconds>', 'check_period_seconds; 60 unless given', parseSeconds)
    .option('--cron <expression>', 'check_cron instead of a period')
    .option('--timezone <zone>', 'check_cron_timezone')
    .option('--tag <tags>', 'tags, separated by commas', (text) => text.split(','))
    .option('--location <locations>', 'locations, separated by commas', (text) => text.split(','))
    .option('--stopped', 'do not let it run yet');
  addJobOptions(add)
    .addHelpText(
      'after',
      examples(
        ['vedette jobs add https://example.com --name Example --period 30', 'one job'],
        ['vedette jobs add --type push --name backup --cron "0 3 * * *"', 'a program that reports'],
        ['vedette jobs add --file more-jobs.json', 'many'],
      ),
    )
    .action(async (url: string | undefined, options: AddOptions, command: Command) => {
      // A type may have other fields than an address.
      const isDescribed = url !== undefined || options.type !== undefined;
      if (isDescribed === (options.file !== undefined)) {
        throw new VedetteError('VED_USAGE', 'Give an address (or a --type and its fields) or --file, one of the two');
      }
      const given = isDescribed ? [describe(url, options)] : readJobs(cli, options.file ?? '-');
      await run(command, async ({ store, rules, settings }) => {
        const resolve = options.file === undefined ? undefined : settings.variable;
        // All are checked before the first is added.
        const definitions = given.map((job) => readDefinition(rules, job, resolve));
        const added: Job[] = [];
        for (const definition of definitions) {
          const stored = await store.create(definition);
          report(cli, stored);
          added.push(stored.job);
        }
        await sayLackingSecrets(cli, rules, added);
      });
    });
}

function report(cli: Cli, { job, running }: StoredJob): void {
  cli.stdout.line(plainText(`job ${job.jobId} added${running ? '' : ', stopped'}: ${job.name}`));
}

function describe(uri: string | undefined, options: AddOptions): JobDefinition {
  const { id, name, period, cron, timezone, tag, location, stopped } = options;
  const common = {
    uri,
    job_id: id,
    job_name: name,
    check_period_seconds: period,
    check_cron: cron,
    check_cron_timezone: timezone,
    tags: tag,
    location: location?.length === 1 ? location[0] : location,
    enabled: stopped ? false : undefined,
  };
  const isGiven = ([, value]: [string, unknown]) => value !== undefined;
  return { ...Object.fromEntries(Object.entries(common).filter(isGiven)), ...toJobFields(options) };
}

function readJobs({ cwd = '.' }: Cli, file: string): unknown[] {
  const refuse = (why: string, cause?: unknown) => new VedetteError('VED_USAGE', `--file ${file}: ${why}`, { cause });
  let parsed: unknown;
  let text: string;
  try {
    const bytes = readFileSync(file === '-' ? 0 : path.resolve(cwd, file));
    if (!isUtf8(bytes)) throw new Error('it is no UTF-8');
    text = bytes.toString('utf8').replace(/^\ufeff/, '');
    parsed = JSON.parse(text);
  } catch (error) {
    throw refuse((error as Error).message, error);
  }
  const repeated = findRepeatedKey(text);
  if (repeated) throw refuse(`line ${repeated.line}: ${repeated.path}: a key that was given before`);
  return Array.isArray(parsed) ? parsed : [parsed];
}
