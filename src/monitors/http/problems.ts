import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import type { Problem } from '../../core/validation.ts';
import { conditionFault } from '../net/conditions/condition.ts';
import { expressionFault, expressionsFault } from '../net/patterns/pattern.ts';
import { selfProblems } from '../self.ts';
import { BODY_CONDITIONS, type HttpOptions } from './options.ts';

/** The problems below that JSON Schema can express: schemas that no options may fit. */
export const httpExcludes: readonly object[] = [
  ...BODY_CONDITIONS.map((name) => ({
    properties: { method: { enum: ['HEAD', 'head'] } },
    required: ['method', name],
  })),
  { properties: { tls: { required: ['cert'], not: { required: ['key'] } } }, required: ['tls'] },
  { properties: { tls: { required: ['key'], not: { required: ['cert'] } } }, required: ['tls'] },
];

/** Returns the problems of an http job that its schema cannot express. */
export function httpProblems(options: Partial<HttpOptions>): Problem[] {
  return [
    ...uriProblems(options.uri),
    ...versionProblems(options),
    ...headerProblems('headers', options.headers),
    ...statusProblems(options.expected_status),
    ...bodyProblems(options),
    ...headerProblems('expected_headers', options.expected_headers),
    ...headerProblems('forbidden_headers', options.forbidden_headers),
    ...patternsProblems(options),
    ...conditionProblems(options.json_condition),
    ...tlsProblems(options.tls),
    ...authProblems(options.auth, options),
  ];
}

function uriProblems(uri: string | undefined): Problem[] {
  if (uri === undefined) return [];
  const accepted = 'an http:// or https:// address';
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

/** The version of a literal address must match ip_version. */
function versionProblems({ uri, ip_version: version = 'auto' }: Partial<HttpOptions>): Problem[] {
  if (uri === undefined || version === 'auto' || !URL.canParse(uri)) return [];
  const own = isIP(new URL(uri).hostname.replace(/^\[|\]$/g, ''));
  if (own === 0 || own === version) return [];
  return [{ path: 'ip_version', given: version, accepted: `${own} or auto, the uri has an IPv${own} address` }];
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/;
// Control characters except the tab would end the header, characters above U+00FF have no byte.
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

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

function headerProblems(
  field: 'headers' | 'expected_headers' | 'forbidden_headers',
  headers: Record<string, string> | undefined,
): Problem[] {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  for (const [name, value] of Object.entries(headers ?? {})) {
    const path = `${field}.${name}`;
    const lower = name.toLowerCase();
    if (!TOKEN.test(name)) problems.push({ path, given: name, accepted: 'a header name' });
    else if (seen.has(lower)) problems.push({ path, given: name, accepted: 'each header once, in whatever case' });
    else if (field === 'headers' && OWN_HEADERS.has(lower)) {
      problems.push({ path, given: value, accepted: 'no such header, it is set by Vedette' });
    } else if (field === 'headers' && !HEADER_VALUE.test(value)) {
      problems.push({ path, given: value, accepted: 'a header value: one line, no characters above U+00FF' });
    }
    seen.add(lower);
  }
  return problems;
}

function statusProblems(expected: HttpOptions['expected_status']): Problem[] {
  if (expected === undefined) return [];
  return [expected].flat().flatMap((item, index) => {
    const [low = 0, high] = String(item).split('-').map(Number);
    if (high === undefined || low <= high) return [];
    const path = Array.isArray(expected) ? `expected_status[${index}]` : 'expected_status';
    return [{ path, given: item, accepted: 'a range whose first status is not above its last' }];
  });
}

/** Patterns that are too large together are not compiled one by one. */
function patternsProblems(options: Partial<HttpOptions>): Problem[] {
  const patterns = BODY_PATTERNS.map((name) => [name, options[name]] as const);
  const headers = HEADER_PATTERNS.flatMap((field) =>
    Object.entries(options[field] ?? {}).map(([name, source]) => [`${field}.${name}`, source] as const),
  );
  const all = [...patterns, ...headers].filter(([, source]) => source !== undefined && source !== '');
  const fault = all.length > 1 ? expressionsFault(all.map(([, source]) => source as string)) : null;
  if (fault !== null) {
    const path = HEADER_PATTERNS.find((field) => options[field] !== undefined) ?? 'pattern';
    return [{ path, given: `${all.length} patterns`, accepted: `patterns of ${fault}` }];
  }
  return all.flatMap(([path, source]) => patternProblems(path, source));
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

function patternProblems(path: string, expression: string | undefined): Problem[] {
  if (!expression) return [];
  const fault = expressionFault(expression);
  return fault === null ? [] : [{ path, given: expression, accepted: `a regular expression of RE2: ${fault}` }];
}

function bodyProblems(options: Partial<HttpOptions>): Problem[] {
  if (options.method?.toUpperCase() !== 'HEAD') return [];
  return BODY_CONDITIONS.filter((name) => options[name] !== undefined).map((path) => {
    return { path, given: options[path], accepted: 'nothing with the method HEAD, whose answers have no body' };
  });
}

function tlsProblems(tls: HttpOptions['tls']): Problem[] {
  const { ca, cert, key } = tls ?? {};
  const problems: Problem[] = [];
  for (const [name, text] of [['ca', ca] as const, ['cert', cert] as const]) {
    if (text !== undefined && !isCertificate(text)) {
      problems.push({ path: `tls.${name}`, given: text, accepted: 'a certificate in PEM that can be read' });
    }
  }
  if (key !== undefined && !isKey(key)) {
    problems.push({ path: 'tls.key', given: key, accepted: 'a private key in PEM without a passphrase' });
  }
  if ((cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? 'cert' : 'key';
    problems.push({ path: `tls.${missing}`, given: undefined, accepted: 'tls.cert and tls.key together' });
  }
  if (problems.length === 0 && cert !== undefined && key !== undefined && !belongTogether(cert, key)) {
    problems.push({ path: 'tls.key', given: key, accepted: 'the private key of tls.cert' });
  }
  return problems;
}

function isCertificate(text: string): boolean {
  try {
    return new X509Certificate(text).subject !== undefined || true;
  } catch {
    return false;
  }
}

function isKey(text: string): boolean {
  try {
    createPrivateKey(text);
    return true;
  } catch {
    return false;
  }
}

function belongTogether(cert: string, key: string): boolean {
  try {
    createSecureContext({ cert, key });
    return true;
  } catch {
    return false;
  }
}

function authProblems(auth: HttpOptions['auth'], { headers }: Partial<HttpOptions>): Problem[] {
  if (auth === undefined) return [];
  const { type, username, password, token } = auth;
  const problems: Problem[] = [];
  const refuse = (name: string, given: unknown, accepted: string) =>
    problems.push({ path: `auth.${name}`, given, accepted });
  if (type === 'basic') {
    if (username === undefined) refuse('username', undefined, 'a user name, basic needs it');
    else if (username.includes(':')) refuse('username', username, 'a user name without a colon');
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
