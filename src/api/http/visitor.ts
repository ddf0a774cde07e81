import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Self } from '../../access/people/people.ts';
import { TooManyAttempts } from '../../access/sessions/attempts.ts';
import { csrfTokenOf, isToken } from '../../access/sessions/session-store.ts';
import type { SignedIn, SignIn, Visitor } from '../../access/sessions/sign-in.ts';
import { VedetteError } from '../../errors.ts';
import { clearCookie, readCookie, SESSION_COOKIE, setCookie } from './cookies.ts';
import { ResponseError } from './response-error.ts';

/** The token of the cookie that the browser sent, good or not. */
export function sessionToken(request: FastifyRequest): string | null {
  const token = readCookie(request, SESSION_COOKIE);
  return token !== null && isToken(token) ? token : null;
}

export function visitorOf(request: FastifyRequest): Visitor {
  return { address: request.ip, userAgent: request.headers['user-agent'] ?? null, previous: sessionToken(request) };
}

/** Gives the browser the cookie of a session that has just begun. */
export function giveSession(request: FastifyRequest, reply: FastifyReply, { token, endsAt }: SignedIn): void {
  setCookie(request, reply, SESSION_COOKIE, token, { maxAgeSeconds: (endsAt.getTime() - Date.now()) / 1_000 });
}

/** Runs a sign-in; a refusal for too many failures says when the next may be. */
export async function limited<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof TooManyAttempts)) throw error;
    throw new ResponseError(error.code, error.message, {
      cause: error,
      headers: { 'retry-after': String(error.retryAfterSeconds) },
    });
  }
}

/** For forms and headers of the pages of a session; null: there is none. */
export function csrfOf(request: FastifyRequest): string | null {
  const token = request.session === null ? null : sessionToken(request);
  return token === null ? null : csrfTokenOf(token);
}

export async function endOwnSession(request: FastifyRequest, reply: FastifyReply, signIn: SignIn): Promise<void> {
  const token = sessionToken(request);
  if (token !== null) await signIn.end(token);
  clearCookie(request, reply, SESSION_COOKIE);
}

/** The person whose session it is. Throws VED_FORBIDDEN for everybody else. */
export function selfOf(request: FastifyRequest): Self {
  const { session, principal, ip } = request;
  if (session?.userId == null) {
    throw new VedetteError(
      'VED_FORBIDDEN',
      `${principal.name} has no account of a person: sign in with e-mail and password`,
    );
  }
  return {
    userId: session.userId,
    sessionId: session.id,
    address: ip,
    userAgent: request.headers['user-agent'] ?? null,
  };
}
