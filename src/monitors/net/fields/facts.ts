import { Type } from 'typebox';

const date = (description: string) =>
  Type.Unsafe<string | null>({
    anyOf: [{ type: 'string', format: 'date-time' }, { type: 'null' }],
    description: `${description}; null: the date cannot be read.`,
  });

/** Facts that types have in common; the same name has the same schema in all of them. */
export const remoteAddressFact = Type.String({ description: 'Address of the connection.' });

export const httpVersionFact = Type.Unsafe<string>({
  type: 'string',
  enum: ['1.1', '2'],
  description: 'Version of HTTP that the site was asked in.',
});

export const certificateFact = Type.Object(
  {
    subject: Type.String(),
    issuer: Type.String(),
    valid_from: date('Begin of the validity'),
    valid_to: date('End of the validity'),
    days_left: Type.Unsafe<number | null>({
      anyOf: [{ type: 'number' }, { type: 'null' }],
      description:
        'Days until the first certificate of its chain expires; negative when one has; null: a date cannot be read.',
    }),
    expires_first: Type.Optional(
      Type.String({ description: "The certificate of the chain that expires first, if it is not the site's own." }),
    ),
    trusted: Type.Boolean({ description: 'Whether the certificate is valid, also if verification is off.' }),
    protocol: Type.String({ description: 'Version of TLS.' }),
  },
  {
    additionalProperties: false,
    description: 'The certificate of the site; with redirects the one that expires first.',
  },
);
