import { type Static, Type } from 'typebox';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const strict = { additionalProperties: false } as const;

/** Three digits, a range of them, or a class such as 2xx. */
const STATUS = '^([1-9][0-9]{2}(-[1-9][0-9]{2})?|[1-9][xX]{2})$';
const statusText = 'a status such as 200, a range such as "200-299", or a class such as "2xx"';

/** As in RFC 7469 and curl: SHA-256 of the SubjectPublicKeyInfo. */
const PIN = '^sha256/[A-Za-z0-9+/]{43}=$';
const pinText = 'sha256/ and the SHA-256 of a public key in base64';

const statusItem = Type.Unsafe<number | string>({
  type: ['integer', 'string'],
  minimum: 100,
  maximum: 999,
  pattern: STATUS,
  description: statusText,
});

const pem = (description: string, label: string) =>
  Type.String({
    maxLength: 65_536,
    pattern: `-----BEGIN ${label}-----`,
    description: `${description} (PEM text)`,
  });

/** Expressions of RE2: no backreferences, no lookaround, linear time. */
const expression = (description: string) =>
  Type.String({ minLength: 1, maxLength: 1_000, description: `${description} (RE2 syntax)` });

const headerPatterns = (description: string, example: Record<string, string>) =>
  Type.Unsafe<Record<string, string>>({
    type: 'object',
    additionalProperties: { type: 'string', maxLength: 1_000 },
    maxProperties: 50,
    description,
    examples: [example],
  });

/** Fields that are about the body. */
export const BODY_CONDITIONS = ['pattern', 'forbidden_pattern', 'json_condition'] as const;

