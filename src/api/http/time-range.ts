import { VedetteError } from '../../errors.ts';
import { parseTimeRange, type RangeProblem, type TimeRange } from '../../stats/index.ts';

/** Reads `from` and `to` of a query; throws VED_VALIDATION with every problem. */
export function readTimeRange(
  { from, to }: { from?: string; to?: string },
  defaults: Parameters<typeof parseTimeRange>[1],
): TimeRange {
  const parsed = parseTimeRange({ from, to }, defaults);
  if (parsed.ok) return parsed.range;
  throw new VedetteError('VED_VALIDATION', `query: ${parsed.problems.map(describe).join('; ')}`);
}

function describe(problem: RangeProblem): string {
  switch (problem.kind) {
    case 'unreadable':
      return `${problem.name}: given ${JSON.stringify(problem.given.slice(0, 60))}, accepted: ${problem.accepted}`;
    case 'reversed': {
      const { fromMs, toMs } = problem.range;
      return `from: given ${new Date(fromMs).toISOString()}, accepted: a time before to (${new Date(toMs).toISOString()})`;
    }
    case 'conflict':
      return 'range: given with from, accepted: one of the two';
  }
}
