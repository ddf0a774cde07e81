import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { readRights } from '../../access/rights.ts';
import type { SignedIn } from '../../access/sessions/sign-in.ts';
import { actorOf } from '../../api/http/on-behalf.ts';
import { readTarget } from '../../api/http/sign-in-address.ts';
import { endOwnSession, giveSession, visitorOf } from '../../api/http/visitor.ts';
import type { ApiDependencies } from '../../api/ports.ts';
import { refusalOf, sendPage } from '../forms/respond.ts';
import { acceptForms, field } from '../forms/urlencoded.ts';
import { giveFormToken, isOwnForm } from './form-token.ts';
import { renderCode, renderSignIn, renderSignUp } from './forms.ts';
import { addProviderRoutes, providerButton } from './provider-routes.ts';

type Query = { Querystring: Record<string, unknown> };

/** Sign-in, sign-out and the first user, for browsers; none of it needs a script. */
export function addSignInRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  void app.register(async (forms) => {
    acceptForms(forms);
    addSignIn(forms, dependencies);
    addSignUp(forms, dependencies);
    addProviderRoutes(forms, dependencies);
    forms.post(
      '/sign-out',
      { schema: { hide: true }, config: { scope: 'self', form: true } },
      async (request, reply) => {
        await endOwnSession(request, reply, dependencies.signIn);
        return reply.redirect('/sign-in', 303);
      },
    );
  });
}

function addSignIn(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { access, signIn } = dependencies;
  const show = async (request: FastifyRequest, reply: FastifyReply, to: string, problem?: string) => {
    const nobody = !(await access.hasAnybody().catch(() => true));
    const provider = providerButton(dependencies, to);
    const email = field(request, 'email');
    return renderSignIn({ csrf: giveFormToken(request, reply), to, problem, nobody, provider, email });
  };

  app.get<Query>(
    '/sign-in',
    { schema: { hide: true }, config: { scope: 'public', page: true } },
    async (request, reply) => {
      return sendPage(reply, await show(request, reply, readTarget(request.query.to)));
    },
  );

  app.post('/sign-in', { schema: { hide: true }, config: { scope: 'public', page: true } }, async (request, reply) => {
    const to = readTarget(field(request, 'to'));
    if (!isOwnForm(request)) {
      const page = await show(request, reply, to, 'The page was open for too long; try again');
      return sendPage(reply.code(403), page);
    }
    const visitor = visitorOf(request);
    const [key, code] = [field(request, 'key').trim(), field(request, 'code')];
    try {
      let signedIn: SignedIn;
      if (key !== '') signedIn = await signIn.withKey(visitor, key);
      else if (code !== '') signedIn = await signIn.withCode(visitor, code);
      else {
        const given = { email: field(request, 'email'), password: field(request, 'password') };
        signedIn = await signIn.withPassword(visitor, given, { mayWait: true });
      }
      giveSession(request, reply, signedIn);
      if (!signedIn.waitsForCode) return reply.redirect(to, 303);
      return sendPage(reply, renderCode({ csrf: giveFormToken(request, reply), to }));
    } catch (error) {
      const problem = refusalOf(error, reply);
      // A session that waits goes on waiting.
      if (code !== '' && (await signIn.isWaiting(visitor))) {
        return sendPage(reply, renderCode({ csrf: giveFormToken(request, reply), to, problem }));
      }
      return sendPage(reply, await show(request, reply, to, problem));
    }
  });
}

/** Only while nobody is known, on the machine itself: everybody there may do everything anyhow. */
function addSignUp(app: FastifyInstance, { people, signIn }: ApiDependencies): void {
  const config = { scope: 'admin', page: true, form: true } as const;

  app.get('/sign-up', { schema: { hide: true }, config }, async (request, reply) => {
    if (request.principal.kind !== 'local') return reply.redirect('/', 303);
    return sendPage(reply, renderSignUp({ csrf: giveFormToken(request, reply), to: '/' }));
  });

  app.post('/sign-up', { schema: { hide: true }, config }, async (request, reply) => {
    if (request.principal.kind !== 'local') return reply.redirect('/', 303);
    const [email, password] = [field(request, 'email'), field(request, 'password')];
    const again = (problem: string) =>
      sendPage(reply, renderSignUp({ csrf: giveFormToken(request, reply), to: '/', email, problem }));
    if (!isOwnForm(request)) return again('The page was open for too long; try again');
    try {
      const user = { email, name: null, password, rights: readRights({ role: 'admin' }) };
      const { id } = await people.add(actorOf(request), user, { onlyFirst: true });
      giveSession(request, reply, await signIn.withUser(visitorOf(request), id));
      return reply.redirect('/', 303);
    } catch (error) {
      return again(refusalOf(error, reply));
    }
  });
}
