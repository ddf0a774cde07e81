import { createHash, randomInt } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { sleep } from '../../core/clock.ts';
import { VedetteError } from '../../errors.ts';
import { abortOnDisconnect } from '../http/disconnect.ts';
import type { ApiDependencies } from '../ports.ts';
import { answer, errorAnswers, inAlso, strict } from '../schemas.ts';

const MAX_DELAY_MS = 60_000;
/** Delayed answers under way at once; beyond that the server would only collect sockets. */
const MAX_WAITING = 10_000;

const MockQuery = Type.Object(
  {
    status: Type.Optional(Type.Integer({ minimum: 200, maximum: 599, description: 'Always answer with this status.' })),
    body: Type.Optional(Type.String({ maxLength: 10_000, description: 'Always answer with this text.' })),
    delay_ms: Type.Optional(
      Type.Integer({ minimum: 0, maximum: MAX_DELAY_MS, description: 'Wait so long before the answer.' }),
    ),
    seed: Type.Optional(
      Type.String({
        maxLength: 100,
        description:
          'Makes the answer depend on nothing but this text and the header vedette-slot (which a check sends), so that the answer can be computed from both.',
      }),
    ),
  },
  strict,
);

export interface MockAnswer {
  status: number;
  body: string;
}

/** Of 100 throws of a number below 10,000: 70 are 200 (of those 30 % with body `error`), 20 are 404, 10 are 500. */
export function mockAnswer(statusThrow: number, bodyThrow: number): MockAnswer {
  if (statusThrow >= 9_000) return { status: 500, body: 'Internal Server Error' };
  if (statusThrow >= 7_000) return { status: 404, body: 'Not Found' };
  return { status: 200, body: bodyThrow >= 7_000 ? 'error' : 'ok' };
}

/** The same for the same seed and slot (`<job_id>/<slot>`), on any machine. */
export function seededMockAnswer(seed: string, slot: string): MockAnswer {
  const digest = createHash('sha256').update(`${seed}\n${slot}`).digest();
  return mockAnswer(digest.readUInt32BE(0) % 10_000, digest.readUInt32BE(4) % 10_000);
}

/** A site to practise on. It is checked many times a second, so it does no more than it must. */
export function addWebsiteMockRoutes(app: FastifyInstance, { clock }: ApiDependencies): void {
  let waiting = 0;
  app.get<{ Querystring: Static<typeof MockQuery> }>(
    '/website_mock',
    {
      config: { rateLimit: false, scope: 'public' },
      helmet: false,
      schema: {
        operationId: 'getWebsiteMock',
        tags: ['practice'],
        summary: 'A site to practise on',
        description:
          'Answers 200 in 70 % of all cases (body `ok`, in 30 % of those `error`), 404 in 20 % and 500 in 10 %, unless told otherwise.',
        querystring: MockQuery,
        response: {
          200: answer('A good day', Type.String(), { type: 'text/plain', example: 'ok' }),
          ...inAlso('text/plain', errorAnswers('VED_VALIDATION', 'VED_HOST_FORBIDDEN', 'VED_BUSY')),
          404: answer('Not found, as asked for or by chance', Type.String(), { type: 'text/plain' }),
          default: answer('Another status, as asked for or by chance', Type.String(), { type: 'text/plain' }),
        },
      },
    },
    async (request, reply) => {
      const { status, body, delay_ms: delayMs = 0, seed } = request.query;
      const slot = String(request.headers['vedette-slot'] ?? '');
      const chosen =
        seed === undefined ? mockAnswer(randomInt(10_000), randomInt(10_000)) : seededMockAnswer(seed, slot);
      if (delayMs > 0) {
        if (waiting >= MAX_WAITING) throw new VedetteError('VED_BUSY', `${waiting} delayed answers are under way`);
        waiting++;
        try {
          await sleep(clock, delayMs, abortOnDisconnect(reply));
        } finally {
          waiting--;
        }
      }
      return reply
        .code(status ?? chosen.status)
        .headers({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' })
        .type('text/plain; charset=utf-8')
        .send(body ?? (status === undefined ? chosen.body : bodyOf(status)));
    },
  );
}

function bodyOf(status: number): string {
  if (status === 204 || status === 205 || status === 304) return '';
  return status < 400 ? 'ok' : 'error';
}
