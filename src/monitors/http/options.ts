import { type Static, Type } from 'typebox';
import { connectionFields } from '../net/fields/connection.ts';
import { headersField, secretHeaders } from '../net/fields/headers.ts';
import { expressionField } from '../net/fields/pattern.ts';
import { tlsMembers, tlsReferences } from '../net/fields/tls.ts';
import { PROXY } from './proxy/proxy.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const strict = { additionalProperties: false } as const;

/** Three digits, a range of them, or a class such as 2xx. */
const STATUS = '^([1-9][0-9]{2}(-[1-9][0-9]{2})?|[1-9][xX]{2})$';
const statusText = 'a status such as 200, a range such as "200-299", or a class such as "2xx"';

const statusItem = Type.Unsafe<number | string>({
  type: ['integer', 'string'],
  minimum: 100,
  maximum: 999,
  pattern: STATUS,
  description: statusText,
});

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
    headersField(
      `Headers of the request, name to value. A redirect to another origin does not get them. Their values, uri, proxy, body and auth may refer to secrets: \${secret:NAME}.`,
      { accept: 'application/json' },
    ),
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
  pattern: Type.Optional(expressionField('A regular expression that the body must contain')),
  expected_headers: Type.Optional(
    headerPatterns(
      'Headers that the response must have, name to a regular expression that the value must contain; "" takes any value.',
      { 'content-type': '^text/html' },
    ),
  ),
  forbidden_pattern: Type.Optional(expressionField('A regular expression that the body must not contain')),
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
  ...connectionFields,
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
  http_version: Type.Optional(
    Type.Unsafe<'1.1' | '2' | 'auto' | 1.1 | 2>({
      type: ['string', 'number'],
      enum: ['1.1', '2', 'auto', 1.1, 2],
      default: '1.1',
      description:
        'Version of HTTP, agreed on in the TLS handshake (ALPN): with 2 a site that does not agree is down, with auto the site chooses. Other than 1.1 excludes keep_alive and strict.',
    }),
  ),
  proxy: Type.Optional(
    Type.String({
      pattern: PROXY,
      maxLength: 2_048,
      description: 'an http://, https:// or socks5:// address of a proxy with its port',
      examples: ['http://user:password@proxy.example.com:3128'],
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
        ...tlsMembers,
        resume: Type.Optional(
          Type.Boolean({
            default: false,
            description:
              'Whether a check resumes the TLS session of an earlier one if the site allows it: faster, but its certificate is not seen. By default each handshake is a full one.',
          }),
        ),
        full_handshake_seconds: Type.Optional(
          Type.Number({
            exclusiveMinimum: 0,
            maximum: 86_400,
            default: 300,
            description:
              'With resume: greatest age of the last full handshake, so that a new certificate is seen. Nothing without resume.',
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
export type HttpVersion = '1.1' | '2' | 'auto';

/** Numbers are accepted, too: YAML makes them of unquoted versions. */
export function httpVersionOf({ http_version: version = '1.1' }: Partial<HttpOptions>): HttpVersion {
  return String(version) as HttpVersion;
}

/** A reference elsewhere would not be secret: patterns and conditions are shown, and decide what is seen of an answer. */
export const httpReferences: readonly string[] = [
  ...['uri', 'proxy', 'headers.*', 'body'],
  ...['auth.username', 'auth.password', 'auth.token'],
  ...tlsReferences,
];

export const httpSecrets: readonly string[] = ['auth.password', 'auth.token', 'tls.key', 'body', ...secretHeaders];
