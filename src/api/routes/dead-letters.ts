import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { maskText } from '../../core/masking.ts';
import { DEAD_LETTER_KINDS } from '../../stats/index.ts';
import { decodeCursor, encodeCursor, isId, nextLink } from '../http/cursor.ts';
import type { ApiDependencies } from '../ports.ts';
import {
  answer,
  choice,
  count,
  DATABASE_ERRORS,
  errorAnswers,
  instant,
  LINK_HEADER,
  pageParameters,
  ref,
  strict,
  text,
} from '../schemas.ts';

const MAX_SHOWN_BYTES = 4_096;

const DeadLetterSchema = Type.Object(
  {
    id: Type.Integer(),
    topic: Type.String(),
    partition: count('Partition of the topic.'),
    offset: count('Offset of the record.'),
    line: count('Which line of the record, from 0.'),
    kind: choice([...DEAD_LETTER_KINDS], {
      description:
        'unreadable: its bytes are no result. Otherwise why it was refused when it was to be counted: database (PostgreSQL does not take it), epoch (higher than that of the lease), future (more than a minute ahead of the database), locations (too many of its job), repaired (undone by `vedette series repair`).',
    }),
    error: Type.String({ description: 'Why it could not be read, or does not count.' }),
    at: instant('When it was put aside.'),
    size: count('Its length in bytes.'),
    text: Type.String({ description: `The line, its first ${MAX_SHOWN_BYTES} bytes; what is not UTF-8 is replaced.` }),
  },
  { $id: 'DeadLetter', ...strict, description: 'A line of the stream that could not be read, or that was refused.' },
);

const Query = Type.Object({ ...pageParameters(50, 200), topic: Type.Optional(text('Only of this topic.')) }, strict);

export function addDeadLetterRoutes(app: FastifyInstance, { readModel }: ApiDependencies): void {
  app.addSchema(DeadLetterSchema);
  app.get<{ Querystring: Static<typeof Query> }>(
    '/dead-letters',
    {
      config: { scope: 'read', whole: true },
      schema: {
        operationId: 'listDeadLetters',
        tags: ['numbers'],
        summary: 'Lines of the stream that could not be read or were refused, newest first',
        querystring: Query,
        response: {
          200: answer('One page', Type.Array(ref(DeadLetterSchema)), {
            headers: LINK_HEADER,
          }),
          ...errorAnswers(...DATABASE_ERRORS),
        },
      },
    },
    async (request, reply) => {
      const { limit = 50, cursor, topic } = request.query;
      const beforeId = cursor === undefined ? undefined : (decodeCursor(cursor, [isId])[0] as number);
      const letters = await readModel.deadLetters({ limit: limit + 1, beforeId, topic });
      const page = letters.slice(0, limit);
      const last = page.at(-1);
      if (letters.length > limit && last) reply.header('link', nextLink(request.url, encodeCursor([last.id])));
      return page.map((letter) => ({
        id: letter.id,
        topic: letter.topic,
        partition: letter.partition,
        offset: letter.recordOffset,
        line: letter.line,
        kind: letter.kind,
        error: maskText(letter.error),
        at: letter.at.toISOString(),
        size: letter.bytes.length,
        text: maskText(letter.bytes.subarray(0, MAX_SHOWN_BYTES).toString('utf8')),
      }));
    },
  );
}
