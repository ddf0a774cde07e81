import type { FastifyReply, FastifyRequest } from 'fastify';

/** Names of our cookies. Over TLS the browser itself refuses them from elsewhere (the prefix __Host-). */
export const SESSION_COOKIE = 'vedette_session';
const SECURE_PREFIX = '__Host-';

interface CookieOptions {
  /** null: until the browser is closed. */
  maxAgeSeconds: number | null;
}

/** Whether the browser speaks TLS, perhaps with a proxy that the settings trust. */
const isSecure = (request: FastifyRequest): boolean => request.protocol === 'https';

const fullName = (request: FastifyRequest, name: string): string => `${isSecure(request) ? SECURE_PREFIX : ''}${name}`;

/** The value of a cookie; null: there is none. Values of ours are of base64url. */
export function readCookie(request: FastifyRequest, name: string): string | null {
  const wanted = fullName(request, name);
  for (const part of request.headers.cookie?.split(';') ?? []) {
    const equals = part.indexOf('=');
    if (part.slice(0, equals).trim() !== wanted) continue;
    const value = part.slice(equals + 1).trim();
    return /^[A-Za-z0-9_-]{1,2000}$/.test(value) ? value : null;
  }
  return null;
}

/** Not for scripts, not for requests of other sites but links to us, and over TLS only where it came so. */
export function setCookie(
  request: FastifyRequest,
  reply: FastifyReply,
  name: string,
  value: string,
  { maxAgeSeconds }: CookieOptions,
): void {
  const parts = [
    `${fullName(request, name)}=${value}`,
    'Path=/',
    ...(maxAgeSeconds === null ? [] : [`Max-Age=${Math.max(0, Math.floor(maxAgeSeconds))}`]),
    'HttpOnly',
    'SameSite=Lax',
    ...(isSecure(request) ? ['Secure'] : []),
  ];
  reply.header('set-cookie', parts.join('; '));
}

export function clearCookie(request: FastifyRequest, reply: FastifyReply, name: string): void {
  setCookie(request, reply, name, '', { maxAgeSeconds: 0 });
}
