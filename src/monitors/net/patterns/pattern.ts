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

/** Limit of comparing words on the main thread, at about a nanosecond each; only a body made for it needs as many. */
const MAX_COMPARISONS_HERE = 50_000_000;

const PLAIN = /^[\w\s<>"'=:;,!@#%&~/-]+$/;

/**
 * Words and groups of alternatives: RE2 and JavaScript agree about them. Without repetitions the engine of JavaScript
 * tries at a character at most as many ways as the alternatives can be combined.
 */
const WORDS = /^(?:[\w\s<>"'=:;,!@#%&~/|-]|\((?!\?)|\)|\\[!-/:-@[-^`{-~])+$/;
const MAX_BARS = 6;

/**
 * Returns a pattern on an engine that is linear in the text (RE2), compiled when first needed. The expression must be
 * valid (see expressionFault). Neither an expression nor a body can block the process.
 */
export function createPattern(source: string): Pattern {
  // Most patterns are words, which need no engine.
  if (PLAIN.test(source)) return bounded(source, MAX_COMPARISONS_HERE, source.length, (text) => text.includes(source));
  if (WORDS.test(source) && barsOf(source) <= MAX_BARS) {
    const expression = new RegExp(source);
    const ways = source.length * 2 ** barsOf(source);
    return bounded(source, MAX_COMPARISONS_HERE, ways, (text) => expression.test(text));
  }
  return bounded(source, MAX_STEPS_HERE, patternSize(source), (text) => {
    const isFound = compiled.get(source).test(text);
    compiled.used(source, text.length);
    return isFound;
  });
}

const barsOf = (source: string) => source.split('|').length - 1;

/** Texts for which it would take more steps than `maxSteps` are decided by the engine, on another thread. */
function bounded(source: string, maxSteps: number, stepsEach: number, isHere: (text: string) => boolean): Pattern {
  return {
    isIn: (text, limit) =>
      stepsEach * text.length > maxSteps ? decideAside({ kind: 'pattern', source, text }, limit) : isHere(text),
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
