import { mayRefer, replaceReferences } from '../../core/secret-reference.ts';
import type { Problem } from '../../core/validation.ts';
import { conditionFault } from '../net/conditions/condition.ts';
import { versionProblems } from '../net/fields/connection.ts';
import { headerNameProblems, requestHeaderProblems } from '../net/fields/headers.ts';
import { allPatternProblems } from '../net/fields/pattern.ts';
import { tlsExcludes, tlsProblems } from '../net/fields/tls.ts';
import { SELF_HOST, selfProblems } from '../self.ts';
import { BODY_CONDITIONS, type HttpOptions, httpVersionOf } from './options.ts';
import { hostOf } from './parser/request.ts';
import { readProxy } from './proxy/proxy.ts';

/** Options of connections of HTTP/1.1. */
const HTTP1_OPTIONS = ['keep_alive', 'strict'] as const;

/** Options that a proxy excludes, with the values. */
const DIRECT_OPTIONS = [
  ['keep_alive', true],
  ['strict', true],
  ['ip_version', 4, 6],
] as const;

/** The problems below that JSON Schema can express: schemas that no options may fit. */
export const httpExcludes: readonly object[] = [
  ...BODY_CONDITIONS.map((name) => ({
    properties: { method: { enum: ['HEAD', 'head'] } },
    required: ['method', name],
  })),
  ...HTTP1_OPTIONS.map((name) => ({
    properties: { http_version: { enum: ['2', 'auto', 2] }, [name]: { const: true } },
    required: ['http_version', name],
  })),
  {
    properties: { http_version: { enum: ['2', 2] }, uri: { pattern: '^[hH][tT][tT][pP]:' } },
    required: ['http_version', 'uri'],
  },
  ...DIRECT_OPTIONS.map(([name, ...values]) => ({
    properties: { [name]: { enum: values } },
    required: ['proxy', name],
  })),
  ...tlsExcludes,
  {
    properties: {
      tls: {
        required: ['full_handshake_seconds'],
        not: { properties: { resume: { const: true } }, required: ['resume'] },
      },
    },
    required: ['tls'],
  },
];

/** Returns the problems of an http job that its schema cannot express. */
export function httpProblems(options: Partial<HttpOptions>): Problem[] {
  return [
    ...uriProblems(options.uri),
    ...versionProblems(hostOfUri(options.uri), options.ip_version),
    ...httpVersionProblems(options),
    ...proxyProblems(options),
    ...requestHeaderProblems(options.headers, OWN_HEADERS),
    ...statusProblems(options.expected_status),
    ...bodyProblems(options),
    ...headerNameProblems('expected_headers', options.expected_headers),
    ...headerNameProblems('forbidden_headers', options.forbidden_headers),
    ...patternsProblems(options),
    ...conditionProblems(options.json_condition),
    ...tlsProblems(options.tls),
    ...resumptionProblems(options.tls),
    ...authProblems(options.auth, options),
  ];
}

function uriProblems(uri: string | undefined): Problem[] {
  if (uri === undefined) return [];
  const apart = mayRefer(uri) ? ' with its host and port in it, only the rest may be secret' : '';
  const accepted = `an http:// or https:// address${apart}`;
  if (!URL.canParse(uri)) return [{ path: 'uri', given: uri, accepted }];
  const url = new URL(uri);
  const self = selfProblems(url);
  if (self.length > 0) return self;
  const { port, username, password } = url;
  if (port === '0') return [{ path: 'uri', given: uri, accepted: `${accepted} with a port 1 to 65535` }];
  // Checked separately: an escape must not begin in one and end in the other.
  if (isDecodable(username) && isDecodable(password)) return [];
  return [{ path: 'uri', given: uri, accepted: 'a user name and password in which % begins an escape such as %40' }];
}

function isDecodable(text: string): boolean {
  try {
    return decodeURIComponent(text) !== null;
  } catch {
    return false;
  }
}

function hostOfUri(uri: string | undefined): string | null {
  return uri !== undefined && URL.canParse(uri) ? hostOf(new URL(uri)) : null;
}

function httpVersionProblems(options: Partial<HttpOptions>): Problem[] {
  const { uri, http_version: given, headers } = options;
  const version = httpVersionOf(options);
  if (version === '1.1') return [];
  const problems: Problem[] = HTTP1_OPTIONS.filter((name) => options[name] === true).map((path) => {
    return { path, given: true, accepted: 'false, or http_version 1.1: it is about HTTP/1.1' };
  });
  if (version === '2' && uri !== undefined && /^http:/i.test(uri)) {
    const accepted = '1.1 or auto, or an https:// address: HTTP/2 is agreed on in the TLS handshake';
    problems.push({ path: 'http_version', given, accepted });
  }
  const upgrade = Object.keys(headers ?? {}).find((name) => name.toLowerCase() === 'http2-settings');
  if (upgrade !== undefined) {
    problems.push({ path: `headers.${upgrade}`, given: headers?.[upgrade], accepted: 'no such header with HTTP/2' });
  }
  return problems;
}

