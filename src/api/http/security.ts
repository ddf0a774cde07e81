import type { FastifyRequest } from 'fastify';
import { isLoopback } from '../../core/loopback.ts';
import { SELF_HOST, SELF_PATH } from '../../monitors/self.ts';
import type { ApiOptions } from '../ports.ts';
import { ResponseError } from './response-error.ts';

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
export function isChange(request: FastifyRequest): boolean {
  return !SAFE_METHODS.has(request.method);
}

/**
 * Refuses requests that web pages of other origins send through a browser. On a loopback address the Host header must name
 * one, or a name that resolves there for a while (DNS rebinding) would make this server part of that site. And nothing is
 * changed for a page of another origin: browsers send Origin or Sec-Fetch-Site with such requests, programs send neither.
 */
export function createBrowserGuard({ loopback, allowedHosts = [] }: ApiOptions): (request: FastifyRequest) => void {
  const allowed = new Set(allowedHosts.map((host) => host.toLowerCase()));
  return (request) => {
    const host = request.headers.host ?? '';
    const isPractice = hostName(host) === SELF_HOST && request.routeOptions.url === SELF_PATH;
    if (loopback && host !== '' && !isPractice && !isLoopbackName(host) && !allowed.has(hostName(host))) {
      const accepted = ['localhost', 'a loopback address', ...allowed].join(', ');
      throw new ResponseError(
        'VED_HOST_FORBIDDEN',
        `Host: given ${JSON.stringify(host.slice(0, 100))}, accepted: ${accepted}`,
        { problems: [{ path: 'host', given: host, accepted }], part: 'header' },
      );
    }
    if (!isChange(request)) return;
    const { origin } = request.headers;
    const site = request.headers['sec-fetch-site'];
    if (
      (origin !== undefined && !isSameOrigin(origin, request.host, allowed)) ||
      site === 'cross-site' ||
      site === 'same-site'
    ) {
      throw new ResponseError('VED_HOST_FORBIDDEN', 'A page of another origin may not change anything here');
    }
  };
}

/** A proxy may ask by another name than the browser asked it; then it says so, or the settings name it. */
function isSameOrigin(origin: string, host: string, allowed: ReadonlySet<string>): boolean {
  try {
    const { protocol, host: given, hostname } = new URL(origin);
    return given === new URL(`${protocol}//${host}`).host || allowed.has(hostname);
  } catch {
    return false; // `null` of a sandboxed page, or no URL at all: of another origin.
  }
}

function hostName(host: string): string {
  return host.replace(/:\d+$/, '').toLowerCase();
}

function isLoopbackName(host: string): boolean {
  const name = hostName(host).replace(/\.$/, '');
  return name === 'localhost' || name.endsWith('.localhost') || isLoopback(name.replace(/^\[|\]$/g, ''));
}
