import { Command } from 'commander';
import { Lifecycle } from '../../core/lifecycle.ts';
import { OUTCOMES } from '../../messages/check-result.ts';
import type { RecordBatch, StreamDriver } from '../../streaming/driver.ts';
import { type Cli, examples, settingsFor } from '../context.ts';
import { withDatabase } from '../database.ts';
import { parseCount, parseIds, parseNames } from '../options/parse.ts';
import { formatResult } from './result-line.ts';
import type { ResultFilter, ResultLine } from './result-lines.ts';

interface TailOptions extends ResultFilter {
  topic?: string;
  last: number;
  count?: number;
  json?: boolean;
}

export function tailCommand(cli: Cli): Command {
  return new Command('tail')
    .description('show results as they come, from the stream; ends with Ctrl-C')
    .option('-j, --job <ids>', 'only these jobs, by id, separated by commas', parseIds)
    .option('--outcome <names>', `only these outcomes: ${OUTCOMES.join(', ')}`, parseNames(OUTCOMES))
    .option('--failures', 'only what is not up')
    .option('--topic <topic>', 'another topic than the one of the settings')
    .option('-n, --last <count>', 'begin with about this many of the results that are there already', parseCount(0), 0)
    .option('--count <count>', 'end after this many results', parseCount(1))
    .option('--json', 'the lines as they are in the stream (NDJSON)')
    .addHelpText(
      'after',
      examples(
        ['vedette tail', 'everything that comes'],
        ['vedette tail --job 1,2 --failures', 'only failures of two jobs'],
        ['vedette tail --last 100 --json | jq .response_time', 'for programs'],
      ),
    )
    .action(async (options: TailOptions, command: Command) => {
      const settings = settingsFor(cli, command);
      await withDatabase(settings, { tables: 'ready' }, async ({ database, isTemporary }) => {
        if (isTemporary)
          cli.stderr.line('No Vedette runs on this data folder: only what is in the stream already is shown.');
        const { openStream } = await import('./open.ts');
        const lifecycle = new Lifecycle();
        try {
          const driver = await openStream(settings, database, lifecycle);
          await follow(cli, driver, options.topic ?? settings.topics.results, options, isTemporary);
        } finally {
          await lifecycle.close();
        }
      });
    });
}

async function follow(
  cli: Cli,
  driver: StreamDriver,
  topic: string,
  options: TailOptions,
  isEnded: boolean,
): Promise<void> {
  const { createLineReader } = await import('./result-lines.ts');
  const backlog = await Promise.all(
    (await driver.ranges(topic)).map((range) => backlogOf(driver, topic, range, options.last)),
  );
  // Lines that are there already are put in order of time over all partitions; later ones come in the order of arrival.
  const read = createLineReader(cli, options);
  const lines: ResultLine[] = [];
  let left = options.count ?? Number.POSITIVE_INFINITY;
  const print = ({ text, result }: ResultLine) => {
    if (left-- > 0) cli.stdout.line(options.json ? text : formatResult(result, cli.stdout.style));
  };
  for (const { batches } of backlog) for (const batch of batches) lines.push(...read(batch));
  lines.sort((a, b) => a.atMs - b.atMs);
  for (const line of options.last === 0 ? [] : lines.slice(-options.last)) print(line);
  if (isEnded || left <= 0) return;
  const stop = new AbortController();
  const signal = AbortSignal.any([cli.signal, stop.signal]);
  const stretches = backlog.map(({ partition, next }) => ({ partition, from: next }));
  for await (const batch of driver.read(topic, stretches, signal)) {
    for (const line of read(batch)) print(line);
    if (left <= 0) stop.abort();
  }
}

/** The records at the end of a partition: enough of them to hold `last` results, as a record holds at least one. */
async function backlogOf(
  driver: StreamDriver,
  topic: string,
  { partition, low, high }: { partition: number; low: number; high: number },
  last: number,
): Promise<{ partition: number; next: number; batches: RecordBatch[] }> {
  const batches: RecordBatch[] = [];
  const from = Math.max(low, high - last);
  if (from < high) {
    for await (const batch of driver.read(topic, [{ partition, from, to: high }])) batches.push(batch);
  }
  return { partition, next: high, batches };
}
