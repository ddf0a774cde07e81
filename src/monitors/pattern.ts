import { RE2JS } from 're2js';
import { matchInWorker } from './pattern-threads.ts';
import type { TimeLimit } from './time-limit.ts';

/** A regular expression of a user. */
export interface Pattern {
  /** Whether it is found in a text. Rejects with a ProbeFailure when the time is over before that is known. */
  isIn(text: string, limit: TimeLimit): boolean | Promise<boolean>;
}

/**
 * Steps that may be taken on the main thread: the engine takes at most the size of the expression for each character,
 * some 60 ns each. More are taken on another thread.
 */
const MAX_STEPS_HERE = 500_000;
const MAX_KEPT = 1_000;
const kept = new Map<string, RE2JS>();

/**
 * On an engine that is linear in the text (RE2), compiled when it is first needed. It must compile: expressionFault says
 * so. Neither an expression nor a body can hold the process up.
 */
export function createPattern(source: string): Pattern {
  // Most patterns are plain words, which need no engine.
  if (/^[\w\s<>"'=:;,!@#%&~/-]+$/.test(source)) return { isIn: (text) => text.includes(source) };
  return {
    isIn(text, limit) {
      const expression = compiled(source);
      if (expression.programSize() * text.length <= MAX_STEPS_HERE) return expression.test(text);
      return matchInWorker(source, text, limit);
    },
  };
}

/** Why an expression does not compile, for people; null when it does. */
export function expressionFault(source: string): string | null {
  try {
    compiled(source);
    return null;
  } catch (error) {
    return (error as Error).message.replace('error parsing regexp: ', '');
  }
}

function compiled(source: string): RE2JS {
  let expression = kept.get(source);
  if (expression) return expression;
  expression = RE2JS.compile(source);
  if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value as string);
  kept.set(source, expression);
  return expression;
}
