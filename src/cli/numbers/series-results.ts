import { Command } from 'commander';
import { MAX_TIME_MS } from '../../core/instant.ts';
import { OUTCOMES } from '../../messages/check-result.ts';
import { type ResultPosition, type ResultRow, toSeconds } from '../../stats/index.ts';
import { type Cli, examples, settingsFor } from '../context.ts';
import { withDatabase } from '../database.ts';
import { parseCount, parseId, parseName } from '../options/parse.ts';
import { addRangeOptions, parseRange, type RangeOptions } from '../options/time-range.ts';
import { formatResult } from '../stream/result-line.ts';
import { requireKnownId } from './known-id.ts';
import { openReadModel } from './read-model.ts';

const PAGE = 1_000;
const DEFAULT_LIMIT = 100;
const LONGER_THAN_KEPT = '36500d';

interface ResultsFlags extends RangeOptions {
  location?: string;
  topic?: string;
  outcome?: string;
  limit: number;
  json?: boolean;
}

export function seriesResultsCommand(cli: Cli): Command {
  const results = new Command('results')
    .description('raw results of an id, newest first, whether or not there is a job of it; as long as they are kept')
    .argument('<id>', 'id of the job', parseId);
  return addRangeOptions(results, 'as far back as they are kept')
    .option('--location <name>', 'only at this location')
    .option('--topic <name>', 'only those that came by this topic')
    .option('--outcome <outcome>', `only this one of ${OUTCOMES.join(', ')}`, parseName(OUTCOMES))
    .option('-n, --limit <count>', 'at most this many', parseCount(1), DEFAULT_LIMIT)
    .option('--json', 'as the API has them, one a line (NDJSON)')
    .addHelpText(
      'after',
      examples(
        ['vedette series results 1000001', 'the last hundred'],
        ['vedette series results 7 --outcome down --range 24h --json', 'the failures of a day, for programs'],
      ),
    )
    .action(async (jobId: number, { limit, json, ...options }: ResultsFlags, command: Command) => {
      const { location, topic, outcome } = options;
      const range = readRange(options);
      await withDatabase(settingsFor(cli, command), { tables: 'ready' }, async ({ database }) => {
        const readModel = await openReadModel(database);
        await requireKnownId(readModel, jobId);
        const { toResultView } = await import('../../api/jobs/results.ts');
        const print = (row: ResultRow) =>
          cli.stdout.line(json ? JSON.stringify(toResultView(row)) : formatResult(toShown(row), cli.stdout.style));
        const query = { jobId, ...range, location, topic, outcome };
        let left = limit;
        for (let after: ResultPosition | null | undefined; left > 0 && after !== null; ) {
          const page = await readModel.results({ ...query, limit: Math.min(left, PAGE), after });
          for (const row of page.results) print(row);
          left -= page.results.length;
          after = page.next;
        }
        if (left === limit && !json) cli.stdout.line('There are no results.');
      });
    });
}

/** Without --to, results of schedulers whose clocks are ahead of this one are included. */
function readRange(options: RangeOptions) {
  const { fromMs, toMs } = parseRange(options, LONGER_THAN_KEPT, Date.now());
  return { fromMs, toMs: options.to === undefined ? MAX_TIME_MS : toMs };
}

function toShown({ rtMicros, slots, periodMs, ...row }: ResultRow) {
  const { detail, attempt } = row;
  const length = periodMs === null ? {} : { slots, periodMs };
  return {
    ...row,
    ...length,
    responseTime: toSeconds(rtMicros),
    detail: detail ?? undefined,
    attempt: attempt ?? undefined,
  };
}
