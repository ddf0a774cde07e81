import { isIP } from 'node:net';
import { Type } from 'typebox';
import type { Problem } from '../../../core/validation.ts';

/** Fields of every type that connects to a host. */
export const connectionFields = {
  max_response_time_seconds: Type.Optional(
    Type.Number({ exclusiveMinimum: 0, maximum: 3_600, description: 'A response slower than this is degraded.' }),
  ),
  ip_version: Type.Optional(
    Type.Unsafe<4 | 6 | 'auto'>({
      enum: [4, 6, 'auto'],
      default: 'auto',
      description: 'Version of the addresses to connect to; auto tries both in turn, and the first connection is used.',
    }),
  ),
};

/** The version of a literal address must match ip_version. */
export function versionProblems(host: string | null, version: 4 | 6 | 'auto' = 'auto'): Problem[] {
  const own = host === null ? 0 : isIP(host);
  if (version === 'auto' || own === 0 || own === version) return [];
  return [{ path: 'ip_version', given: version, accepted: `${own} or auto, the uri has an IPv${own} address` }];
}
