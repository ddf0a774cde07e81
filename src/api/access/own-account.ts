import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { giveSession, limited, selfOf } from '../http/visitor.ts';
import type { ApiDependencies } from '../ports.ts';
import {
  answer,
  CHANGE_ERRORS,
  DATABASE_ERRORS,
  errorAnswers,
  instant,
  nullable,
  ref,
  strict,
  text,
} from '../schemas.ts';
import { IdParams } from './schemas.ts';
import { NewPasswordSchema, PASSWORD_RULE, secret, toUserView, USER_EXAMPLE, UserSchema } from './user-view.ts';

const PasswordBody = Type.Object(
  { current: secret('The present one.'), password: NewPasswordSchema },
  { $id: 'PasswordChange', ...strict },
);
const ConfirmBody = Type.Object({ password: secret('The present one.') }, { $id: 'PasswordAgain', ...strict });
const CodeBody = Type.Object({ code: text('That the app shows now.', 20) }, { $id: 'FirstCode', ...strict });
const SecretSchema = Type.Object(
  {
    secret: Type.String({ description: 'In base32, to type it into an authenticator app.' }),
    uri: Type.String({ description: 'The same as an otpauth address, for a link or a QR code.' }),
  },
  { $id: 'TwoFactorSecret', ...strict },
);
const RecoverySchema = Type.Object(
  {
    recovery_codes: Type.Array(Type.String(), {
      description: 'Each stands once for a code. They are shown this once.',
    }),
  },
  { $id: 'RecoveryCodes', ...strict },
);
const OwnSessionSchema = Type.Object(
  {
    id: Type.Integer({ minimum: 1 }),
    present: Type.Boolean({ description: 'Whether it is the one of this request.' }),
    created_at: instant('When it began.'),
    seen_at: instant('When it was last used, to the minute.'),
    ends_at: instant('When it ends at the latest.'),
    address: nullable(Type.String({ description: 'Where the sign-in came from.' })),
    user_agent: nullable(Type.String({ description: 'Of the browser.' })),
  },
  { $id: 'OwnSession', ...strict },
);

const SIGN_IN_ERRORS = ['VED_SIGN_IN_FAILED', 'VED_RATE_LIMITED', 'VED_BUSY'] as const;
const NOTHING = (description: string) => ({ description, type: 'null' });
const scope = { scope: 'self' } as const;

/** What people do with their own account. Keys have none, and neither has the person at the machine. */
export function addOwnAccountRoutes(app: FastifyInstance, { people }: ApiDependencies): void {
  for (const schema of [PasswordBody, ConfirmBody, CodeBody, SecretSchema, RecoverySchema, OwnSessionSchema]) {
    app.addSchema(schema);
  }

  app.get(
    '/account',
    {
      config: scope,
      schema: {
        operationId: 'getOwnUser',
        tags: ['access'],
        summary: 'Your own account',
        response: {
          200: answer('The user', ref(UserSchema), { example: USER_EXAMPLE }),
          ...errorAnswers(...DATABASE_ERRORS),
        },
      },
    },
    async (request, reply) => {
      const { userId } = selfOf(request);
      reply.header('cache-control', 'no-store');
      return toUserView(await people.get(userId));
    },
  );

  app.post<{ Body: Static<typeof PasswordBody> }>(
    '/account/password',
    {
      config: scope,
      schema: {
        operationId: 'changeOwnPassword',
        tags: ['access'],
        summary: 'Changes your password, and ends your other sessions',
        description: `Rules that go beyond the schema; a request that breaks one is refused with 400 and these words:\n\n${PASSWORD_RULE}`,
        body: ref(PasswordBody),
        response: {
          204: NOTHING('It is changed; the cookie of the session is a new one'),
          ...errorAnswers(...CHANGE_ERRORS, ...SIGN_IN_ERRORS),
        },
      },
    },
    async (request, reply) => {
      const { current, password } = request.body;
      giveSession(request, reply, await limited(people.changeOwnPassword(selfOf(request), current, password)));
      return reply.code(204).send();
    },
  );

  app.post<{ Body: Static<typeof ConfirmBody> }>(
    '/account/two-factor',
    {
      config: scope,
      schema: {
        operationId: 'enrolTwoFactor',
        tags: ['access'],
        summary: 'Makes a secret for an authenticator app (TOTP)',
        description: 'Codes are asked for from the confirmation on.',
        body: ref(ConfirmBody),
        response: {
          200: answer('The secret, this once', ref(SecretSchema)),
          ...errorAnswers(...CHANGE_ERRORS, ...SIGN_IN_ERRORS),
        },
      },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      return limited(people.enrolTwoFactor(selfOf(request), request.body.password));
    },
  );

  app.post<{ Body: Static<typeof CodeBody> }>(
    '/account/two-factor/confirm',
    {
      config: scope,
      schema: {
        operationId: 'confirmTwoFactor',
        tags: ['access'],
        summary: 'Begins to ask for codes at each sign-in',
        body: ref(CodeBody),
        response: {
          200: answer('Codes for the day when the app is lost', ref(RecoverySchema)),
          ...errorAnswers(...CHANGE_ERRORS),
        },
      },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      return { recovery_codes: await people.confirmTwoFactor(selfOf(request), request.body.code) };
    },
  );

  app.post<{ Body: Static<typeof ConfirmBody> }>(
    '/account/two-factor/disable',
    {
      config: scope,
      schema: {
        operationId: 'disableTwoFactor',
        tags: ['access'],
        summary: 'Asks for no codes any more',
        body: ref(ConfirmBody),
        response: { 204: NOTHING('It is off'), ...errorAnswers(...CHANGE_ERRORS, ...SIGN_IN_ERRORS) },
      },
    },
    async (request, reply) => {
      await limited(people.disableTwoFactor(selfOf(request), request.body.password));
      return reply.code(204).send();
    },
  );

  app.get(
    '/account/session',
    {
      config: scope,
      schema: {
        operationId: 'listOwnSessions',
        tags: ['access'],
        summary: 'Where you are signed in',
        response: {
          200: answer('All of them, newest first', Type.Array(ref(OwnSessionSchema))),
          ...errorAnswers(...DATABASE_ERRORS),
        },
      },
    },
    async (request, reply) => {
      const { userId, sessionId } = selfOf(request);
      reply.header('cache-control', 'no-store');
      return (await people.sessions(userId)).map((session) => ({
        id: session.id,
        present: session.id === sessionId,
        created_at: session.createdAt.toISOString(),
        seen_at: session.seenAt.toISOString(),
        ends_at: session.endsAt.toISOString(),
        address: session.address,
        user_agent: session.userAgent,
      }));
    },
  );

  app.delete(
    '/account/session',
    {
      config: scope,
      schema: {
        operationId: 'endOtherSessions',
        tags: ['access'],
        summary: 'Ends all your sessions but this one',
        response: { 204: NOTHING('They have ended'), ...errorAnswers(...CHANGE_ERRORS) },
      },
    },
    async (request, reply) => {
      await people.endSessions(selfOf(request), 'others');
      return reply.code(204).send();
    },
  );

  app.delete<{ Params: Static<typeof IdParams> }>(
    '/account/session/:id',
    {
      config: scope,
      schema: {
        operationId: 'endOwnSession',
        tags: ['access'],
        summary: 'Ends one of your sessions',
        params: IdParams,
        response: { 204: NOTHING('It has ended'), ...errorAnswers(...CHANGE_ERRORS, 'VED_SESSION_NOT_FOUND') },
      },
    },
    async (request, reply) => {
      await people.endSessions(selfOf(request), request.params.id);
      return reply.code(204).send();
    },
  );
}
