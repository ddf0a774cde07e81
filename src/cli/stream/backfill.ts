import { note, systemActor } from '../../access/audit.ts';
import { VedetteError } from '../../errors.ts';
import { type BackfillPlan, backfill, planBackfill } from '../../processor/verify/backfill.ts';
import type { RebuildOptions } from '../../processor/verify/rebuild.ts';
import { formatCount, formatCounted, formatInstant } from '../../stats/index.ts';
import { type Cli, EXIT } from '../context.ts';

/** Fills a metric of the settings or of jobs into rows of the time before it was configured, from what the stream still has. */
export async function backfillMetric(
  cli: Cli,
  metric: string,
  { isDry, ...options }: RebuildOptions & { isDry: boolean },
): Promise<void> {
  requireMetric(options, metric);
  const wanted = {
    ...options,
    metric,
    onProgress: ({ records, total }: { records: number; total: number }) =>
      cli.stderr.progress(`${formatCount(records)} of ${formatCounted(total, 'record')} read`),
  };
  const show = (plan: BackfillPlan) => {
    cli.stderr.progress('');
    showPlan(cli, metric, plan);
  };
  const { written, ...plan } = isDry
    ? { written: false, ...(await planOf(wanted, show)) }
    : await backfill(wanted, show);
  cli.stderr.progress('');
  for (const why of plan.refusals) cli.stderr.line(`${cli.stderr.style.red('refused:')} ${why}`);
  if (plan.refusals.length > 0) cli.exitCode = EXIT.failed;
  if (!written) return;
  const { fromMs, toMs } = plan.report;
  const range = { from: new Date(fromMs), to: new Date(toMs) };
  const after = { metric, ...range, rows: plan.changes.length, jobs: options.jobs ? [...options.jobs] : null };
  await note(options.database, systemActor(), { action: 'metrics.backfill', subject: 'metrics', before: null, after });
  cli.stdout.line(
    `${cli.stdout.style.green('written')}  ${formatCounted(plan.changes.length, 'row')}, in one transaction`,
  );
}

async function planOf(options: Parameters<typeof planBackfill>[0], show: (plan: BackfillPlan) => void) {
  const plan = await planBackfill(options);
  show(plan);
  return plan;
}

function requireMetric({ selections, plans = [] }: RebuildOptions, metric: string): void {
  const extras = [...plans.flatMap((plan) => plan.extras), ...(selections?.extras ?? [])];
  const keys = [...new Set(extras.map(({ key }) => key))];
  if (keys.includes(metric)) return;
  const accepted =
    keys.length === 0
      ? 'a metric of the settings or of a job without a column; there is none'
      : `one of ${keys.join(', ')}`;
  throw new VedetteError('VED_USAGE', `--backfill: given ${JSON.stringify(metric)}, accepted: ${accepted}`);
}

function showPlan({ stdout }: Cli, metric: string, { report, changes, leftAlone }: BackfillPlan): void {
  const { style } = stdout;
  const made = changes.filter(({ stored }) => stored === null).length;
  stdout.line(`${style.bold('plan')}  ${metric}, ${formatInstant(report.fromMs)} to ${formatInstant(report.toMs)}`);
  stdout.line(
    `${formatCounted(report.records, 'record')} read, ${formatCounted(report.results, 'result')} counted again`,
  );
  stdout.line(`rows to fill: ${formatCount(changes.length - made)}, to make: ${formatCount(made)}`);
  if (leftAlone > 0) {
    const rows = formatCounted(leftAlone, 'row');
    stdout.line(
      `${style.yellow('left alone')}  ${rows}, of which the stream alone cannot say what was counted into them`,
    );
  }
  for (const { granularity, fromMs, toMs, why } of report.notCovered) {
    const range = `${formatInstant(fromMs)} to ${formatInstant(toMs)}`;
    stdout.line(`${style.yellow('left alone')}  ${granularity} from ${range}: ${why}`);
  }
}
