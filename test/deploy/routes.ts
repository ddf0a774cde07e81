import type { Settings } from '../../src/settings.ts';

const PROBES = ['/health/live', '/health/ready', '/metrics', '/_ah/start', '/_ah/stop', '/_ah/warmup', '/_ah/health'];

/** Paths that somebody who watches over a process with these settings can ask it. test/api holds the API to them. */
export function routesOf({ roles, server }: Settings): readonly string[] {
  return roles.includes('api') || server.probes ? PROBES : [];
}
