import { Type } from 'typebox';
import type { Problem } from '../../../core/validation.ts';
import { expressionFault, expressionsFault } from '../patterns/pattern.ts';

/** JSON schema of a regular expression of RE2: no backreferences, no lookaround, linear time. */
export const expressionField = (description: string) =>
  Type.String({ minLength: 1, maxLength: 1_000, description: `${description} (RE2 syntax)` });

function patternProblems(path: string, expression: string | undefined): Problem[] {
  if (!expression) return [];
  const fault = expressionFault(expression);
  return fault === null ? [] : [{ path, given: expression, accepted: `a regular expression of RE2: ${fault}` }];
}

/**
 * Returns the problems of all patterns of a job, each with its path. Patterns that are too large together are not compiled
 * one by one: that is a problem of the field `whole`.
 */
export function allPatternProblems(
  given: ReadonlyArray<readonly [path: string, source: string | undefined]>,
  whole: string,
): Problem[] {
  const all = given.filter(([, source]) => source !== undefined && source !== '');
  const fault = all.length > 1 ? expressionsFault(all.map(([, source]) => source as string)) : null;
  if (fault !== null) return [{ path: whole, given: `${all.length} patterns`, accepted: `patterns of ${fault}` }];
  return all.flatMap(([path, source]) => patternProblems(path, source));
}
