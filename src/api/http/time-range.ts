import type { Problem } from '../../core/validation.ts';
import { parseTimeRange, type RangeProblem, type TimeRange } from '../../stats/index.ts';
import { validationError } from './validation.ts';

/** Reads `from` and `to` of a query; throws VED_VALIDATION with every problem. */
export function readTimeRange(
  { from, to }: { from?: string | undefined; to?: string | undefined },
  defaults: Parameters<typeof parseTimeRange>[1],
): TimeRange {
  const parsed = parseTimeRange({ from, to }, defaults);
  if (parsed.ok) return parsed.range;
  throw validationError(parsed.problems.map(toProblem), 'query');
}

function toProblem(problem: RangeProblem): Problem {
  switch (problem.kind) {
    case 'unreadable':
      return { path: problem.name, given: problem.given, accepted: problem.accepted };
    case 'reversed': {
      const [from, to] = [problem.range.fromMs, problem.range.toMs].map((timeMs) => new Date(timeMs).toISOString());
      return { path: 'from', given: from, accepted: `a time before to (${to})` };
    }
    case 'conflict':
      return { path: 'range', given: 'a range and from', accepted: 'one of the two' };
  }
}
