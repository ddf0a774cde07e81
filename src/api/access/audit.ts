import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { MAX_TIME_MS } from '../../core/instant.ts';
import { decodeCursor, encodeCursor, isId, nextLink } from '../http/cursor.ts';
import { readTimeRange } from '../http/time-range.ts';
import type { ApiDependencies } from '../ports.ts';
import {
  answer,
  DATABASE_ERRORS,
  errorAnswers,
  instant,
  LINK_HEADER,
  nullable,
  pageParameters,
  ref,
  strict,
  text,
  timeParameters,
} from '../schemas.ts';

const state = (description: string) => Type.Unsafe<unknown>({ description });

const AuditSchema = Type.Object(
  {
    id: Type.Integer(),
    at: instant('When it was done.'),
    actor: Type.String({
      description:
        'Who: `key:NAME`, `user:E-MAIL`, `settings key`, `local`, `os:USER` for the command line, `file:PATH`.',
    }),
    address: nullable(Type.String({ description: 'Where the request came from; null: there was none.' })),
    action: Type.String({ description: 'Such as `job.update`, `key.add`.' }),
    subject: Type.String({ description: 'Such as `job:17`, `key:grafana`.' }),
    before: state('Before it, secrets masked; null: it was not there.'),
    after: state('After it; null: it is not there any more.'),
  },
  { $id: 'AuditEntry', ...strict, description: 'A change, and who made it.' },
);

const Query = Type.Object(
  {
    ...pageParameters(100),
    ...timeParameters('as far back as it is kept'),
    actor: Type.Optional(text('Only changes by this one.')),
    subject: Type.Optional(text('Only changes of this one, such as `job:17`.')),
    action: Type.Optional(text('Only this action, or all of a kind: `job.update`, `job`.', 60)),
  },
  strict,
);

export function addAuditRoutes(app: FastifyInstance, { accessAdmin, clock }: ApiDependencies): void {
  app.addSchema(AuditSchema);
  app.get<{ Querystring: Static<typeof Query> }>(
    '/audit',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'listAudit',
        tags: ['access'],
        summary: 'Who changed what, newest first',
        querystring: Query,
        response: {
          200: answer('One page', Type.Array(ref(AuditSchema)), {
            headers: LINK_HEADER,
            example: [
              {
                ...{ id: 7, at: '2026-11-21T08:00:00.000Z', actor: 'user:ada@example.com', address: '192.0.2.7' },
                ...{ action: 'job.stop', subject: 'job:17', before: { running: true }, after: { running: false } },
              },
            ],
          }),
          ...errorAnswers(...DATABASE_ERRORS),
        },
      },
    },
    async (request, reply) => {
      const { limit = 100, cursor, from, to, ...filter } = request.query;
      const beforeId = cursor === undefined ? undefined : (decodeCursor(cursor, [isId])[0] as number);
      // PostgreSQL's clock may be ahead of this one: entries are bounded only if the caller asks for it.
      const { fromMs, toMs } = readTimeRange({ from, to }, { fromMs: () => 0, nowMs: clock.wallMs() });
      const range = { fromMs, toMs: to === undefined ? MAX_TIME_MS : toMs };
      const entries = await accessAdmin.audit({ ...filter, ...range, beforeId, limit: limit + 1 });
      const shown = entries.slice(0, limit);
      const last = shown.at(-1);
      if (entries.length > limit && last) reply.header('link', nextLink(request.url, encodeCursor([last.id])));
      reply.header('cache-control', 'no-store');
      return shown.map((entry) => ({ ...entry, at: entry.at.toISOString() }));
    },
  );
}
