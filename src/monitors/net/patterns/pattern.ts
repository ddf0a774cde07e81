import type { TimeLimit } from '../time-limit.ts';
import { PatternCache } from './cache.ts';
import { MAX_PATTERN_SIZE, MAX_PATTERNS_SIZE, patternSize } from './size.ts';
import { matchInWorker } from './threads.ts';

/** A regular expression of a user. */
export interface Pattern {
  /** Whether it is found in a text. Rejects with a ProbeFailure when the time is over before that is known. */
  isIn(text: string, limit: TimeLimit): boolean | Promise<boolean>;
}

/**
 * Steps that may be taken on the main thread: the engine takes at most the size of the expression for each character,
 * some 60 ns each. More are taken on another thread.
 */
const MAX_STEPS_HERE = 250_000;
const compiled = new PatternCache();

const PLAIN = /^[\w\s<>"'=:;,!@#%&~/-]+$/;

/**
 * On an engine that is linear in the text (RE2), compiled when it is first needed. It must compile: expressionFault says
 * so. Neither an expression nor a body can hold the process up.
 */
export function createPattern(source: string): Pattern {
  // Most patterns are plain words, which need no engine.
  if (PLAIN.test(source)) return { isIn: (text) => text.includes(source) };
  return {
    isIn(text, limit) {
      if (patternSize(source) * text.length > MAX_STEPS_HERE) return matchInWorker(source, text, limit);
      const isFound = compiled.get(source).test(text);
      compiled.used(source, text.length);
      return isFound;
    },
  };
}

/** Why an expression is not accepted, for people; null when it is. One that is too large is not compiled. */
export function expressionFault(source: string): string | null {
  const size = patternSize(source);
  if (size > MAX_PATTERN_SIZE) return tooLarge(size, MAX_PATTERN_SIZE);
  try {
    if (!PLAIN.test(source)) compiled.get(source);
    return null;
  } catch (error) {
    return (error as Error).message.replace('error parsing regexp: ', '');
  }
}

/** Why the expressions of one job are too many together; null when they are not. Nothing is compiled. */
export function expressionsFault(sources: readonly string[]): string | null {
  const size = sources.reduce((sum, source) => sum + patternSize(source), 0);
  return size > MAX_PATTERNS_SIZE ? tooLarge(size, MAX_PATTERNS_SIZE) : null;
}

const tooLarge = (size: number, limit: number) =>
  `at most ${limit} instructions, these are about ${size}; a repetition such as {0,1000} counts as often as it repeats`;
