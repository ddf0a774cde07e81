import { ProbeFailure } from '../../failure.ts';
import type { Pattern } from '../patterns/pattern.ts';
import type { Trial } from './trial.ts';

const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;
const SHOWN_CHARACTERS = 120;

/**
 * Records the result of a query as the value `result` if it is a number. Throws a ProbeFailure (`body`) if it is not the
 * expected one. `expected` null: any is. `what` names the result for people.
 */
export async function judgeResult(
  text: string,
  expected: Pattern | null,
  trial: Trial,
  what = 'result of the query',
): Promise<void> {
  const trimmed = text.trim();
  if (NUMBER.test(trimmed)) trial.values.result = Number(trimmed);
  if (expected === null || (await expected.isIn(text, trial.limit))) return;
  const shown = JSON.stringify(text.slice(0, SHOWN_CHARACTERS));
  throw new ProbeFailure('body', `pattern not found in the ${what}, which is ${shown}`);
}
