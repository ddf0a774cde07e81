import type { FastifyInstance } from 'fastify';
import { digest, unlessKnown } from '../api/conditional.ts';
import { ICON } from './icon.ts';
import { SCRIPT } from './script.ts';
import { STYLE } from './style.ts';

const ASSETS = [
  { url: '/dashboard.css', type: 'text/css; charset=utf-8', text: STYLE },
  { url: '/dashboard.js', type: 'text/javascript; charset=utf-8', text: SCRIPT },
  { url: '/favicon.svg', type: 'image/svg+xml', text: ICON },
];

/** The page's own assets; the page itself is an answer of `GET /`. */
export function addDashboardRoutes(app: FastifyInstance): void {
  for (const { url, type, text } of ASSETS) {
    const etag = `"${digest(text)}"`;
    app.get(url, { schema: { hide: true }, config: { rateLimit: false } }, async (request, reply) => {
      reply.type(type).serializer(String);
      return unlessKnown(request, reply, text, { etag });
    });
  }
}
