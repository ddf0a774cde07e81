import { decideAside } from '../side-thread.ts';
import type { TimeLimit } from '../time-limit.ts';
import { PatternCache } from './cache.ts';
import { MAX_PATTERN_SIZE, MAX_PATTERNS_SIZE, patternSize } from './size.ts';

/** A user's regular expression. */
export interface Pattern {
  /** Returns whether it matches within a text. Rejects with a ProbeFailure if the time is over first. */
  isIn(text: string, limit: TimeLimit): boolean | Promise<boolean>;
}

/**
 * Limit of matching on the main thread: the engine needs at most the size of the expression per character, at some 60
 * ns each. Longer matches run on another thread.
 */
const MAX_STEPS_HERE = 250_000;
const compiled = new PatternCache();

const PLAIN = /^[\w\s<>"'=:;,!@#%&~/-]+$/;

/**
 * Returns a pattern on an engine that is linear in the text (RE2), compiled when first needed. The expression must be
 * valid (see expressionFault). Neither an expression nor a body can block the process.
 */
export function createPattern(source: string): Pattern {
  // Most patterns are plain words, which need no engine.
  if (PLAIN.test(source)) return { isIn: (text) => text.includes(source) };
  return {
    isIn(text, limit) {
      if (patternSize(source) * text.length > MAX_STEPS_HERE) {
        return decideAside({ kind: 'pattern', source, text }, limit);
      }
      const isFound = compiled.get(source).test(text);
      compiled.used(source, text.length);
      return isFound;
    },
  };
}

/**
 * Returns why an expression is refused, for people; null if it is accepted. An expression that is too large is not
 * compiled.
 */
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

/** Returns why the expressions of one job are too large together; null if they are not. Nothing is compiled. */
export function expressionsFault(sources: readonly string[]): string | null {
  const size = sources.reduce((sum, source) => sum + patternSize(source), 0);
  return size > MAX_PATTERNS_SIZE ? tooLarge(size, MAX_PATTERNS_SIZE) : null;
}

const tooLarge = (size: number, limit: number) =>
  `at most ${limit} instructions, these are about ${size}; a repetition such as {0,1000} counts as often as it repeats`;
