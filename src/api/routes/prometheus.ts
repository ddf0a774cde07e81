import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { createExposition } from '../exposition.ts';
import type { ApiDependencies } from '../ports.ts';
import { answer, errorAnswers } from '../schemas.ts';

export function addPrometheusRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const exposition = createExposition(dependencies);
  app.get(
    '/metrics',
    {
      config: { rateLimit: false, scope: 'read', whole: true, withoutDatabase: true },
      schema: {
        operationId: 'getPrometheusMetrics',
        tags: ['status'],
        summary: 'Numbers for Prometheus',
        description:
          'Works without the database too, with the numbers of this process alone and vedette_database_up 0.',
        response: {
          200: answer('Text exposition format', Type.String(), { type: 'text/plain' }),
          ...errorAnswers('VED_INTERNAL', 'VED_HOST_FORBIDDEN'),
        },
      },
    },
    async (_request, reply) => {
      const { text, contentType } = await exposition.render();
      return reply.header('cache-control', 'no-store').type(contentType).serializer(String).send(text);
    },
  );
}
