import { Command } from 'commander';
import { VedetteError } from '../../errors.ts';
import {
  formatCount,
  formatInstant,
  type ReadModel,
  type Series,
  type SeriesFilter,
  type SeriesPosition,
  toSeriesView,
} from '../../stats/index.ts';
import { type Cli, examples, settingsFor } from '../context.ts';
import { withDatabase } from '../database.ts';
import { parseId } from '../options/parse.ts';
import { outcomeStyle } from '../stream/result-line.ts';
import { formatTable } from '../terminal/table.ts';
import { openReadModel } from './read-model.ts';
import { showName } from './tables.ts';

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
        for await (const page of pagesOf(await openReadModel(database), filter)) series.push(...page);
        if (json) return cli.stdout.json(series.map(toSeriesView));
        cli.stdout.line(series.length === 0 ? 'There are no series.' : showSeries(cli, series));
      });
    });
}

async function* pagesOf(readModel: ReadModel, filter: SeriesFilter): AsyncGenerator<Series[]> {
  let after: SeriesPosition | null = null;
  do {
    const page = await readModel.series({ ...filter, limit: PAGE, ...(after ? { after } : {}) });
    yield page.series;
    after = page.next;
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
