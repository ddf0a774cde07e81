import { type Condition, createCondition } from '../net/conditions/condition.ts';
import type { TlsChoice } from '../net/dial.ts';
import { createPattern, type Pattern } from '../net/patterns/pattern.ts';
import { BODY_CONDITIONS, type HttpOptions } from './options.ts';
import { createStatusTest, namesStatus, type StatusTest } from './status-test.ts';
import { type HttpRequest, isRedirect } from './transport/exchange.ts';

/** The prepared form of an http job. */
export interface HttpPlan {
  /** The request of each check, without the slot header. */
  request: HttpRequest;
  keepAlive: boolean;
  /** Whether only strict HTTP/1.1 is accepted. */
  isStrict: boolean;
  redirects: RedirectRules;
  tls: TlsChoice;
  isExpected: StatusTest;
  pattern: Pattern | null;
  forbiddenPattern: Pattern | null;
  jsonCondition: Condition | null;
  expectedHeaders: readonly HeaderPattern[];
  forbiddenHeaders: readonly HeaderPattern[];
  slowSeconds: number | null;
  expiryWarningDays: number | null;
}

interface HeaderPattern {
  name: string;
  /** null: any value. */
  pattern: Pattern | null;
}

interface RedirectRules {
  follow: boolean;
  max: number;
  allowDowngrade: boolean;
}

const MAX_BODY_BYTES = 1_048_576;
const VERIFY: TlsChoice = Object.freeze({ verify: true });
const FOLLOW: RedirectRules = Object.freeze({ follow: true, max: 10, allowDowngrade: false });
const NO_HEADERS: readonly HeaderPattern[] = Object.freeze([]);

/** The options must be valid. */
export function createHttpPlan(options: HttpOptions, userAgent: string): HttpPlan {
  const url = new URL(options.uri);
  const headers = requestHeaders(options, url, userAgent);
  const redirects = redirectRules(options);
  const keepAlive = options.keep_alive ?? false;
  const tls = options.tls === undefined ? VERIFY : tlsChoice(options.tls);
  const expiryWarningDays = options.tls?.expiry_warning_days ?? null;
  return {
    request: {
      ...addressOf(url, tls, options.ip_version),
      method: (options.method ?? 'GET').toUpperCase(),
      headers,
      body: options.body ?? null,
      maxBodyBytes: options.max_body_bytes ?? MAX_BODY_BYTES,
      keepBody: BODY_CONDITIONS.some((name) => options[name] !== undefined),
      skipRedirectBody: redirects.follow && !keepAlive,
      wantsCertificate: expiryWarningDays !== null,
    },
    keepAlive,
    isStrict: options.strict ?? false,
    redirects,
    tls,
    isExpected: createStatusTest(options.expected_status),
    pattern: patternOf(options.pattern),
    forbiddenPattern: patternOf(options.forbidden_pattern),
    jsonCondition: options.json_condition === undefined ? null : createCondition(options.json_condition),
    expectedHeaders: headerPatterns(options.expected_headers),
    forbiddenHeaders: headerPatterns(options.forbidden_headers),
    slowSeconds: options.max_response_time_seconds ?? null,
    expiryWarningDays,
  };
}

/** Returns the target of a request, without the credentials of the address. */
export function addressOf(
  url: URL,
  tls: TlsChoice,
  ipVersion: HttpOptions['ip_version'] = 'auto',
): Pick<HttpRequest, 'href' | 'origin' | 'target' | 'path'> {
  // Every access to these properties serializes the address again.
  if (url.username !== '') url.username = '';
  if (url.password !== '') url.password = '';
  if (url.hash !== '') url.hash = '';
  const isTls = url.protocol === 'https:';
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port);
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
  const target = { host, port, tls: isTls ? tls : null, ...(ipVersion === 'auto' ? {} : { ipVersion }) };
  const { href, origin } = url;
  // Not composed of pathname and search, which do not tell `/p?` from `/p`.
  return { href, origin, target, path: href.slice(origin.length) };
}

function redirectRules({ redirects, expected_status: expectedStatus }: HttpOptions): RedirectRules {
  // A job that expects the status of a redirect wants to see the redirect.
  const follow = redirects?.follow ?? !namesStatus(expectedStatus, isRedirect);
  if (redirects === undefined && follow) return FOLLOW;
  return { follow, max: redirects?.max ?? FOLLOW.max, allowDowngrade: redirects?.allow_downgrade ?? false };
}

/** "" is no pattern. */
function patternOf(source: string | undefined): Pattern | null {
  return source ? createPattern(source) : null;
}

function headerPatterns(headers: Record<string, string> | undefined): readonly HeaderPattern[] {
  if (headers === undefined) return NO_HEADERS;
  return Object.entries(headers).map(([name, source]) => ({ name: name.toLowerCase(), pattern: patternOf(source) }));
}

function tlsChoice({
  verify = true,
  server_name: serverName,
  ca,
  cert,
  key,
  pins,
}: NonNullable<HttpOptions['tls']>): TlsChoice {
  return {
    verify,
    ...(serverName === undefined ? {} : { serverName }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(pins === undefined ? {} : { pins }),
  };
}

function requestHeaders({ headers = {}, auth }: HttpOptions, url: URL, userAgent: string): string[] {
  const list: string[] = [];
  const given = new Set<string>();
  for (const [name, value] of Object.entries(headers)) {
    list.push(name, value);
    given.add(name.toLowerCase());
  }
  if (!given.has('user-agent')) list.push('user-agent', userAgent);
  if (!given.has('accept')) list.push('accept', '*/*');
  const authorization = authorizationOf(auth, url);
  if (authorization !== null && !given.has('authorization')) list.push('authorization', authorization);
  return list;
}

function authorizationOf(auth: HttpOptions['auth'], url: URL): string | null {
  if (auth?.type === 'bearer') return `Bearer ${auth.token}`;
  if (auth) return basic(auth.username ?? '', auth.password ?? '');
  if (url.username === '' && url.password === '') return null;
  return basic(decodeURIComponent(url.username), decodeURIComponent(url.password));
}

const basic = (name: string, password: string) => `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
