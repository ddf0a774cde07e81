import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { MadeKey, StoredKey } from '../../access/keys/key-store.ts';
import { readRights } from '../../access/rights.ts';
import { answerOnce } from '../http/idempotency.ts';
import { actorOf } from '../http/on-behalf.ts';
import { validationError } from '../http/validation.ts';
import type { ApiDependencies } from '../ports.ts';
import { answer, CHANGE_ERRORS, DATABASE_ERRORS, errorAnswers, instant, nullable, ref, strict } from '../schemas.ts';
import { IdParams, LimitSchema, NameSchema, RoleSchema, ScopesSchema, TagsSchema } from './schemas.ts';

const FIELDS = {
  id: Type.Integer({ minimum: 1 }),
  name: Type.String(),
  prefix: Type.String({ description: 'The beginning of the key.' }),
  scopes: ScopesSchema,
  tags: LimitSchema,
  created_at: instant('When it was made.'),
  created_by: Type.String({ description: 'By whom, as the audit names it.' }),
  expires_at: nullable(instant('When it ends; null: it does not.')),
  last_used_at: nullable(instant('When it was last used, to the minute; null: never.')),
};

const KeySchema = Type.Object(FIELDS, {
  $id: 'Key',
  ...strict,
  description: 'A key of a program. Its text is not known any more.',
});

const NewKeyAnswer = Type.Object(
  {
    ...FIELDS,
    key: nullable(
      Type.String({
        description: 'The key. It is shown this once: null where the answer comes again (Idempotency-Key).',
      }),
    ),
  },
  { $id: 'NewKey', ...strict },
);

const KeyBody = Type.Object(
  {
    name: NameSchema,
    scopes: Type.Optional(ScopesSchema),
    role: Type.Optional(RoleSchema),
    tags: Type.Optional(TagsSchema),
    expires_at: Type.Optional(instant('When it ends. Default: it does not.')),
  },
  { $id: 'KeyDefinition', ...strict, description: 'Without scopes and role it may read.' },
);

const EXAMPLE = {
  ...{ id: 1, name: 'grafana', prefix: 'ved_4fT0aQ2x', scopes: ['read'], tags: null },
  ...{ created_at: '2026-11-21T08:00:00.000Z', created_by: 'local', expires_at: null, last_used_at: null },
};

export function addKeyRoutes(app: FastifyInstance, { accessAdmin, idempotency }: ApiDependencies): void {
  for (const schema of [KeySchema, NewKeyAnswer, KeyBody]) app.addSchema(schema);

  app.get(
    '/key',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'listKeys',
        tags: ['access'],
        summary: 'Keys of programs',
        description: 'Those that were not revoked. Keys of the settings are not among them.',
        response: {
          200: answer('All of them, by id', Type.Array(ref(KeySchema)), { example: [EXAMPLE] }),
          ...errorAnswers(...DATABASE_ERRORS),
        },
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', 'no-store');
      return (await accessAdmin.listKeys()).map(toKeyView);
    },
  );

  app.post<{ Body: Static<typeof KeyBody> }>(
    '/key',
    {
      config: { scope: 'admin', idempotent: true },
      schema: {
        operationId: 'addKey',
        tags: ['access'],
        summary: 'Makes a key for a program',
        description:
          'Three rules go beyond the schema; a request that breaks one is refused with 400 and these words:\n\n- Rights are given by a role or by scopes (`one of the two`).\n- Whoever may make keys reaches all jobs (`because an admin can`).\n- The end lies ahead (`a time to come`).',
        body: ref(KeyBody),
        response: {
          201: answer('It was made', ref(NewKeyAnswer), {
            example: { ...EXAMPLE, key: 'ved_4fT0aQ2x_m8cLr5dUe1Wq0yB7nKzXv3HgT6pJsA9f' },
          }),
          ...errorAnswers(...CHANGE_ERRORS, 'VED_KEY_EXISTS'),
        },
      },
    },
    async (request, reply) => {
      const { name, expires_at: expiresAt, ...rights } = request.body;
      const wanted = { name, ...readRights(rights), expiresAt: readExpiry(expiresAt) };
      return answerOnce<MadeKey>(request, reply, idempotency, {
        make: (within) => accessAdmin.addKey(actorOf(request), wanted, within),
        toAnswer: ({ text, key }) => ({
          headers: { location: `/key/${key.id}` },
          body: { ...toKeyView(key), key: text },
          repeatedBody: { ...toKeyView(key), key: null },
        }),
      });
    },
  );

  app.delete<{ Params: Static<typeof IdParams> }>(
    '/key/:id',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'revokeKey',
        tags: ['access'],
        summary: 'Ends a key at once',
        params: IdParams,
        response: {
          204: { description: 'It is not valid any more', type: 'null' },
          ...errorAnswers(...CHANGE_ERRORS, 'VED_KEY_NOT_FOUND'),
        },
      },
    },
    async (request, reply) => {
      await accessAdmin.revokeKey(actorOf(request), request.params.id);
      return reply.code(204).send();
    },
  );
}

function readExpiry(text: string | undefined): Date | null {
  if (text === undefined) return null;
  const time = Date.parse(text);
  if (time > Date.now()) return new Date(time);
  throw validationError([{ path: 'expires_at', given: text, accepted: 'a time to come' }]);
}

function toKeyView(key: StoredKey): Record<string, unknown> {
  return {
    id: key.id,
    name: key.name,
    prefix: key.prefix,
    scopes: key.scopes,
    tags: key.tags,
    created_at: key.createdAt.toISOString(),
    created_by: key.createdBy,
    expires_at: key.expiresAt?.toISOString() ?? null,
    last_used_at: key.lastUsedAt?.toISOString() ?? null,
  };
}
