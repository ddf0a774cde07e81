import type { FastifyReply } from 'fastify';

/** Aborts when nobody waits for the answer any more: the client went away before it was complete, or the server stops. */
export function abortOnDisconnect(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return AbortSignal.any([controller.signal, reply.server.stopping]);
}
