import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { type Clock, sleep } from '../../core/clock.ts';
import type { ApiDependencies, ReadinessCheck } from '../ports.ts';
import { answer, choice, ref, strict } from '../schemas.ts';

const CHECK_TIMEOUT_MS = 2_000;

const ReadinessSchema = Type.Object(
  {
    status: choice(['ready', 'not_ready']),
    checks: Type.Array(
      Type.Object(
        {
          name: Type.String(),
          state: choice(['ready', 'not_ready']),
          reason: Type.Optional(Type.String({ description: 'Why it is not ready.' })),
        },
        strict,
      ),
    ),
  },
  { $id: 'Readiness', ...strict },
);

interface CheckAnswer {
  name: string;
  state: 'ready' | 'not_ready';
  reason?: string;
}

/** For orchestrators and load balancers: never limited, never behind a key. */
export function addHealthRoutes(app: FastifyInstance, { clock, readiness }: ApiDependencies): void {
  app.addSchema(ReadinessSchema);

  app.get(
    '/health/live',
    {
      config: { rateLimit: false, scope: 'public' },
      schema: {
        operationId: 'getLiveness',
        tags: ['status'],
        summary: 'Whether the process answers at all',
        response: {
          200: answer('It does', Type.Object({ status: Type.Literal('alive') }, strict), {
            example: { status: 'alive' },
          }),
        },
      },
    },
    async (_request, reply) => reply.header('cache-control', 'no-store').send({ status: 'alive' }),
  );

  app.get(
    '/health/ready',
    {
      config: { rateLimit: false, scope: 'public' },
      schema: {
        operationId: 'getReadiness',
        tags: ['status'],
        summary: 'Whether everything it depends on is there',
        response: {
          200: answer('All of it is ready', ref(ReadinessSchema), {
            example: { status: 'ready', checks: [{ name: 'database', state: 'ready' }] },
          }),
          503: answer('Something is not ready; the checks say what and why', ref(ReadinessSchema), {
            example: {
              status: 'not_ready',
              checks: [{ name: 'database', state: 'not_ready', reason: 'connect ECONNREFUSED 127.0.0.1:5432' }],
            },
          }),
        },
      },
    },
    async (_request, reply) => {
      const checks = await Promise.all(readiness.map((check) => runCheck(check, clock)));
      const ready = checks.every((check) => check.state === 'ready');
      return reply
        .code(ready ? 200 : 503)
        .headers({ 'cache-control': 'no-store', ...(ready ? {} : { 'retry-after': '2' }) })
        .send({ status: ready ? 'ready' : 'not_ready', checks });
    },
  );
}

async function runCheck({ name, check }: ReadinessCheck, clock: Clock): Promise<CheckAnswer> {
  const tooLate = new AbortController();
  try {
    const reason = await Promise.race([
      check(),
      sleep(clock, CHECK_TIMEOUT_MS, tooLate.signal).then(() => `no answer within ${CHECK_TIMEOUT_MS} ms`),
    ]);
    return reason === null ? { name, state: 'ready' } : { name, state: 'not_ready', reason };
  } catch (error) {
    return { name, state: 'not_ready', reason: error instanceof Error ? error.message : String(error) };
  } finally {
    tooLate.abort();
  }
}
