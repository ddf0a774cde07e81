import { RE2JS } from 're2js';
import { VedetteError } from '../errors.ts';

export interface Pattern {
  matches(text: string): boolean;
}

/**
 * A regular expression of a user, on an engine that is linear in the text (RE2): no pattern can hold the process up.
 * Throws VED_VALIDATION, with the wire path, when it does not compile.
 */
export function compilePattern(source: string, path: string): Pattern {
  // Most patterns are plain words, which need no engine.
  if (/^[\w\s<>"'=:;,!@#%&~/-]+$/.test(source)) return { matches: (text) => text.includes(source) };
  try {
    const expression = RE2JS.compile(source);
    return { matches: (text) => expression.matcher(text).find() };
  } catch (error) {
    const message = `${path}: a regular expression (RE2): ${(error as Error).message}`;
    throw new VedetteError('VED_VALIDATION', message, { cause: source });
  }
}
