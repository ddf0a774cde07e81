import { isIP } from 'node:net';

/**
 * Whether a host to listen on can be reached from this machine only. A name other than localhost may resolve to any address,
 * so it does not count; neither does an IPv4 address mapped into IPv6.
 */
export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  const version = isIP(host);
  if (version === 4) return host.startsWith('127.');
  return version === 6 && new URL(`http://[${host}]`).hostname === '[::1]';
}
