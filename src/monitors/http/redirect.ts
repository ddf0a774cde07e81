import { ProbeFailure } from '../failure.ts';
import type { TlsChoice } from '../net/dial.ts';
import { SELF_HOST } from '../self.ts';
import { headerValues } from './parser/headers.ts';
import type { HeaderList } from './parser/lines.ts';
import { addressOf, type HttpPlan } from './plan.ts';
import type { HttpRequest } from './transport/exchange.ts';

/** Headers that do not identify the client; all others are not sent to another origin. */
const HARMLESS = new Set(['accept', 'accept-language', 'cache-control', 'pragma', 'range', 'user-agent']);
const ABOUT_BODY = /^content-/i;

/**
 * Returns the request of a redirect. Throws a ProbeFailure if it may not be followed: an invalid address, another
 * scheme, from https to http, or a body for another origin.
 */
export function redirected(request: HttpRequest, status: number, location: string, plan: HttpPlan): HttpRequest {
  const url = targetOf(location, request.href);
  if (request.target.tls !== null && url.protocol === 'http:' && !plan.redirects.allowDowngrade) {
    throw new ProbeFailure('redirect', `redirected from https to http (${url.href})`);
  }
  let { method, headers, body } = request;
  const becomesGet = status === 303 ? method !== 'HEAD' : method === 'POST' && status < 303;
  if (becomesGet && method !== 'GET') {
    method = 'GET';
    body = null;
    headers = onlyHeaders(headers, (name) => !ABOUT_BODY.test(name));
  }
  if (url.origin !== request.origin) {
    if (body !== null) throw new ProbeFailure('redirect', `redirected with its body to another origin (${url.origin})`);
    headers = onlyHeaders(headers, (name) => HARMLESS.has(name.toLowerCase()));
  }
  return {
    ...request,
    ...addressOf(url, tlsFor(url, plan), request.target.ipVersion),
    method,
    headers,
    head: null,
    body,
  };
}

/**
 * Returns the target of a redirect: repeated equal values count once, an empty one is ignored, as in curl and browsers.
 * Throws a ProbeFailure for different values.
 */
export function locationOf(headers: HeaderList): string | null {
  const locations = new Set(headerValues(headers, 'location'));
  if (locations.size > 1) {
    throw new ProbeFailure('redirect', `redirected to different addresses at once: ${[...locations].join(' and ')}`);
  }
  const [location = ''] = locations;
  return location === '' ? null : location;
}

function targetOf(location: string, from: string): URL {
  // Header bytes that are not ASCII are usually UTF-8.
  const text = Buffer.from(location, 'latin1').toString('utf8');
  if (!URL.canParse(text, from)) throw new ProbeFailure('redirect', `redirected to ${text}, which is no address`);
  const url = new URL(text, from);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new ProbeFailure('redirect', `redirected to ${url.protocol}, accepted: http, https`);
  }
  if (url.hostname === SELF_HOST) {
    throw new ProbeFailure('forbidden_address', `redirected to ${SELF_HOST}, where only jobs may go`);
  }
  return url;
}

/** The client certificate and the server name are not used for another origin. */
function tlsFor(url: URL, { request, tls }: HttpPlan): TlsChoice {
  if (url.origin === request.origin) return tls;
  const { verify, ca, sessions, alpn } = tls;
  return {
    verify,
    ...(ca === undefined ? {} : { ca }),
    ...(sessions === undefined ? {} : { sessions }),
    ...(alpn === undefined ? {} : { alpn }),
  };
}

function onlyHeaders(headers: readonly string[], isKept: (name: string) => boolean): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] ?? '';
    if (isKept(name)) kept.push(name, headers[i + 1] ?? '');
  }
  return kept;
}
