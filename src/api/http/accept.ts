import accepts from 'accepts';
import type { FastifyInstance } from 'fastify';

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
