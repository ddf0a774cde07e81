import { Type } from 'typebox';

const date = (description: string) =>
  Type.Unsafe<string | null>({
    anyOf: [{ type: 'string', format: 'date-time' }, { type: 'null' }],
    description: `${description}; null: no date that can be read.`,
  });

/** The facts of a check besides its outcome; schemas of the facts that redirect-chain.ts collects. */
export const httpFacts = {
  remote_address: Type.String({ description: 'The address that was connected to.' }),
  connection: Type.Unsafe<string>({
    type: 'string',
    enum: ['fresh', 'kept alive'],
    description: 'Whether the connection was made for this check.',
  }),
  body_truncated: Type.Boolean({ description: 'Whether more of the body came than max_body_bytes.' }),
  redirects: Type.Array(Type.String(), { description: 'The addresses that redirects led to, in their order.' }),
  certificate: Type.Object(
    {
      subject: Type.String(),
      issuer: Type.String(),
      valid_from: date('Since when it is good'),
      valid_to: date('Until when'),
      days_left: Type.Unsafe<number | null>({
        anyOf: [{ type: 'number' }, { type: 'null' }],
        description:
          'Days until the first certificate of its chain expires; negative when one has; null: a date cannot be read.',
      }),
      expires_first: Type.Optional(
        Type.String({ description: "The certificate of the chain that expires first, unless it is the site's own." }),
      ),
      trusted: Type.Boolean({ description: 'Whether it was accepted, or would be if it were verified.' }),
      protocol: Type.String({ description: 'Version of TLS.' }),
    },
    {
      additionalProperties: false,
      description: 'The certificate of the site, of all that redirects led to the one that expires first.',
    },
  ),
};
