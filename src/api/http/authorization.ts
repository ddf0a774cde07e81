import type { FastifyReply, FastifyRequest } from 'fastify';
import { ANONYMOUS, LOCAL, type Principal, READER } from '../../access/principal.ts';
import { hasScope, type Scope } from '../../access/scopes.ts';
import { isCsrfTokenOf, type Session } from '../../access/sessions/session-store.ts';
import { VedetteError } from '../../errors.ts';
import type { ApiDependencies } from '../ports.ts';
import { isBrowser } from './accept.ts';
import { ResponseError } from './response-error.ts';
import { isWholeRoute } from './route-access.ts';
import { isChange } from './security.ts';
import { signInAddress } from './sign-in-address.ts';
import { sessionToken } from './visitor.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * The scope that a request needs; `public`: none, it is answered to everybody; `self`: none, but a principal that is
     * known. Each route has one.
     */
    scope?: Scope | 'public' | 'self';
    /** It shows or changes the whole installation: nothing for a principal that is limited to tags. Default: with the scope admin. */
    whole?: boolean;
    /** It is answered without the database, too: then a key or session that was good lately will do. */
    withoutDatabase?: boolean;
    /** A page for people: a browser without a principal is led to the sign-in. */
    page?: boolean;
    /** Its path holds a secret, which is left out of the log. */
    secretPath?: boolean;
    /** It takes forms, whose field `csrf` may say that they are of a page of ours. */
    form?: boolean;
  }
  interface FastifyRequest {
    /** On whose behalf it is answered. */
    principal: Principal;
    /** The session whose cookie it carries; null: the principal is known by something else. */
    session: Session | null;
  }
}

/**
 * The one place that decides whether a request is answered: finds its principal and compares it with the scope of the
 * route. Throws VED_UNAUTHORIZED, VED_FORBIDDEN, VED_FORWARDED, VED_CSRF.
 */
export function createAuthorization({ access, options }: Pick<ApiDependencies, 'access' | 'options'>) {
  async function withoutCredentials(request: FastifyRequest): Promise<Principal> {
    if (!options.exposed && !access.hasSettingsKeys && !(await access.hasUsers())) {
      refuseForwarded(request);
      return LOCAL;
    }
    return options.anonymous === 'read' ? READER : ANONYMOUS;
  }

  async function principalOfSession(request: FastifyRequest): Promise<Principal | null> {
    const token = sessionToken(request);
    if (token === null) return null;
    const session = await access.sessionOf(token, recallOf(request));
    if (session === null) return null;
    request.session = session;
    // What a form says of itself is seen when its body has been read.
    if (!request.routeOptions.config.form && !isOfOurPage(request, token, request.headers['x-csrf-token']))
      throw foreign();
    return session.principal;
  }

  async function authorize(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { config } = request.routeOptions;
    const { scope, page = false } = config;
    request.principal = ANONYMOUS;
    request.session = null;
    if (scope === 'public') return;
    const principal =
      (await principalOfHeader(request, access)) ??
      (await principalOfSession(request)) ??
      (await withoutCredentials(request));
    request.principal = principal;
    if (scope === undefined) throw new Error(`The route ${request.routeOptions.url} has no scope`);
    const isRefused = scope === 'self' ? principal.kind === 'anonymous' : !hasScope(principal.scopes, scope);
    if (isRefused) {
      if (scope !== 'self' && principal.kind !== 'anonymous') throw missing(principal, scope);
      if (page && wantsPage(request)) return reply.redirect(signInAddress(request.url), 303);
      throw await unauthorized(access);
    }
    if (isWholeRoute(config) && principal.tags !== null) {
      const text = `This is about the whole installation, and ${principal.name} is limited to jobs with the tags ${principal.tags.join(', ')}`;
      throw new VedetteError('VED_FORBIDDEN', text);
    }
  }

  /** For forms, once their body has been read. */
  function checkForm(request: FastifyRequest): void {
    if (!request.routeOptions.config.form || request.session === null) return;
    const token = sessionToken(request) ?? '';
    const { csrf } = (request.body ?? {}) as { csrf?: unknown };
    if (!isOfOurPage(request, token, csrf ?? request.headers['x-csrf-token'])) throw foreign();
  }

  return { authorize, checkForm };
}

