import { randomUUID } from 'node:crypto';
import { Command, Option } from 'commander';
import { systemClock } from '../../core/clock.ts';
import { Lifecycle } from '../../core/lifecycle.ts';
import { counted } from '../../core/plural.ts';
import { VedetteError } from '../../errors.ts';
import type { Job } from '../../jobs/definition.ts';
import type { JobRules } from '../../jobs/rules.ts';
import { OUTCOMES } from '../../messages/check-result.ts';
import type { Settings } from '../../settings.ts';
import { formatSeconds } from '../../stats/index.ts';
import { type Cli, cancelled, examples, settingsFor } from '../context.ts';
import { cliLogger, withDatabase } from '../database.ts';
import { loadJobFile, loadJobRules } from '../jobs/rules.ts';
import { addJobSourceOptions } from '../options/job-source.ts';
import { parseCount, parseIds } from '../options/parse.ts';
import { outcomeStyle } from '../stream/result-line.ts';
import { formatTable } from '../terminal/table.ts';
import { toJson } from './check.ts';
import { type CheckOutcome, exitCodeOf, runCheck } from './run.ts';

interface OnceOptions {
  stored?: boolean;
  concurrency: number;
  json?: boolean;
  publish?: boolean;
}

export function onceCommand(cli: Cli): Command {
  const once = new Command('once')
    .description('check each job once, now, and show a table; nothing is stored or counted unless --publish is given')
    .argument('[ids]', 'only these jobs, by id, separated by commas', parseIds);
  return addJobSourceOptions(once)
    .addOption(
      new Option('--stored', 'the jobs of the database instead of the job files').conflicts([
        'jobs',
        'targetsFile',
        'url',
      ]),
    )
    .option('--concurrency <count>', 'checks under way at a time', parseCount(1), 50)
    .option('--publish', 'have the results counted too, under the location `once`')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `\nExit code: 0 all are up, 1 some are down or could not be checked, 3 some are degraded and none is down.\n${examples(
        ['vedette once', 'the jobs of jobs.json'],
        ['vedette once --targets-file sites.yaml', 'those of another file, in any form'],
        ['vedette once --url https://example.com --pattern Example', 'one site'],
        ['vedette once 1,2 --stored', 'two jobs of the database'],
        ['vedette once --publish', 'counted as well, for a crontab'],
      )}`,
    )
    .action(async (ids: number[] | undefined, options: OnceOptions, command: Command) => {
      const settings = settingsFor(cli, command);
      const rules = await loadJobRules(settings);
      const all = (options.stored ? null : await loadJobFile(settings, rules)) ?? (await storedJobs(settings, rules));
      // A job whose program reports has nothing to check: named, it says so.
      const isChecked = (job: Job) => job.enabled && rules.graceOf(job) === null;
      const jobs = all.filter((job) => (ids ? ids.includes(job.jobId) : isChecked(job)));
      const unknown = ids?.filter((id) => !all.some((job) => job.jobId === id)) ?? [];
      if (unknown.length > 0) throw new VedetteError('VED_JOB_NOT_FOUND', `There is no job ${unknown.join(', ')}`);
      const results = await checkAll(cli, rules, jobs, options.concurrency);
      cli.exitCode = exitCodeOf(results.map(({ result }) => result.outcome));
      if (options.json) {
        cli.stdout.json(
          results.map(({ job, result }) => ({
            job_id: job.jobId,
            job_name: job.name,
            ...toJson(rules.targetOf(job), result),
          })),
        );
      } else if (results.length === 0) cli.stdout.line('There are no jobs to check.');
      else showTable(cli, results);
      if (cli.signal.aborted) cancelled(cli);
      else if (options.publish) await publish(cli, settings, results);
    });
}

interface Checked {
  job: Job;
  result: CheckOutcome;
}

async function storedJobs(settings: Settings, rules: JobRules): Promise<Job[]> {
  const { createJobStore } = await import('../../jobs/postgres-store.ts');
  return withDatabase(settings, { tables: 'ready' }, async ({ database }) => {
    const stored = await createJobStore({
      database,
      clock: systemClock,
      toJob: rules.toJob,
      redact: rules.redact,
    }).list();
    return stored.map(({ job, running }) => ({ ...job, enabled: running }));
  });
}

/** In the order of the jobs, some at a time; those that had not ended at a Ctrl-C are left out. */
async function checkAll(cli: Cli, rules: JobRules, jobs: readonly Job[], concurrency: number): Promise<Checked[]> {
  const results: Array<Checked | undefined> = [];
  const waiting = jobs.entries();
  let done = 0;
  const work = async () => {
    for (const [index, job] of waiting) {
      if (cli.signal.aborted) break;
      const result = await runCheck(rules, job, cli.signal);
      // A check that was cut off tells nothing about the site.
      if (cli.signal.aborted) break;
      results[index] = { job, result };
      done++;
      cli.stderr.progress(`${done} of ${jobs.length} checked`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, jobs.length) }, work));
  cli.stderr.progress('');
  return results.filter((result) => result !== undefined);
}

/** Has the results counted by the processors of the settings' database, whichever they are and whenever they run. */
async function publish(cli: Cli, settings: Settings, checked: readonly Checked[]): Promise<void> {
  const [{ publishOnce }, { publisherOptions }, { routeTopics }, { openStream }] = await Promise.all([
    import('../../scheduler/once-results.ts'),
    import('../../app/publisher.ts'),
    import('../../app/topics.ts'),
    import('../stream/open.ts'),
  ]);
  const results = checked.map(({ job, result: { startedAt, ...result } }) => ({
    jobId: job.jobId,
    topic: job.topic ?? settings.topics.results,
    ts: startedAt,
    ...result,
  }));
  await withDatabase(settings, { tables: 'ready' }, async ({ database, isTemporary }) => {
    const lifecycle = new Lifecycle();
    try {
      const driver = await openStream(settings, database, lifecycle);
      const logger = cliLogger(settings);
      const partitionsOf = routeTopics(settings, { database, driver, logger });
      await publishOnce(
        {
          database,
          clock: systemClock,
          publisher: publisherOptions(settings, { driver, logger, partitionsOf }),
          owner: `once-${randomUUID()}`,
          signal: cli.signal,
        },
        results,
      );
    } finally {
      await lifecycle.close();
    }
    const later = isTemporary ? ', and are counted when Vedette runs' : '';
    cli.stderr.line(`${counted(results.length, 'result')} published${later}`);
  });
}

function showTable({ stdout }: Cli, results: readonly Checked[]): void {
  const { style } = stdout;
  const table = formatTable(
    results,
    [
      { title: 'job', value: ({ job }) => String(job.jobId), align: 'right' },
      {
        title: 'outcome',
        value: ({ result }) => result.outcome,
        style: ({ result }) => outcomeStyle(style, result.outcome),
      },
      { title: 'status', value: ({ result }) => result.status ?? '-', align: 'right' },
      { title: 'time', value: ({ result }) => formatSeconds(result.responseTime), align: 'right' },
      { title: 'name', value: ({ job }) => job.name },
      { title: 'why', value: ({ result }) => [result.reason, result.detail].filter(Boolean).join(': ') },
    ],
    style,
  );
  stdout.line(table);
  const counts = OUTCOMES.flatMap((outcome) => {
    const count = results.filter(({ result }) => result.outcome === outcome).length;
    return outcome === 'missed' && count === 0 ? [] : [`${count} ${outcome}`];
  });
  stdout.line(`\n${counts.join(', ')}`);
}
