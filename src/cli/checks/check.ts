import { Command } from 'commander';
import { plainText } from '../../core/plain-text.ts';
import type { Job } from '../../jobs/definition.ts';
import type { JobRules } from '../../jobs/rules.ts';
import { formatCounted, formatSeconds } from '../../stats/index.ts';
import { type Cli, cancelled, examples, settingsFor } from '../context.ts';
import { addJobOptions, type JobOptions, toJobFields } from '../options/job.ts';
import { outcomeStyle } from '../stream/result-line.ts';
import { type CheckOutcome, exitCodeOf, runCheck } from './run.ts';
import { formatTimingBar } from './timing-bar.ts';

export function checkCommand(cli: Cli): Command {
  const command = new Command('check')
    .description('check one address now and show the time of each phase; only a group needs a database')
    .argument('[url]', 'what to check; http:// is put before a bare host. None for a type without addresses');
  return addJobOptions(command)
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `\nExit code: 0 up, 1 down or not checked, 3 degraded.\n${examples(
        ['vedette check https://example.com', 'one check'],
        ['vedette check example.com --pattern "(?i)welcome" --max-time 0.5', 'what it must say, and how fast'],
        ['vedette check https://api.example.com -X POST -H "Accept: application/json" -d "{}"', 'another method'],
        ['vedette check tcp://db.example.com:5432', 'a port; other addresses are in docs/monitors.md'],
        ['vedette check --type group --field jobs_with_tag=shop', 'jobs of the Vedette that runs'],
        ['vedette check https://example.com --json | jq .timings', 'for programs'],
      )}`,
    )
    .action(async (url: string | undefined, options: JobOptions & { json?: boolean }, self: Command) => {
      const { loadJobRules, readDefinition } = await import('../jobs/rules.ts');
      const rules = await loadJobRules(settingsFor(cli, self));
      const address = url === undefined ? {} : { uri: /^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? url : `http://${url}` };
      // A try may take longer than the usual period; the job is never scheduled.
      const period = { check_period_seconds: Math.max(60, (options.timeout ?? 0) + 1) };
      const job = rules.toJob(readDefinition(rules, { ...period, ...address, ...toJobFields(options) }), 1);
      const result = await runCheck(rules, job, cli.signal);
      if (cli.signal.aborted) return cancelled(cli);
      cli.exitCode = exitCodeOf([result.outcome]);
      if (options.json) cli.stdout.json(toJson(rules.targetOf(job), result));
      else show(cli, rules.targetOf(job), job, result, rules.valuesOf(job));
    });
}

/** Names as in the result message. */
export function toJson(uri: string, { responseTime, ...result }: CheckOutcome): Record<string, unknown> {
  const { outcome, reason, status, timings, bytes, attempt, detail, values, facts } = result;
  return { uri, outcome, reason, status, response_time: responseTime, timings, bytes, attempt, detail, values, facts };
}

function show(
  { stdout }: Cli,
  uri: string,
  job: Job,
  result: CheckOutcome,
  declared: ReturnType<JobRules['valuesOf']>,
): void {
  const { style } = stdout;
  const { outcome, reason, status, responseTime, timings, bytes, detail, values = {}, facts = {}, attempt } = result;
  const head = [style.bold(outcomeStyle(style, outcome)(outcome))];
  if (reason) head.push(reason);
  if (status !== null) head.push(plainText(status));
  if (responseTime !== null) head.push(formatSeconds(responseTime));
  if (bytes !== undefined) head.push(formatCounted(bytes, 'byte'));
  if (job.retries > 0) head.push(`try ${attempt} of ${job.retries + 1}`);
  stdout.line(`${head.join('  ')}  ${style.dim(plainText(uri))}`);
  if (detail) stdout.line(`  ${plainText(detail)}`);
  for (const line of formatTimingBar(timings, style)) stdout.line(line);
  for (const [name, value] of Object.entries(values)) {
    stdout.line(`  ${name.replaceAll('_', ' ')}: ${withUnit(value, declared[name]?.unit)}`);
  }
  for (const [name, value] of Object.entries(facts)) {
    if (value === false || value === null || value === undefined) continue;
    stdout.line(style.dim(plainText(`  ${name.replaceAll('_', ' ')}: ${factText(name, value)}`)));
  }
}

/** Facts whose items follow from one another. */
const SEPARATORS: Readonly<Record<string, string>> = { redirects: ' -> ', chain: ' -> ' };

/** Units are plurals, except for `s`. */
const withUnit = (value: number, unit = ''): string =>
  `${value} ${value === 1 ? unit.replace(/(?<=.)s$/, '') : unit}`.trim();

function factText(name: string, value: unknown): string {
  if (Array.isArray(value)) return value.join(SEPARATORS[name] ?? ', ');
  return typeof value === 'object' && value !== null ? flat(value) : String(value);
}

const flat = (value: object): string =>
  Object.entries(value)
    .map(([key, item]) => `${key.replaceAll('_', ' ')} ${String(item)}`)
    .join(', ');
