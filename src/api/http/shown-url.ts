import type { FastifyRequest } from 'fastify';
import { maskAddress } from '../../core/masking.ts';

/** The address of a request for the log, without secrets in it. */
export function shownUrl({ url, routeOptions }: FastifyRequest): string {
  const isSecret = routeOptions.config?.secretPath === true || url.startsWith('/push/');
  return isSecret ? (routeOptions.url ?? '/push/') : maskAddress(url);
}