function proxyProblems(options: Partial<HttpOptions>): Problem[] {
  const { proxy: given, uri } = options;
  if (given === undefined) return [];
  const problems: Problem[] = DIRECT_OPTIONS.filter(([name, ...values]) => values.some((v) => v === options[name])).map(
    ([path]) => ({ path, given: options[path], accepted: 'nothing with a proxy' }),
  );
  if (uri !== undefined && URL.canParse(uri) && new URL(uri).hostname === SELF_HOST) {
    problems.push({ path: 'proxy', given, accepted: `nothing with ${SELF_HOST}` });
  }
  const read = readProxy(given);
  const refuse = (accepted: string) => problems.push({ path: 'proxy', given, accepted });
  if (read === null || read.port === 0) refuse('an http://, https:// or socks5:// address of a proxy with its port');
  else if (!isDecodable(read.url.username) || !isDecodable(read.url.password)) {
    refuse('a user name and password in which % begins an escape such as %40');
  } else if (!areSendable(read))
    refuse('a user name and password that the proxy can be told: without a colon, of 255 bytes');
  return problems;
}

/** Basic has no colon in the user name; SOCKS5 has lengths of one byte (RFC 1929). */
function areSendable({ scheme, url }: NonNullable<ReturnType<typeof readProxy>>): boolean {
  const [username, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  if (scheme !== 'socks5') return !username.includes(':');
  return (username !== '' || password === '') && [username, password].every((text) => Buffer.byteLength(text) <= 255);
}

/** Headers of the message framing, and Vedette's own. */
const OWN_HEADERS = new Set([
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'vedette-slot',
]);

function statusProblems(expected: HttpOptions['expected_status']): Problem[] {
  if (expected === undefined) return [];
  return [expected].flat().flatMap((item, index) => {
    const [low = 0, high] = String(item).split('-').map(Number);
    if (high === undefined || low <= high) return [];
    const path = Array.isArray(expected) ? `expected_status[${index}]` : 'expected_status';
    return [{ path, given: item, accepted: 'a range whose first status is not above its last' }];
  });
}

function patternsProblems(options: Partial<HttpOptions>): Problem[] {
  const patterns = BODY_PATTERNS.map((name) => [name, options[name]] as const);
  const headers = HEADER_PATTERNS.flatMap((field) =>
    Object.entries(options[field] ?? {}).map(([name, source]) => [`${field}.${name}`, source] as const),
  );
  const whole = HEADER_PATTERNS.find((field) => options[field] !== undefined) ?? 'pattern';
  return allPatternProblems([...patterns, ...headers], whole);
}

const BODY_PATTERNS = ['pattern', 'forbidden_pattern'] as const;
const HEADER_PATTERNS = ['expected_headers', 'forbidden_headers'] as const;

function conditionProblems(condition: string | undefined): Problem[] {
  if (condition === undefined) return [];
  const fault = conditionFault(condition);
  return fault === null
    ? []
    : [{ path: 'json_condition', given: condition, accepted: `a condition in CEL about json: ${fault}` }];
}

function bodyProblems(options: Partial<HttpOptions>): Problem[] {
  if (options.method?.toUpperCase() !== 'HEAD') return [];
  return BODY_CONDITIONS.filter((name) => options[name] !== undefined).map((path) => {
    return { path, given: options[path], accepted: 'nothing with the method HEAD, whose answers have no body' };
  });
}

function resumptionProblems(tls: HttpOptions['tls']): Problem[] {
  const { resume, full_handshake_seconds: given } = tls ?? {};
  if (given === undefined || resume === true) return [];
  return [{ path: 'tls.full_handshake_seconds', given, accepted: 'nothing without tls.resume: true' }];
}

function authProblems(auth: HttpOptions['auth'], { headers }: Partial<HttpOptions>): Problem[] {
  if (auth === undefined) return [];
  const { type, username, password, token } = auth;
  const problems: Problem[] = [];
  const refuse = (name: string, given: unknown, accepted: string) =>
    problems.push({ path: `auth.${name}`, given, accepted });
  if (type === 'basic') {
    if (username === undefined) refuse('username', undefined, 'a user name, basic needs it');
    else if (replaceReferences(username, () => '').includes(':'))
      refuse('username', username, 'a user name without a colon');
    if (password === undefined) refuse('password', undefined, 'a password, basic needs it');
    if (token !== undefined) refuse('token', token, 'nothing, a token is for bearer');
  } else {
    if (token === undefined) refuse('token', undefined, 'a token, bearer needs it');
    else if (!/^[\x21-\x7e]+$/.test(token)) refuse('token', token, 'printable ASCII without spaces');
    if (username !== undefined) refuse('username', username, 'nothing, a user name is for basic');
    if (password !== undefined) refuse('password', password, 'nothing, a password is for basic');
  }
  const other = Object.keys(headers ?? {}).find((name) => name.toLowerCase() === 'authorization');
  if (other !== undefined) refuse('type', type, `either auth or headers.${other}`);
  return problems;
}
