import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { ApiDependencies } from '../ports.ts';
import { answer, strict } from '../schemas.ts';

/**
 * The requests of Google App Engine to its instances. They neither start nor stop anything, because anybody may send them:
 * an instance works from its start until SIGTERM.
 */
const REQUESTS = [
  { name: 'start', summary: 'An instance with manual scaling is asked this once it listens' },
  { name: 'stop', summary: 'An instance is asked this before it gets SIGTERM, which ends it' },
  { name: 'warmup', summary: 'A new instance is asked this before it gets traffic' },
  { name: 'health', summary: 'Whether the process answers at all' },
] as const;

export function addAppEngineRoutes(app: FastifyInstance, { readModel, logger }: ApiDependencies): void {
  for (const { name, summary } of REQUESTS) {
    app.get(
      `/_ah/${name}`,
      {
        config: { rateLimit: false, scope: 'public' },
        schema: {
          operationId: `appEngine${name.charAt(0).toUpperCase()}${name.slice(1)}`,
          tags: ['status'],
          summary,
          response: {
            200: answer('It does', Type.Object({ status: Type.Literal('alive') }, strict), {
              example: { status: 'alive' },
            }),
          },
        },
      },
      async (_request, reply) => {
        // An open connection makes the first request faster; where none can be opened, that request reports the reason.
        if (name === 'warmup') await readModel.connect().catch((err) => logger.debug({ err }, 'not warm yet'));
        return reply.header('cache-control', 'no-store').send({ status: 'alive' });
      },
    );
  }
}
