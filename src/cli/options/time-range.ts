import type { Command } from 'commander';
import { parseDuration } from '../../core/duration.ts';
import { TIME_FORMS } from '../../core/instant.ts';
import { VedetteError } from '../../errors.ts';
import { formatInstant, parseTimeRange, type RangeProblem, type TimeRange } from '../../stats/index.ts';

export interface RangeOptions {
  from?: string;
  to?: string;
  range?: string;
}

/** `--range`, `--from` and `--to`, which `parseRange` reads. */
export function addRangeOptions(command: Command, defaultRange: string): Command {
  return command
    .option('--range <duration>', `how far back from --to; ${defaultRange} unless given`)
    .option('--from <time>', `where to begin: ${TIME_FORMS}`)
    .option('--to <time>', 'where to end, in the same forms; now unless given');
}

/** `--from` and `--to`, or `--range` up to now. Throws VED_USAGE. */
export function parseRange({ from, to, range }: RangeOptions, defaultRange: string, nowMs: number): TimeRange {
  const defaultMs = parseDuration(defaultRange) ?? 0;
  const parsed = parseTimeRange({ from, to, range }, { nowMs, fromMs: (toMs) => toMs - defaultMs });
  if (parsed.ok) return parsed.range;
  throw new VedetteError('VED_USAGE', describe(parsed.problems[0]));
}

function describe(problem: RangeProblem): string {
  switch (problem.kind) {
    case 'unreadable':
      return `--${problem.name}: given ${JSON.stringify(problem.given)}, accepted: ${problem.accepted}`;
    case 'reversed': {
      const { fromMs, toMs } = problem.range;
      return `--from (${formatInstant(fromMs)}) is not before --to (${formatInstant(toMs)})`;
    }
    case 'conflict':
      return '--range and --from both say where to begin: give one of them';
  }
}