export const httpOptions = Type.Object({
  uri: Type.String({
    pattern: '^[hH][tT][tT][pP][sS]?://[^/?#\\\\\\s]',
    maxLength: 8_192,
    description: 'an http:// or https:// address',
    examples: ['https://example.com/health'],
  }),
  method: Type.Optional(
    Type.Unsafe<string>({
      type: 'string',
      enum: [...METHODS, ...METHODS.map((method) => method.toLowerCase())],
      default: 'GET',
      description: 'Method of the request; case is ignored.',
    }),
  ),
  headers: Type.Optional(
    Type.Unsafe<Record<string, string>>({
      type: 'object',
      additionalProperties: { type: 'string', maxLength: 8_192 },
      maxProperties: 100,
      description: 'Headers of the request, name to value. A redirect to another origin does not get them.',
      examples: [{ accept: 'application/json' }],
    }),
  ),
  body: Type.Optional(Type.String({ maxLength: 262_144, description: 'Body of the request.' })),
  expected_status: Type.Optional(
    Type.Unsafe<number | string | Array<number | string>>({
      type: ['integer', 'string', 'array'],
      minimum: 100,
      maximum: 999,
      pattern: STATUS,
      items: statusItem,
      minItems: 1,
      maxItems: 100,
      default: ['200-399'],
      description: `${statusText}, or a list of them`,
      examples: [[200, '300-399']],
    }),
  ),
  pattern: Type.Optional(expression('A regular expression that the body must contain')),
  expected_headers: Type.Optional(
    headerPatterns(
      'Headers that the response must have, name to a regular expression that the value must contain; "" takes any value.',
      { 'content-type': '^text/html' },
    ),
  ),
  forbidden_pattern: Type.Optional(expression('A regular expression that the body must not contain')),
  json_condition: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 1_000,
      description:
        'A condition in CEL (Common Expression Language) that the body, which must be JSON, has to meet as `json`',
      examples: ['json.status == "ok" && json.queue < 100'],
    }),
  ),
  forbidden_headers: Type.Optional(
    headerPatterns(
      'Headers that the response must not have, name to a regular expression that no value may contain; "" forbids any value.',
      { server: 'Apache/2\\.2' },
    ),
  ),
  max_response_time_seconds: Type.Optional(
    Type.Number({ exclusiveMinimum: 0, maximum: 3_600, description: 'A response slower than this is degraded.' }),
  ),
  max_body_bytes: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 16_777_216,
      default: 1_048_576,
      description:
        'The rest of the body is not read. That is no failure, unless a pattern is not decided by the part that was read.',
    }),
  ),
  keep_alive: Type.Optional(
    Type.Boolean({
      default: false,
      description:
        'Whether the next check reuses the connection, for at most 10 minutes and never for POST and PATCH. By default each check opens a fresh one.',
    }),
  ),
  strict: Type.Optional(
    Type.Boolean({
      default: false,
      description:
        'Whether a response must be strictly HTTP/1.1. By default the deviations that browsers and curl accept are accepted: bare line feeds, folded headers, repeated equal lengths, blanks in the status line.',
    }),
  ),
  ip_version: Type.Optional(
    Type.Unsafe<4 | 6 | 'auto'>({
      enum: [4, 6, 'auto'],
      default: 'auto',
      description: 'Version of the addresses to connect to; auto tries both in turn, and the first connection is used.',
    }),
  ),
  redirects: Type.Optional(
    Type.Object(
      {
        follow: Type.Optional(
          Type.Boolean({
            default: true,
            description: 'Default: true, or false if expected_status names the status of a redirect.',
          }),
        ),
        max: Type.Optional(
          Type.Integer({ minimum: 0, maximum: 20, default: 10, description: 'More redirects are a failure.' }),
        ),
        allow_downgrade: Type.Optional(
          Type.Boolean({ default: false, description: 'Whether a redirect from https to http is followed.' }),
        ),
      },
      { ...strict, description: 'How redirects are followed. Credentials are never sent to another origin.' },
    ),
  ),
  tls: Type.Optional(
    Type.Object(
      {
        verify: Type.Optional(Type.Boolean({ default: true, description: 'Whether the certificate is verified.' })),
        ca: Type.Optional(pem('The only trusted authorities', '(TRUSTED |X509 )?CERTIFICATE')),
        cert: Type.Optional(pem('Client certificate, with its chain', '(TRUSTED |X509 )?CERTIFICATE')),
        key: Type.Optional(pem('Key of the client certificate', '[A-Z ]*PRIVATE KEY')),
        server_name: Type.Optional(
          Type.String({
            pattern: '^[A-Za-z0-9_]([A-Za-z0-9._-]{0,252})$',
            description: 'a host name, sent as SNI and expected in the certificate instead of the one in the uri',
          }),
        ),
        pins: Type.Optional(
          Type.Array(Type.String({ pattern: PIN, description: pinText }), {
            minItems: 1,
            maxItems: 20,
            description:
              'The only accepted public keys of the certificate. Another origin, after a redirect, may have any.',
            examples: [['sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=']],
          }),
        ),
        expiry_warning_days: Type.Optional(
          Type.Number({
            minimum: 0,
            maximum: 36_500,
            description: 'A certificate that expires sooner than this is degraded.',
          }),
        ),
      },
      { ...strict, description: 'TLS of the connection. A client certificate is never sent to another origin.' },
    ),
  ),
  auth: Type.Optional(
    Type.Object(
      {
        type: Type.Unsafe<'basic' | 'bearer'>({
          type: 'string',
          enum: ['basic', 'bearer'],
          description: 'Scheme of the credentials.',
        }),
        username: Type.Optional(Type.String({ maxLength: 1_024, description: 'For basic.' })),
        password: Type.Optional(Type.String({ maxLength: 8_192, description: 'For basic.' })),
        token: Type.Optional(Type.String({ minLength: 1, maxLength: 8_192, description: 'For bearer.' })),
      },
      { ...strict, description: 'Credentials, sent as the header Authorization.' },
    ),
  ),
});

export type HttpOptions = Static<typeof httpOptions>;

/** Header names that usually hold credentials. */
const SECRET_HEADERS = ['*auth*', '*cookie*', '*key*', '*passw*', '*secret*', '*session*', '*token*'];

export const httpSecrets: readonly string[] = [
  'auth.password',
  'auth.token',
  'tls.key',
  'body',
  ...SECRET_HEADERS.map((name) => `headers.${name}`),
];
