import type { FastifyInstance } from 'fastify';

/** Collections are singular here; who asks for the plural as a program is sent to the right place. */
export function addPluralPath(app: FastifyInstance): void {
  for (const path of ['/jobs', '/jobs/*']) {
    app.get<{ Params: { '*'?: string } }>(path, { schema: { hide: true } }, async (request, reply) =>
      reply.header('vary', 'accept').redirect(request.url.replace(/^\/jobs/, '/job'), 308),
    );
  }
}