/**
 * Whether a change in the name of a cookie is wanted by a page of ours: browsers send cookies by themselves, whoever made
 * the request. An Origin of others has been refused before (security.ts).
 */
export function isOfOurPage(request: FastifyRequest, token: string, given: unknown): boolean {
  if (!isChange(request)) return true;
  const { origin, 'sec-fetch-site': site } = request.headers;
  return site === 'same-origin' || origin !== undefined || isCsrfTokenOf(token, given);
}

function foreign(): VedetteError {
  return new VedetteError(
    'VED_CSRF',
    'A session changes something only for a page of this server: send the header X-CSRF-Token with the csrf_token of GET /session, or a key instead of the cookie',
  );
}

const wantsPage = (request: FastifyRequest): boolean => request.method === 'GET' && isBrowser(request);

/** For routes whose scope depends on what is asked. Throws VED_FORBIDDEN. */
export function needScope({ principal }: FastifyRequest, scope: Scope): void {
  if (!hasScope(principal.scopes, scope)) throw missing(principal, scope);
}

function missing({ name, scopes }: Principal, scope: Scope): VedetteError {
  return new VedetteError('VED_FORBIDDEN', `${name} has the scopes ${scopes.join(', ') || 'none'}, needed: ${scope}`);
}

/** Where an answer needs no database, what was good lately will do. */
const recallOf = ({ routeOptions }: Pick<FastifyRequest, 'routeOptions'>): { remembered: boolean } => ({
  remembered: routeOptions.config.withoutDatabase === true,
});

/** A key as a bearer token, or as the password of Basic credentials, which browsers send by themselves: for reading only. */
async function principalOfHeader(
  { headers, method, routeOptions }: FastifyRequest,
  access: ApiDependencies['access'],
): Promise<Principal | null> {
  const given = headers.authorization;
  if (given === undefined) return null;
  const [, scheme = '', value = ''] = /^(Bearer|Basic) +(\S+) *$/i.exec(given) ?? [];
  if (value === '') throw refused('send the header Authorization: Bearer <API key>');
  const options = recallOf({ routeOptions });
  if (scheme.toLowerCase() === 'bearer') {
    const principal = await access.principalOfKey(value, options);
    if (principal === null) throw refused('the API key is not known here, or has expired');
    return principal;
  }
  if (method !== 'GET' && method !== 'HEAD') {
    throw refused('Basic credentials are for reading only; send the header Authorization: Bearer <API key>');
  }
  const text = Buffer.from(value, 'base64').toString('utf8');
  const principal = await access.principalOfKey(text.slice(text.indexOf(':') + 1), options);
  if (principal === null) throw refused('the password of the Basic credentials is no API key that is known here');
  return principal;
}

async function unauthorized(access: ApiDependencies['access']): Promise<ResponseError> {
  if (await access.hasAnybody().catch(() => true))
    return refused('send the header Authorization: Bearer <API key>, or sign in at /sign-in');
  return refused(
    'there is none yet: run `vedette keys add NAME --scope read` or `vedette users add EMAIL --role admin` where this server runs, or set VEDETTE_SERVER_API_KEYS',
  );
}

function refused(hint: string): ResponseError {
  return new ResponseError('VED_UNAUTHORIZED', `An API key is needed: ${hint}`, {
    headers: { 'www-authenticate': 'Bearer realm="vedette"' },
  });
}

const FORWARDING = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip'];

/** A proxy on this machine brings requests of others to a server that trusts everybody who reaches it. */
function refuseForwarded({ headers }: FastifyRequest): void {
  const found = FORWARDING.find((name) => headers[name] !== undefined);
  if (found === undefined) return;
  throw new VedetteError(
    'VED_FORWARDED',
    `The request came through a proxy (it has the header ${found}), accepted: from this machine itself; a server behind a proxy names it in server.trust_proxy, and then asks for keys`,
  );
}
