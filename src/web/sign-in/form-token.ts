import type { FastifyReply, FastifyRequest } from 'fastify';
import { createToken, csrfTokenOf, isToken } from '../../access/sessions/session-store.ts';
import { isOfOurPage } from '../../api/http/authorization.ts';
import { readCookie, setCookie } from '../../api/http/cookies.ts';

/** Known before anybody is signed in, so that no other page can sign a browser in as somebody else. */
const FORM_COOKIE = 'vedette_form';

/** What the form must carry; the browser gets the cookie that it belongs to. */
export function giveFormToken(request: FastifyRequest, reply: FastifyReply): string {
  const known = readCookie(request, FORM_COOKIE);
  const token = known !== null && isToken(known) ? known : createToken();
  if (token !== known) setCookie(request, reply, FORM_COOKIE, token, { maxAgeSeconds: null });
  return csrfTokenOf(token);
}

/** Whether a form comes from a page of ours. */
export function isOwnForm(request: FastifyRequest): boolean {
  const { csrf } = (request.body ?? {}) as { csrf?: unknown };
  // Without a cookie nothing fits: a random token is the one of nobody.
  return isOfOurPage(request, readCookie(request, FORM_COOKIE) ?? createToken(), csrf);
}
