import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { asyncApiDocument } from '../../messages/asyncapi.ts';
import { checkResultSchema } from '../../messages/schema.ts';
import { digest, unlessKnown } from '../http/conditional.ts';
import type { ApiDependencies } from '../ports.ts';
import { answer, COMMON_ERRORS, errorAnswers, LIST_ETAG_HEADER, NOT_MODIFIED, ReadHeaders } from '../schemas.ts';

/** Documents of what Vedette reads and writes elsewhere than in the API, as files. */
export function addSchemaRoutes(app: FastifyInstance, { stream }: Pick<ApiDependencies, 'stream'>): void {
  const files = [
    {
      file: 'check-result.v1.json',
      operationId: 'getCheckResultSchema',
      summary: 'JSON Schema of a result in the stream',
      content: checkResultSchema,
      whole: false,
      // Bounds of a field change with a release at most.
      cacheControl: 'public, max-age=3600',
      type: 'application/schema+json',
      description: 'The schema, draft 2020-12',
    },
    {
      file: 'asyncapi.json',
      operationId: 'getAsyncApi',
      summary: 'AsyncAPI document of the topics of the stream, as this installation has them',
      content: asyncApiDocument(stream.described),
      // It names the topics.
      whole: true,
      cacheControl: 'private, max-age=60',
      type: 'application/vnd.aai.asyncapi+json',
      description: 'The document, AsyncAPI 3.0; it refers to the schema of a result beside it',
    },
  ];
  for (const { file, content, whole, cacheControl, operationId, summary, type, description } of files) {
    const text = `${JSON.stringify(content, null, 2)}\n`;
    const etag = `"${digest(text)}"`;
    app.get(
      `/schemas/${file}`,
      {
        config: { scope: 'read', whole },
        schema: {
          operationId,
          tags: ['numbers'],
          summary,
          headers: ReadHeaders,
          response: {
            ...NOT_MODIFIED,
            200: answer(description, Type.Unsafe<unknown>({ type: 'object', additionalProperties: {} }), {
              headers: LIST_ETAG_HEADER,
              type,
            }),
            ...errorAnswers(...COMMON_ERRORS),
          },
        },
      },
      async (request, reply) => {
        reply.type(`${type}; charset=utf-8`).serializer(String);
        return unlessKnown(request, reply, text, { etag, cacheControl });
      },
    );
  }
}
