import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { checkResultSchema } from '../../messages/schema.ts';
import { digest, unlessKnown } from '../http/conditional.ts';
import { answer, COMMON_ERRORS, errorAnswers, LIST_ETAG_HEADER, NOT_MODIFIED, ReadHeaders } from '../schemas.ts';

const SCHEMAS = [
  {
    file: 'check-result.v1.json',
    operationId: 'getCheckResultSchema',
    summary: 'JSON Schema of a result in the stream',
    schema: checkResultSchema,
  },
];

/** Bounds of a field change with a release at most. */
const CACHE_CONTROL = 'public, max-age=3600';

/** The schemas of what Vedette reads and writes elsewhere than in the API, as files. */
export function addSchemaRoutes(app: FastifyInstance): void {
  for (const { file, operationId, summary, schema } of SCHEMAS) {
    const text = `${JSON.stringify(schema, null, 2)}\n`;
    const etag = `"${digest(text)}"`;
    app.get(
      `/schemas/${file}`,
      {
        schema: {
          operationId,
          tags: ['numbers'],
          summary,
          headers: ReadHeaders,
          response: {
            ...NOT_MODIFIED,
            200: answer(
              'The schema, draft 2020-12',
              Type.Unsafe<unknown>({ type: 'object', additionalProperties: {} }),
              {
                headers: LIST_ETAG_HEADER,
                type: 'application/schema+json',
              },
            ),
            ...errorAnswers(...COMMON_ERRORS),
          },
        },
      },
      async (request, reply) => {
        reply.type('application/schema+json; charset=utf-8').serializer(String);
        return unlessKnown(request, reply, text, { etag, cacheControl: CACHE_CONTROL });
      },
    );
  }
}
