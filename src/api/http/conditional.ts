import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Tells one content from another in an ETag. */
export function digest(content: string): string {
  return createHash('sha256').update(content).digest('base64url').slice(0, 16);
}

/** The answer, or 304 without one when the client has it already. It is kept, but asked for each time unless told otherwise. */
export function unlessKnown<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  answer: T,
  { etag, cacheControl = 'no-cache' }: { etag: string; cacheControl?: string },
): T | FastifyReply {
  reply.header('etag', etag).header('cache-control', cacheControl);
  const known = (request.headers['if-none-match'] ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  if (!known.includes('*') && !known.includes(etag.replace(/^W\//, ''))) return answer;
  return reply.code(304).send();
}
