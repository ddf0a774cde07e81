import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { StoredUser } from '../../access/people/user-store.ts';
import { readRights } from '../../access/rights.ts';
import { answerOnce } from '../http/idempotency.ts';
import { actorOf } from '../http/on-behalf.ts';
import type { ApiDependencies } from '../ports.ts';
import { answer, CHANGE_ERRORS, DATABASE_ERRORS, errorAnswers, nullable, ref, strict, text } from '../schemas.ts';
import { IdParams, LimitSchema, RoleSchema, ScopesSchema, TagsSchema } from './schemas.ts';
import { NewPasswordSchema, PASSWORD_RULE, toUserView, USER_EXAMPLE, UserSchema } from './user-view.ts';

const UserBody = Type.Object(
  {
    email: text('Where they sign in with it, and their name in the audit.', 254),
    name: Type.Optional(text('For people.', 100)),
    password: Type.Optional(NewPasswordSchema),
    role: Type.Optional(RoleSchema),
    scopes: Type.Optional(ScopesSchema),
    tags: Type.Optional(TagsSchema),
  },
  {
    $id: 'UserDefinition',
    ...strict,
    description: 'Without role and scopes they may read; without a password they sign in by the OpenID provider.',
  },
);

const UserPatch = Type.Object(
  {
    name: Type.Optional(nullable(text('For people.', 100))),
    password: Type.Optional(NewPasswordSchema),
    role: Type.Optional(RoleSchema),
    scopes: Type.Optional(ScopesSchema),
    tags: Type.Optional(LimitSchema),
    disabled: Type.Optional(Type.Boolean({ description: 'Whether they may not sign in.' })),
    two_factor: Type.Optional(
      Type.Literal(false, { description: 'Takes the second factor away, for somebody who lost it.' }),
    ),
  },
  {
    $id: 'UserPatch',
    ...strict,
    minProperties: 1,
    description: 'What is absent stays. A change of anything but the name ends the sessions of the user.',
  },
);

const BEYOND_SCHEMA = [
  'Rules that go beyond the schema; a request that breaks one is refused with 400 and these words:\n',
  '- The address is one of e-mail (`an e-mail address such as`).',
  '- Rights are given by a role or by scopes (`one of the two`).',
  '- Whoever may make users reaches all jobs (`because an admin can`).',
  PASSWORD_RULE,
].join('\n');

export function addUserRoutes(app: FastifyInstance, { people, idempotency }: ApiDependencies): void {
  for (const schema of [UserSchema, UserBody, UserPatch]) app.addSchema(schema);

  app.get(
    '/user',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'listUsers',
        tags: ['access'],
        summary: 'People who may sign in',
        response: {
          200: answer('All of them, by e-mail address', Type.Array(ref(UserSchema)), { example: [USER_EXAMPLE] }),
          ...errorAnswers(...DATABASE_ERRORS),
        },
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', 'no-store');
      return (await people.list()).map(toUserView);
    },
  );

  app.post<{ Body: Static<typeof UserBody> }>(
    '/user',
    {
      config: { scope: 'admin', idempotent: true },
      schema: {
        operationId: 'addUser',
        tags: ['access'],
        summary: 'Makes a user',
        description: `From the first one on, a loopback server asks everybody to sign in.\n\n${BEYOND_SCHEMA}`,
        body: ref(UserBody),
        response: {
          201: answer('It was made', ref(UserSchema), { example: USER_EXAMPLE }),
          ...errorAnswers(...CHANGE_ERRORS, 'VED_USER_EXISTS', 'VED_BUSY'),
        },
      },
    },
    async (request, reply) => {
      const { email, name = null, password = null, ...given } = request.body;
      const user = { email, name, password, rights: readRights(given) };
      return answerOnce<StoredUser>(request, reply, idempotency, {
        make: (within) => people.add(actorOf(request), user, { within }),
        toAnswer: (made) => ({ headers: { location: `/user/${made.id}` }, body: toUserView(made) }),
      });
    },
  );

  app.get<{ Params: Static<typeof IdParams> }>(
    '/user/:id',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'getUser',
        tags: ['access'],
        summary: 'One user',
        params: IdParams,
        response: {
          200: answer('The user', ref(UserSchema), { example: USER_EXAMPLE }),
          ...errorAnswers(...DATABASE_ERRORS, 'VED_USER_NOT_FOUND'),
        },
      },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      return toUserView(await people.get(request.params.id));
    },
  );

  app.patch<{ Params: Static<typeof IdParams>; Body: Static<typeof UserPatch> }>(
    '/user/:id',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'changeUser',
        tags: ['access'],
        summary: 'Changes a user',
        description: BEYOND_SCHEMA,
        params: IdParams,
        body: ref(UserPatch),
        response: {
          200: answer('As it is now', ref(UserSchema), { example: USER_EXAMPLE }),
          ...errorAnswers(...CHANGE_ERRORS, 'VED_USER_NOT_FOUND', 'VED_LAST_ADMIN', 'VED_BUSY'),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { name, password, disabled, two_factor: twoFactor, role, scopes, tags } = request.body;
      const isAboutRights = role !== undefined || scopes !== undefined || tags !== undefined;
      const before = isAboutRights ? await people.get(id) : null;
      // A limit alone keeps the scopes, and scopes alone keep the limit.
      const rights = before && {
        ...{ role, scopes: role === undefined ? (scopes ?? before.scopes) : scopes },
        tags: tags === undefined ? before.tags : tags,
      };
      const user = await people.change(
        actorOf(request),
        { id },
        { name, password, twoFactor, isDisabled: disabled, rights: rights === null ? undefined : readRights(rights) },
      );
      reply.header('cache-control', 'no-store');
      return toUserView(user);
    },
  );

  app.delete<{ Params: Static<typeof IdParams> }>(
    '/user/:id',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'removeUser',
        tags: ['access'],
        summary: 'Removes a user and ends their sessions',
        params: IdParams,
        response: {
          204: { description: 'It is not there any more', type: 'null' },
          ...errorAnswers(...CHANGE_ERRORS, 'VED_USER_NOT_FOUND', 'VED_LAST_ADMIN'),
        },
      },
    },
    async (request, reply) => {
      await people.remove(actorOf(request), { id: request.params.id });
      return reply.code(204).send();
    },
  );
}
