import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { csrfOf, giveSession, selfOf } from '../../api/http/visitor.ts';
import type { ApiDependencies } from '../../api/ports.ts';
import { refusalOf, sendPage } from '../forms/respond.ts';
import { acceptForms, field } from '../forms/urlencoded.ts';
import { type AccountState, renderAccount, renderEnrol, renderRecoveryCodes } from './page.ts';

const DONE: Readonly<Record<string, string>> = {
  password: 'The password is changed, and your other sessions have ended.',
  'two-factor': 'No codes are asked for any more.',
  session: 'The session has ended.',
  sessions: 'Your other sessions have ended.',
};

const IdParams = Type.Object({ id: Type.Integer({ minimum: 1 }) });

/** These pages are for sessions alone, so there is one. */
const tokenOf = (request: FastifyRequest): string => csrfOf(request) ?? '';

/** Much longer than ours; what a form sends back is drawn again. */
const MAX_OTPAUTH = 500;

/** One's own account for browsers, without a script; programs have /account (api/access/own-account.ts). */
export function addAccountPage(app: FastifyInstance, { people, clock }: ApiDependencies): void {
  const form = { schema: { hide: true }, config: { scope: 'self', form: true } } as const;

  async function show(
    request: FastifyRequest,
    { problem, done }: Pick<AccountState, 'problem' | 'done'>,
  ): Promise<ReturnType<typeof renderAccount>> {
    const { userId, sessionId } = selfOf(request);
    const [user, sessions] = await Promise.all([people.get(userId), people.sessions(userId)]);
    return renderAccount({
      ...{ csrf: tokenOf(request), user, sessions, done, presentSession: sessionId, nowMs: clock.wallMs() },
      ...(problem && { problem }),
    });
  }

  /** Does what a form asks for; a refusal is shown where it was asked. */
  async function attempt(
    request: FastifyRequest,
    reply: FastifyReply,
    { of, done }: { of: NonNullable<AccountState['problem']>['of']; done: keyof typeof DONE },
    work: () => Promise<FastifyReply | undefined>,
  ): Promise<FastifyReply> {
    try {
      return (await work()) ?? reply.redirect(`/profile?done=${done}`, 303);
    } catch (error) {
      const text = refusalOf(error, reply);
      return sendPage(reply, await show(request, { problem: { of, text } }));
    }
  }

  void app.register(async (forms) => {
    acceptForms(forms);

    forms.get<{ Querystring: Record<string, unknown> }>(
      '/profile',
      { schema: { hide: true }, config: { scope: 'self', page: true } },
      async (request, reply) => {
        const done = Object.hasOwn(DONE, String(request.query.done)) ? DONE[String(request.query.done)] : undefined;
        return sendPage(reply, await show(request, { done }));
      },
    );

    forms.post('/profile/password', form, (request, reply) =>
      attempt(request, reply, { of: 'password', done: 'password' }, async () => {
        const [current, next] = [field(request, 'current'), field(request, 'password')];
        giveSession(request, reply, await people.changeOwnPassword(selfOf(request), current, next));
        return undefined;
      }),
    );

    forms.post('/profile/two-factor', form, (request, reply) =>
      attempt(request, reply, { of: 'two-factor', done: 'two-factor' }, async () => {
        const made = await people.enrolTwoFactor(selfOf(request), field(request, 'password'));
        return sendPage(reply, renderEnrol({ csrf: tokenOf(request), ...made }));
      }),
    );

    forms.post('/profile/two-factor/confirm', form, async (request, reply) => {
      try {
        return sendPage(
          reply,
          renderRecoveryCodes(await people.confirmTwoFactor(selfOf(request), field(request, 'code'))),
        );
      } catch (error) {
        const problem = refusalOf(error, reply);
        const again = (name: string) => field(request, name).slice(0, MAX_OTPAUTH);
        return sendPage(
          reply,
          renderEnrol({ csrf: tokenOf(request), secret: again('secret'), uri: again('uri'), problem }),
        );
      }
    });

    forms.post('/profile/two-factor/disable', form, (request, reply) =>
      attempt(request, reply, { of: 'two-factor', done: 'two-factor' }, async () => {
        await people.disableTwoFactor(selfOf(request), field(request, 'password'));
        return undefined;
      }),
    );

    forms.post('/profile/session', form, async (request, reply) => {
      await people.endSessions(selfOf(request), 'others');
      return reply.redirect('/profile?done=sessions', 303);
    });

    forms.post<{ Params: Static<typeof IdParams> }>(
      '/profile/session/:id',
      { ...form, schema: { hide: true, params: IdParams } },
      async (request, reply) => {
        await people.endSessions(selfOf(request), request.params.id);
        return reply.redirect('/profile?done=session', 303);
      },
    );
  });
}
