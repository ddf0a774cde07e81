import accepts from 'accepts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { PROBLEM_JSON } from './problem-details.ts';

type Strategy = Parameters<FastifyInstance['addConstraintStrategy']>[0];
type Handler = Parameters<ReturnType<Strategy['storage']>['set']>[1];

/**
 * Lets a path have a second route for browsers: `constraints: { accept: 'html' }` takes requests that want text/html more
 * than JSON, and the route without it all others.
 */
export const ACCEPT_CONSTRAINT: Strategy = {
  name: 'accept',
  storage: () => {
    const handlers = new Map<unknown, Handler>();
    return {
      get: (wanted) => handlers.get(wanted) ?? null,
      set: (wanted, handler) => void handlers.set(wanted, handler),
    };
  },
  // JSON is named first: it is sent where both are accepted alike, or neither is.
  deriveConstraint: (request) => (accepts(request).type(['json', 'html']) === 'html' ? 'html' : undefined),
};

/** Whether a browser asks, which shows pages. */
export const isBrowser = ({ headers }: FastifyRequest): boolean => /\btext\/html\b/.test(headers.accept ?? '');

/**
 * The media type of an error: problem details, whatever is accepted, because an error that is not read helps nobody. A client
 * that names plain JSON and not problem details gets the same under that name.
 */
export function errorMediaType(request: FastifyRequest): string {
  const named = [accepts(request.raw).types()].flat().map((type) => String(type).toLowerCase());
  return named.includes('application/json') && !named.includes(PROBLEM_JSON) ? 'application/json' : PROBLEM_JSON;
}
