import { Command } from 'commander';
import { metricsOfAll } from '../../aggregates/metrics-plan.ts';
import { formatInstant, gridOf, type Numbers, widen } from '../../stats/index.ts';
import { type Cli, examples, settingsFor } from '../context.ts';
import { withDatabase } from '../database.ts';
import { parseId, parseName } from '../options/parse.ts';
import { addRangeOptions, parseRange, type RangeOptions } from '../options/time-range.ts';
import { type Column, formatCsv, formatTable } from '../terminal/table.ts';
import { requireKnownId } from './known-id.ts';
import { openReadModel } from './read-model.ts';
import { chooseGranularity } from './stats.ts';
import { csvOf, EXTRA_CSV, FORMATS, numberColumns, RANKS, toWireNumbers } from './tables.ts';

const DEFAULT_RANGE = '24h';
const DEFAULT_GRANULARITY = 'hour';
const PAGE = 1_000;

interface MetricsFlags extends RangeOptions {
  location?: string;
  granularity?: string;
  format: string;
  json?: boolean;
  csv?: boolean;
}

export function seriesMetricsCommand(cli: Cli): Command {
  const metrics = new Command('metrics')
    .description('the numbers of an id bucket by bucket, whether or not there is a job of it')
    .argument('<id>', 'id of the job', parseId);
  return addRangeOptions(metrics, DEFAULT_RANGE)
    .option('--location <name>', 'only at this location; all of them together unless given')
    .option('--granularity <name>', `length of the buckets, one that is kept; ${DEFAULT_GRANULARITY} if it is`)
    .option('--format <format>', `one of ${FORMATS.join(', ')}`, parseName(FORMATS), 'table')
    .option('--json', 'short for --format json')
    .option('--csv', 'short for --format csv')
    .addHelpText(
      'after',
      examples(
        ['vedette series metrics 1000001', 'a day, hour by hour'],
        ['vedette series metrics 7 --location eu --granularity day --range 30d --csv', 'a month of one location'],
      ),
    )
    .action(async (jobId: number, options: MetricsFlags, command: Command) => {
      const settings = await settingsFor(cli, command);
      const format = options.json ? 'json' : options.csv ? 'csv' : options.format;
      const nowMs = Date.now();
      const isKept = metricsOfAll(settings.metrics).some(({ granularity }) => granularity === DEFAULT_GRANULARITY);
      const asked = options.granularity ?? (isKept ? DEFAULT_GRANULARITY : undefined);
      const given = parseRange(options, DEFAULT_RANGE, nowMs);
      const { name: granularity, durationMs: bucketMs } = chooseGranularity(settings, given, nowMs, asked);
      const grid = gridOf(bucketMs);
      const range = widen(given, grid);
      const { location } = options;
      await withDatabase(settings, { tables: 'ready' }, async ({ database }) => {
        const readModel = await openReadModel(database);
        await requireKnownId(readModel, jobId);
        const buckets: Numbers[] = [];
        const query = { ...range, jobId, location, granularity, bucketMs, bucketOffsetMs: grid.offsetMs };
        for (let afterMs: number | undefined, more = true; more; afterMs = buckets.at(-1)?.fromMs) {
          const asc = { order: 'asc', limit: PAGE } as const;
          const page = await readModel.buckets({ ...query, ...asc, afterMs, percentiles: RANKS, nowMs });
          buckets.push(...page.buckets);
          more = page.more;
        }
        if (format === 'json') {
          const scope = { job_id: jobId, location: location ?? null, granularity };
          return cli.stdout.json({ ...scope, ...inIso(range), metrics: buckets.map(toWire) });
        }
        if (format === 'csv') return cli.stdout.line(formatCsv(buckets, CSV));
        if (buckets.length === 0) return cli.stdout.line('There are no numbers of this time.');
        cli.stdout.line(formatTable(buckets, [FROM, ...numberColumns(buckets, cli.stdout.style)], cli.stdout.style));
      });
    });
}

const FROM: Column<Numbers> = { title: 'from', value: ({ fromMs }) => formatInstant(fromMs) };

const CSV: Column<Numbers>[] = [
  { title: 'from', value: ({ fromMs }) => new Date(fromMs).toISOString() },
  ...csvOf(),
  EXTRA_CSV,
];

const inIso = ({ fromMs, toMs }: { fromMs: number; toMs: number }) => ({
  from: new Date(fromMs).toISOString(),
  to: new Date(toMs).toISOString(),
});

const toWire = (bucket: Numbers) => ({ ...inIso(bucket), ...toWireNumbers(bucket) });
