import { type Condition, createCondition } from '../net/conditions/condition.ts';
import type { TlsChoice } from '../net/dial.ts';
import { tlsChoiceOf } from '../net/fields/tls.ts';
import { createPattern, type Pattern } from '../net/patterns/pattern.ts';
import { TlsSessions } from '../net/tls-sessions.ts';
import { BODY_CONDITIONS, type HttpOptions, type HttpVersion, httpVersionOf } from './options.ts';
import { authorityOf, basicCredentials, hostOf, serializeHead } from './parser/request.ts';
import { createProxy, proxyAuthorization } from './proxy/proxy.ts';
import { createStatusTest, namesStatus, type StatusTest } from './status-test.ts';
import { type HttpRequest, isRedirect } from './transport/exchange.ts';

/** The prepared form of an http job. */
export interface HttpPlan {
  /** The request of each check, without the slot header. */
  request: HttpRequest;
  keepAlive: boolean;
  /** Whether only strict HTTP/1.1 is accepted. */
  isStrict: boolean;
  httpVersion: HttpVersion;
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
const FULL_HANDSHAKE_SECONDS = 300;
/** Protocols that are offered for a version. */
export const ALPN: Readonly<Record<HttpVersion, readonly string[]>> = {
  '1.1': ['http/1.1'],
  '2': ['h2'],
  auto: ['h2', 'http/1.1'],
};
/** Of most jobs. */
const VERIFY: TlsChoice = Object.freeze({ verify: true, alpn: ALPN['1.1'] });
const FOLLOW: RedirectRules = Object.freeze({ follow: true, max: 10, allowDowngrade: false });
const NO_HEADERS: readonly HeaderPattern[] = Object.freeze([]);

/** The options must be valid. */
export function createHttpPlan(options: HttpOptions, userAgent: string): HttpPlan {
  const url = new URL(options.uri);
  const headers = requestHeaders(options, url, userAgent);
  const method = (options.method ?? 'GET').toUpperCase();
  const redirects = redirectRules(options);
  const keepAlive = options.keep_alive ?? false;
  const httpVersion = httpVersionOf(options);
  const alpn = ALPN[httpVersion];
  const tls = options.tls === undefined && httpVersion === '1.1' ? VERIFY : tlsChoice(options.tls ?? {}, alpn);
  const expiryWarningDays = options.tls?.expiry_warning_days ?? null;
  const proxy = options.proxy === undefined ? null : createProxy(options.proxy, tls);
  const { href, origin, target, path } = addressOf(url, tls, options.ip_version);
  return {
    // Spelt out: V8 gives each object that is made by spreading a hidden class of its own here, 2 kB of garbage.
    request: {
      href,
      origin,
      target,
      path,
      proxy,
      method,
      headers,
      head: proxy === null ? serializeHead({ method, path, authority: authorityOf(origin), headers }) : null,
      slotTag: null,
      body: options.body ?? null,
      maxBodyBytes: options.max_body_bytes ?? MAX_BODY_BYTES,
      keepBody: BODY_CONDITIONS.some((name) => options[name] !== undefined),
      skipRedirectBody: redirects.follow && !keepAlive,
      wantsCertificate: expiryWarningDays !== null,
    },
    keepAlive,
    isStrict: options.strict ?? false,
    httpVersion,
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
  const host = hostOf(url);
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

function tlsChoice(tls: NonNullable<HttpOptions['tls']>, alpn: readonly string[]): TlsChoice {
  const { resume = false, full_handshake_seconds: seconds = FULL_HANDSHAKE_SECONDS } = tls;
  return tlsChoiceOf(tls, { alpn, ...(resume ? { sessions: new TlsSessions(seconds * 1_000) } : {}) });
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

/** Returns what the headers of credentials hold: a site that repeats them tells the password. The options must be valid. */
export function encodedCredentials({ uri, auth, proxy }: HttpOptions): string[] {
  const own = authorizationOf(auth, new URL(uri));
  const ofProxy = proxy === undefined ? [] : proxyAuthorization(createProxy(proxy, VERIFY));
  return [own, ...ofProxy].flatMap((text) => /^Basic (.+)$/.exec(text ?? '')?.[1] ?? []);
}

function authorizationOf(auth: HttpOptions['auth'], url: URL): string | null {
  if (auth?.type === 'bearer') return `Bearer ${auth.token}`;
  if (auth) return basicCredentials(auth.username ?? '', auth.password ?? '');
  if (url.username === '' && url.password === '') return null;
  return basicCredentials(decodeURIComponent(url.username), decodeURIComponent(url.password));
}
