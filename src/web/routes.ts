import type { FastifyInstance } from 'fastify';
import { digest, unlessKnown } from '../api/http/conditional.ts';
import type { ApiDependencies } from '../api/ports.ts';
import { addAccountPage } from './account/routes.ts';
import { loadAssets } from './assets.ts';
import { sendErrorPage } from './forms/respond.ts';
import { renderDashboard } from './render.ts';
import { addSignInRoutes } from './sign-in/routes.ts';

/** The page and its assets. For programs `GET /` stays the status; the document describes both there. */
export function addPageRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  app.get<{ Querystring: Record<string, unknown> }>(
    '/',
    { constraints: { accept: 'html' }, schema: { hide: true }, config: { scope: 'read', page: true } },
    async (request, reply) => {
      const page = await renderDashboard(request, dependencies);
      reply.header('vary', 'accept').header('cache-control', 'no-store');
      return reply.code(page.statusCode).type('text/html; charset=utf-8').serializer(String).send(page.html);
    },
  );
  app.errorPage = sendErrorPage;
  addSignInRoutes(app, dependencies);
  addAccountPage(app, dependencies);
  for (const { url, type, text } of loadAssets()) {
    const etag = `"${digest(text)}"`;
    app.get(url, { schema: { hide: true }, config: { rateLimit: false, scope: 'public' } }, async (request, reply) => {
      reply.type(type).serializer(String);
      return unlessKnown(request, reply, text, { etag });
    });
  }
}
