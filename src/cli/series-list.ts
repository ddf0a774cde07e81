import { Command } from 'commander';
import { VedetteError } from '../errors.ts';
import { readSeries, type Series, type SeriesFilter } from '../stats/index.ts';
import { type Cli, examples, settingsFor } from './context.ts';
import { withDatabase } from './database.ts';
import { formatCount, formatTable } from './output.ts';
import { parseId } from './parse.ts';
import { outcomeStyle } from './result-line.ts';
import { showName } from './stats-tables.ts';
import { formatInstant } from './time.ts';

const PAGE = 1_000;

interface ListFlags {
  job?: number;
  location?: string;
  foreign?: boolean;
  own?: boolean;
  json?: boolean;
}

export function seriesListCommand(cli: Cli): Command {
  return new Command('list')
    .description('each job at each location with its last result, also what other producers publish')
    .option('--job <id>', 'only of this id', parseId)
    .option('--location <name>', 'only at this location')
    .option('--foreign', 'only those that Vedette never scheduled')
    .option('--own', 'only those that it did')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      examples(
        ['vedette series list', 'all of them'],
        ['vedette series list --foreign', 'ids and locations that only other producers use'],
      ),
    )
    .action(async ({ job: jobId, location, foreign, own, json }: ListFlags, command: Command) => {
      if (foreign && own) throw new VedetteError('VED_USAGE', '--foreign and --own exclude each other');
      const filter = { jobId, location, foreign: foreign ? true : own ? false : undefined };
      await withDatabase(settingsFor(cli, command), { tables: 'ready' }, async ({ database }) => {
        const series: Series[] = [];
        for await (const page of pagesOf(database, filter)) series.push(...page);
        if (json) {
          const { toSeriesView } = await import('../api/series-view.ts');
          return cli.stdout.json(series.map(toSeriesView));
        }
        cli.stdout.line(series.length === 0 ? 'There are no series.' : showSeries(cli, series));
      });
    });
}

async function* pagesOf(database: Parameters<typeof readSeries>[0], filter: SeriesFilter): AsyncGenerator<Series[]> {
  let after: Parameters<typeof readSeries>[1]['after'];
  do {
    const page = await readSeries(database, { ...filter, limit: PAGE, after });
    yield page.series;
    after = page.next ?? undefined;
  } while (after);
}

function showSeries({ stdout: { style } }: Cli, series: readonly Series[]): string {
  const instant = (ms: number | null) => (ms === null ? '-' : formatInstant(ms));
  return formatTable(
    series,
    [
      { title: 'job', value: ({ jobId }) => String(jobId), align: 'right' },
      { title: 'location', value: ({ location }) => location },
      { title: 'topic', value: ({ topic }) => topic },
      { title: 'from', value: ({ foreign }) => (foreign ? 'others' : 'vedette') },
      {
        title: 'last',
        value: ({ lastOutcome }) => lastOutcome ?? '-',
        style: ({ lastOutcome }) => outcomeStyle(style, lastOutcome ?? ''),
      },
      { title: 'status', value: ({ lastStatus }) => lastStatus ?? '-', align: 'right' },
      { title: 'at', value: ({ lastTs, lastSlot }) => instant(lastTs ?? lastSlot) },
      { title: 'results', value: ({ count }) => formatCount(count), align: 'right' },
      { title: 'down', value: ({ down }) => formatCount(down), align: 'right' },
      { title: 'missed', value: ({ missed }) => formatCount(missed), align: 'right' },
      { title: 'name', value: showName },
    ],
    style,
  );
}
