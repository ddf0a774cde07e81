import { STATUS_CODES } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { ERRORS, type ErrorCode } from '../../errors.ts';
import { errorTypeOf } from '../http/problem-details.ts';
import { answer, choice, errorAnswers, strict } from '../schemas.ts';

const CodeParams = Type.Object(
  { code: choice(Object.keys(ERRORS) as ErrorCode[], { description: 'Of an error.', examples: ['VED_VALIDATION'] }) },
  strict,
);

/** Where the `type` of an error leads, also that of a refusal for want of a key. */
export function addErrorCodeRoutes(app: FastifyInstance): void {
  app.get<{ Params: Static<typeof CodeParams> }>(
    errorTypeOf(':code' as ErrorCode),
    {
      config: { scope: 'public' },
      schema: {
        operationId: 'getErrorCode',
        tags: ['status'],
        summary: 'What the code of an error means',
        params: CodeParams,
        response: {
          200: answer('The code, its status, and what it means', Type.String(), { type: 'text/plain' }),
          ...errorAnswers('VED_VALIDATION', 'VED_HOST_FORBIDDEN', 'VED_RATE_LIMITED'),
        },
      },
    },
    async (request, reply) => {
      const { code } = request.params;
      const { statusCode, text } = ERRORS[code];
      return reply
        .type('text/plain; charset=utf-8')
        .header('cache-control', 'max-age=3600')
        .send(`${code} (${statusCode} ${STATUS_CODES[statusCode]})\n\n${text}\n`);
    },
  );
}
