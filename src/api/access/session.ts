import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { csrfTokenOf } from '../../access/sessions/session-store.ts';
import type { SignedIn } from '../../access/sessions/sign-in.ts';
import { VedetteError } from '../../errors.ts';
import { csrfOf, endOwnSession, giveSession, limited, visitorOf } from '../http/visitor.ts';
import type { ApiDependencies } from '../ports.ts';
import {
  answer,
  CHANGE_ERRORS,
  choice,
  DATABASE_ERRORS,
  errorAnswers,
  instant,
  nullable,
  ref,
  strict,
} from '../schemas.ts';
import { LimitSchema, ScopesSchema } from './schemas.ts';
import { secret } from './user-view.ts';

const SessionSchema = Type.Object(
  {
    kind: choice(['local', 'settings', 'key', 'user'], {
      description:
        'local: the person at the machine, while a loopback server has neither keys in its settings nor users.',
    }),
    name: Type.String({ description: 'As the audit names it: `user:ada@example.com`, `key:grafana`.' }),
    scopes: ScopesSchema,
    tags: LimitSchema,
    csrf_token: nullable(
      Type.String({ description: 'For the header X-CSRF-Token; null: there is no cookie, and none is needed.' }),
    ),
    ends_at: nullable(instant('When the session ends at the latest; null: there is no session.')),
  },
  { $id: 'Session', ...strict, description: 'On whose behalf a request is answered.' },
);

const SignInBody = Type.Object(
  {
    email: Type.Optional(secret('With `password`.')),
    password: Type.Optional(secret('Of the person.')),
    code: Type.Optional(secret('Of the second factor, or a recovery code, for those who have one.')),
    key: Type.Optional(secret('In place of them all: a key of the API or of the settings.')),
  },
  { $id: 'SignIn', ...strict, description: '`email` and `password`, or `key`.' },
);

const EXAMPLE = {
  ...{ kind: 'user', name: 'user:ada@example.com', scopes: ['read', 'operate'], tags: null },
  ...{ csrf_token: '0mVX5pHqgqjNbHkzH7pXq3lB3vVw6XG9Yw7m0sYk2eA', ends_at: '2026-12-21T08:00:00.000Z' },
};
const COOKIE_HEADER = {
  'Set-Cookie': { type: 'string', description: 'The session: HttpOnly, SameSite=Lax, over TLS also Secure.' },
} as const;

export function addSessionRoutes(app: FastifyInstance, { access, signIn }: ApiDependencies): void {
  for (const schema of [SessionSchema, SignInBody]) app.addSchema(schema);

  app.post<{ Body: Static<typeof SignInBody> }>(
    '/session',
    {
      config: { scope: 'public' },
      schema: {
        operationId: 'signIn',
        tags: ['access'],
        summary: 'Signs in',
        description:
          'Begins a session, and ends the one that the browser had.\n\nRules that go beyond the schema; a request that breaks one is refused with 400 and these words:\n\n- A person signs in by password, a program by its key (`or key alone`).',
        body: ref(SignInBody),
        response: {
          201: answer('Signed in', ref(SessionSchema), { headers: COOKIE_HEADER, example: EXAMPLE }),
          ...errorAnswers(...CHANGE_ERRORS, 'VED_SIGN_IN_FAILED', 'VED_CODE_NEEDED', 'VED_RATE_LIMITED', 'VED_BUSY'),
        },
      },
    },
    async (request, reply) => {
      const { key, email, password, code } = request.body;
      const visitor = visitorOf(request);
      let signedIn: SignedIn;
      if (key !== undefined && email === undefined && password === undefined && code === undefined) {
        signedIn = await limited(signIn.withKey(visitor, key));
      } else if (key === undefined && email !== undefined && password !== undefined) {
        signedIn = await limited(signIn.withPassword(visitor, { email, password, code }));
      } else {
        throw new VedetteError('VED_VALIDATION', 'body: accepted: email and password, perhaps with code; or key alone');
      }
      giveSession(request, reply, signedIn);
      const session = await access.sessionOf(signedIn.token);
      if (session === null) throw new Error('A session that has just begun is not there');
      reply.code(201).headers({ 'cache-control': 'no-store', location: '/session' });
      const { kind, name, scopes, tags } = session.principal;
      return {
        kind,
        name,
        scopes,
        tags,
        csrf_token: csrfTokenOf(signedIn.token),
        ends_at: signedIn.endsAt.toISOString(),
      };
    },
  );

  app.get(
    '/session',
    {
      config: { scope: 'self' },
      schema: {
        operationId: 'getSession',
        tags: ['access'],
        summary: 'Who am I',
        response: {
          200: answer('On whose behalf the request is answered', ref(SessionSchema), { example: EXAMPLE }),
          ...errorAnswers(...DATABASE_ERRORS),
        },
      },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      const { principal, session } = request;
      const { kind, name, scopes, tags } = principal;
      return { kind, name, scopes, tags, csrf_token: csrfOf(request), ends_at: session?.endsAt.toISOString() ?? null };
    },
  );

  app.delete(
    '/session',
    {
      config: { scope: 'self' },
      schema: {
        operationId: 'signOut',
        tags: ['access'],
        summary: 'Signs out',
        response: { 204: { description: 'The session has ended', type: 'null' }, ...errorAnswers(...CHANGE_ERRORS) },
      },
    },
    async (request, reply) => {
      await endOwnSession(request, reply, signIn);
      return reply.code(204).send();
    },
  );
}
