import type { FastifyInstance } from 'fastify';
import type { Problem } from '../../core/validation.ts';
import type { ResponseError } from './response-error.ts';
import { validationError } from './validation.ts';

const MAX_DEPTH = 32;

/**
 * Accepts JSON and nothing else, whatever the route. A body may be empty (routes say whether they need one). Refused here,
 * because PostgreSQL or a recursive reader behind it would choke: NUL and lone surrogates in texts, deep nesting.
 */
export function acceptJsonOnly(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    ['application/json', 'application/merge-patch+json'],
    { parseAs: 'string' },
    (request, body, done) => {
      const text = body as string;
      if (text.trim() === '') return done(null, undefined);
      const depth = nestingDepth(text);
      if (depth > MAX_DEPTH) {
        const problem = { path: '', given: `${depth} levels`, accepted: `at most ${MAX_DEPTH} levels` };
        return done(invalid(problem, `nested ${depth} levels deep, accepted: at most ${MAX_DEPTH}`));
      }
      parse(request, text, (error, value) => {
        if (error) return done(isJson(text) ? forbiddenKey(error) : notJson(error));
        const bad = unstorableText(value);
        done(bad === null ? null : unstorable(bad), value);
      });
    },
  );
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Such a key would change the prototype of an object that it is copied to. */
function forbiddenKey(cause: unknown): ResponseError {
  const given = 'a key __proto__, or prototype within constructor';
  return invalid({ path: '', given, accepted: 'any other key' }, `${given}, accepted: any other key`, cause);
}

function notJson(error: Error): ResponseError {
  // Some messages of V8 repeat the text around the place, secrets and all.
  const fault = error.message.replace(/, (\.\.\.)?".*is not valid JSON$/s, '');
  return invalid({ path: '', given: `text that is not JSON: ${fault}`, accepted: 'JSON' }, `not JSON: ${fault}`, error);
}

function unstorable({ path, given }: BadText): ResponseError {
  const accepted = 'well-formed Unicode without NUL';
  return invalid({ path, given, accepted }, `${path || '(root)'}: ${given}, accepted: ${accepted}`);
}

function invalid(problem: Problem, text: string, cause?: unknown): ResponseError {
  return validationError([problem], 'body', { text, cause });
}

/** Brackets that are open at once, texts left out. */
function nestingDepth(json: string): number {
  let depth = 0;
  let deepest = 0;
  let inText = false;
  for (let i = 0; i < json.length; i++) {
    const char = json.charCodeAt(i);
    if (inText) {
      if (char === 0x5c) i++;
      else if (char === 0x22) inText = false;
    } else if (char === 0x22) inText = true;
    else if (char === 0x7b || char === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (char === 0x7d || char === 0x5d) depth--;
  }
  return deepest;
}

/** A text, where it is, and what is wrong with it. */
interface BadText {
  path: string;
  given: string;
}

/** Finds a text of `value` that cannot be stored; null when all can. */
function unstorableText(value: unknown, path = ''): BadText | null {
  if (typeof value === 'string') {
    const fault = faultOf(value);
    return fault === null ? null : { path, given: `text ${fault}` };
  }
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, member] of Object.entries(value)) {
    const fault = faultOf(key);
    if (fault !== null) return { path, given: `a key ${fault}` };
    const bad = unstorableText(member, path === '' ? key : `${path}.${key}`);
    if (bad !== null) return bad;
  }
  return null;
}

function faultOf(text: string): string | null {
  if (text.includes('\0')) return 'with NUL';
  return (text as unknown as { isWellFormed(): boolean }).isWellFormed() ? null : 'with a lone surrogate';
}
