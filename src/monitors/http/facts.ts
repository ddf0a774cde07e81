import { Type } from 'typebox';
import { certificateFact, httpVersionFact, remoteAddressFact } from '../net/fields/facts.ts';

/** The facts of a check besides its outcome; schemas of the facts that redirect-chain.ts collects. */
export const httpFacts = {
  remote_address: remoteAddressFact,
  http_version: httpVersionFact,
  connection: Type.Unsafe<string>({
    type: 'string',
    enum: ['fresh', 'kept alive'],
    description: 'Whether the connection was opened for this check.',
  }),
  body_truncated: Type.Boolean({ description: 'Whether the body was longer than max_body_bytes.' }),
  redirects: Type.Array(Type.String(), { description: 'Addresses of the redirects, in order.' }),
  certificate: certificateFact,
};
