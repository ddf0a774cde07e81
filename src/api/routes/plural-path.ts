import type { FastifyInstance } from 'fastify';

/** Paths of collections are singular here; requests for the plural are redirected. */
export function addPluralPath(app: FastifyInstance): void {
  for (const path of ['/jobs', '/jobs/*']) {
    app.get<{ Params: { '*'?: string } }>(
      path,
      { schema: { hide: true }, config: { scope: 'public' } },
      async (request, reply) => reply.header('vary', 'accept').redirect(request.url.replace(/^\/jobs/, '/job'), 308),
    );
  }
}
