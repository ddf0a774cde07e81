import { type Static, Type } from 'typebox';

const pemText = (description: string) =>
  Type.String({ pattern: '^\\s*-----BEGIN [A-Z0-9 ]+-----', description, maxLength: 100_000 });

const expectedStatus = Type.Union([
  Type.Integer({ minimum: 100, maximum: 599, description: 'a status such as 200' }),
  Type.String({
    pattern: '^([1-5]xx|[1-5][0-9]{2}(-[1-5][0-9]{2})?)$',
    description: 'a status, a range such as "200-299" or a class such as "2xx"',
  }),
]);

/** The job fields of type `http`, in wire names. */
export const httpOptions = Type.Object({
  uri: Type.String({
    pattern: '^[Hh][Tt][Tt][Pp][Ss]?://[^\\s/?#]+[^\\s]*$',
    maxLength: 4096,
    description: 'an http:// or https:// address',
  }),
  method: Type.String({
    default: 'GET',
    pattern:
      '^([Gg][Ee][Tt]|[Hh][Ee][Aa][Dd]|[Pp][Oo][Ss][Tt]|[Pp][Uu][Tt]|[Pp][Aa][Tt][Cc][Hh]|[Dd][Ee][Ll][Ee][Tt][Ee]|[Oo][Pp][Tt][Ii][Oo][Nn][Ss])$',
    description: 'one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, in any case',
  }),
  headers: Type.Optional(
    Type.Record(
      Type.String({ pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$" }),
      Type.String({
        pattern: '^[\\t\\x20-\\x7e\\x80-\\xff]*$',
        description: 'text without line breaks',
        maxLength: 8192,
      }),
      { description: 'headers that are sent', maxProperties: 64, additionalProperties: false },
    ),
  ),
  body: Type.Optional(Type.String({ maxLength: 1_048_576, description: 'body that is sent' })),
  expected_status: Type.Union([expectedStatus, Type.Array(expectedStatus, { minItems: 1 })], {
    default: '200-399',
    description: 'statuses that count as up: numbers, ranges, classes, or a list of them',
  }),
  pattern: Type.Optional(
    Type.String({ minLength: 1, maxLength: 1000, description: 'regular expression (RE2) that the body must match' }),
  ),
  expected_headers: Type.Optional(
    Type.Record(Type.String({ pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$" }), Type.String({ maxLength: 1000 }), {
      description: 'regular expressions (RE2) that response headers must match',
      maxProperties: 32,
      additionalProperties: false,
    }),
  ),
  max_response_time_seconds: Type.Optional(
    Type.Number({ exclusiveMinimum: 0, description: 'a slower answer is degraded' }),
  ),
  max_body_bytes: Type.Integer({
    default: 1_048_576,
    minimum: 0,
    maximum: 16_777_216,
    description: 'how much of the body is read; what lies beyond is not',
  }),
  redirects: Type.Object(
    {
      follow: Type.Boolean({ default: true, description: 'whether redirects are followed' }),
      max: Type.Integer({ default: 5, minimum: 0, maximum: 20, description: 'how many of them' }),
    },
    { default: {}, additionalProperties: false, description: 'what happens with redirects' },
  ),
  tls: Type.Object(
    {
      verify: Type.Boolean({ default: true, description: 'whether the certificate must be valid' }),
      server_name: Type.Optional(
        Type.String({ minLength: 1, maxLength: 253, description: 'name asked for (SNI) and verified' }),
      ),
      ca: Type.Optional(pemText('PEM text of the authorities that are trusted instead of the usual ones')),
      cert: Type.Optional(pemText('PEM text of a client certificate')),
      key: Type.Optional(pemText('PEM text of its private key')),
      expiry_warning_days: Type.Optional(
        Type.Integer({ minimum: 0, maximum: 3650, description: 'a certificate that expires sooner is degraded' }),
      ),
    },
    { default: {}, additionalProperties: false, description: 'TLS of https' },
  ),
  auth: Type.Optional(
    Type.Union(
      [
        Type.Object(
          {
            type: Type.Literal('basic'),
            username: Type.String({
              pattern: '^[^:\\x00-\\x1f]*$',
              description: 'a name without colons',
              maxLength: 1000,
            }),
            password: Type.String({ maxLength: 1000 }),
          },
          { additionalProperties: false },
        ),
        Type.Object(
          {
            type: Type.Literal('bearer'),
            token: Type.String({ pattern: '^[\\x21-\\x7e]+$', description: 'a token without spaces', maxLength: 8192 }),
          },
          { additionalProperties: false },
        ),
      ],
      { description: 'how the job authorises itself' },
    ),
  ),
  keep_alive: Type.Boolean({ default: false, description: 'use a connection again instead of a fresh one each time' }),
});

export type HttpOptions = Static<typeof httpOptions>;

/** Wire paths of secrets; `headers.*` means the values of headers that carry credentials. */
export const HTTP_SECRETS = [
  'auth.password',
  'auth.token',
  'tls.key',
  'headers.authorization',
  'headers.cookie',
  'headers.proxy-authorization',
  'headers.x-api-key',
];
