import type { FastifyInstance } from 'fastify';
import type { Clock } from '../../core/clock.ts';
import { ResponseError } from './response-error.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Aborts when the server begins to close, so that waiting requests end. */
    stopping: AbortSignal;
  }
}

/** Time for answers under way to complete; connections that are open after that are cut. */
const GRACE_MS = 3_000;
/** That this process is alive stays true while it ends. */
const STILL_ANSWERED: ReadonlySet<string | undefined> = new Set(['/health/live', '/_ah/health', '/_ah/stop']);

/** New requests are refused, waiting ones end, and no client that holds its connection keeps the process from ending. */
export function installStopping(app: FastifyInstance, clock: Clock): void {
  const controller = new AbortController();
  let cancel = (): void => undefined;
  app.decorate('stopping', controller.signal);
  app.addHook('onRequest', (request, reply, done) => {
    if (!controller.signal.aborted || STILL_ANSWERED.has(request.routeOptions.url)) return done();
    reply.header('connection', 'close');
    done(new ResponseError('VED_STOPPING', 'This server is stopping', { headers: { 'retry-after': '2' } }));
  });
  app.addHook('preClose', async () => {
    controller.abort();
    cancel = clock.after(GRACE_MS, () => app.server.closeAllConnections());
  });
  app.addHook('onClose', async () => cancel());
}
