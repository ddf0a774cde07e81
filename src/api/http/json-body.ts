import type { FastifyInstance } from 'fastify';
import { VedetteError } from '../../errors.ts';

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
        return done(invalid(`nested ${depth} levels deep, accepted: at most ${MAX_DEPTH}`));
      }
      parse(request, text, (error, value) => {
        if (error) return done(invalid(isJson(text) ? FORBIDDEN_KEY : `not JSON: ${error.message}`, error));
        const bad = unstorableText(value);
        done(bad === null ? null : invalid(`${bad}, accepted: well-formed Unicode without NUL`), value);
      });
    },
  );
}

/** Such a key would change the prototype of an object that it is copied to. */
const FORBIDDEN_KEY = 'a key __proto__, or prototype within constructor, accepted: any other key';

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function invalid(message: string, cause?: unknown): VedetteError {
  return new VedetteError('VED_VALIDATION', `body: ${message}`, { cause });
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

/** Says which text of `value` cannot be stored; null when all can. */
function unstorableText(value: unknown, path = ''): string | null {
  if (typeof value === 'string') {
    if (value.includes('\0')) return `${path || '(root)'}: text with NUL`;
    return (value as unknown as { isWellFormed(): boolean }).isWellFormed()
      ? null
      : `${path || '(root)'}: text with a lone surrogate`;
  }
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, member] of Object.entries(value)) {
    const at = path === '' ? key : `${path}.${key}`;
    const bad = unstorableText(key, `key in ${path || '(root)'}`) ?? unstorableText(member, at);
    if (bad !== null) return bad;
  }
  return null;
}
