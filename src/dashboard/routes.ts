import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
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
    const etag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 16)}"`;
    app.get(url, { schema: { hide: true }, config: { rateLimit: false } }, async (request, reply) => {
      reply.headers({ etag, 'cache-control': 'no-cache' });
      if (request.headers['if-none-match'] === etag) return reply.code(304).send();
      return reply.type(type).serializer(String).send(text);
    });
  }
}
