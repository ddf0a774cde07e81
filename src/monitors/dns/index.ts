import { type Static, Type } from 'typebox';
import type { Problem } from '../../core/validation.ts';
import type { MonitorType } from '../monitor.ts';
import { type AddressRules, addressProblems } from '../net/fields/address.ts';
import { connectionFields, versionProblems } from '../net/fields/connection.ts';
import { certificateFact, httpVersionFact, remoteAddressFact } from '../net/fields/facts.ts';
import { allPatternProblems, expressionField } from '../net/fields/pattern.ts';
import { tlsExcludes, tlsField, tlsProblems, tlsReferences } from '../net/fields/tls.ts';
import { sharedNames } from '../net/names/resolver.ts';
import { createPattern } from '../net/patterns/pattern.ts';
import { plannedProbe } from '../net/trial/trial.ts';
import { ask, HTTPS_PATH } from './ask.ts';
import { type Expectation, judge } from './judge.ts';
import { RECORD_TYPES } from './records.ts';
import { DNS_SCHEMES, type DnsTarget, readTarget } from './target.ts';

const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'] as const;

const ACCEPTED =
  'a dns://, dns+tls:// or dns+https:// address: dns://resolver/name?type=MX, or dns:///name for the resolver of this machine';
const RESOLVER: AddressRules = { schemes: DNS_SCHEMES, accepted: ACCEPTED };
const NAME = /^(?=.{1,253}\.?$)([A-Za-z0-9_*-]{1,63}\.)*[A-Za-z0-9_*-]{1,63}\.?$|^\.$/;

const options = Type.Object({
  uri: Type.String({
    pattern:
      '^[dD][nN][sS](\\+([tT][lL][sS]|[hH][tT][tT][pP][sS]))?://[^/?#\\\\\\s]*/[^/?#\\\\\\s]+(\\?[^#\\\\\\s]*)?$',
    maxLength: 2_048,
    description: ACCEPTED,
    examples: [
      'dns:///example.com?type=MX',
      'dns://9.9.9.9/example.com',
      'dns+tls://dns.quad9.net/example.com?type=AAAA',
      'dns+https://dns.quad9.net/example.com?type=HTTPS',
    ],
  }),
  expected: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 1_000 }), {
      minItems: 1,
      maxItems: 50,
      description: 'Records as zone files have them: an address, a name, "10 mail.example.com" of MX, the text of TXT.',
      examples: [['192.0.2.1', '192.0.2.2']],
    }),
  ),
  expected_match: Type.Optional(
    Type.Unsafe<Expectation['match']>({
      type: 'string',
      enum: ['all', 'any', 'none', 'exactly'],
      default: 'all',
      description: 'Which of the expected records must be there: all, any, none, or all and no others.',
    }),
  ),
  expected_code: Type.Optional(
    Type.Unsafe<string>({ type: 'string', enum: [...RCODES], default: 'NOERROR', description: 'Code of the answer.' }),
  ),
  pattern: Type.Optional(expressionField('A regular expression that must be found in one of the records')),
  authenticated: Type.Optional(
    Type.Boolean({ default: false, description: 'Whether the resolver must have verified the answer by DNSSEC (AD).' }),
  ),
  method: Type.Optional(
    Type.Unsafe<'GET' | 'POST'>({
      type: 'string',
      enum: ['GET', 'POST'],
      default: 'POST',
      description: 'Method of the request, with dns+https://.',
    }),
  ),
  path: Type.Optional(
    Type.String({
      pattern: '^/[!"$-~]*$',
      maxLength: 1_000,
      default: HTTPS_PATH,
      description: 'a path, perhaps with a query, at which the resolver is asked with dns+https://',
    }),
  ),
  http_version: Type.Optional(
    Type.Unsafe<'1.1' | '2' | 'auto' | 1.1 | 2>({
      type: ['string', 'number'],
      enum: ['1.1', '2', 'auto', 1.1, 2],
      default: 'auto',
      description: 'Version of HTTP, with dns+https://; with auto the resolver chooses.',
    }),
  ),
  tls: Type.Optional(tlsField),
  ...connectionFields,
});

type DnsOptions = Static<typeof options>;

/** Fields that are about HTTP. */
const HTTP_FIELDS = ['method', 'path', 'http_version'] as const;

function problems(given: Partial<DnsOptions>): Problem[] {
  const { uri, tls, pattern, expected, expected_match: match, ip_version: version } = given;
  const found = [...tlsProblems(tls), ...allPatternProblems([['pattern', pattern]], 'pattern')];
  if (match !== undefined && expected === undefined) {
    found.push({ path: 'expected_match', given: match, accepted: 'nothing without expected' });
  }
  if (uri === undefined) return found;
  const target = readTarget(uri);
  const refuse = (accepted: string) => found.push({ path: 'uri', given: uri, accepted });
  if (target === null) {
    refuse(ACCEPTED);
    return found;
  }
  const { scheme, resolver, name, type } = target;
  const [authority = ''] = /^[^/]*/.exec(uri.slice(uri.indexOf('//') + 2)) ?? [];
  if (resolver !== null)
    found.push(...addressProblems(`${scheme}://${authority}`, RESOLVER).map((problem) => ({ ...problem, given: uri })));
  else if (scheme !== 'dns') refuse(`${ACCEPTED}, with a resolver for TLS`);
  if (!NAME.test(name)) refuse(`${ACCEPTED}, with a name of letters, digits, dots, dashes and underscores`);
  if (!RECORD_TYPES.some((known) => known === type)) refuse(`${ACCEPTED}, with a type of ${RECORD_TYPES.join(', ')}`);
  const others = [...new URLSearchParams(uri.split('?')[1] ?? '').keys()].filter((key) => key !== 'type');
  if (others.length > 0) refuse(`${ACCEPTED}, with no other parameter than type`);
  if (tls !== undefined && scheme === 'dns')
    found.push({ path: 'tls', given: tls, accepted: 'nothing without TLS: a dns+tls:// or dns+https:// address' });
  for (const field of HTTP_FIELDS) {
    if (given[field] === undefined || scheme === 'dns+https') continue;
    found.push({ path: field, given: given[field], accepted: 'nothing without HTTPS: a dns+https:// address' });
  }
  return [...found, ...versionProblems(resolver?.host ?? null, version)];
}

interface Plan {
  target: DnsTarget;
  expected: Expectation;
}

/** The options must be valid. */
function createPlan(given: DnsOptions): Plan {
  const target = readTarget(given.uri);
  if (target === null) throw new Error('The address of a dns job cannot be read');
  const expected: Expectation = {
    rcode: given.expected_code ?? 'NOERROR',
    texts: given.expected ?? [],
    match: given.expected_match ?? 'all',
    pattern: given.pattern === undefined ? null : createPattern(given.pattern),
    isAuthenticated: given.authenticated ?? false,
  };
  return { target, expected };
}

/** Stands for its address, which only a check knows: its checks are bounded as those of any host. */
const OWN_RESOLVER = 'the resolver of this machine';

/** Checks what a resolver answers for a name. */
export const dns: MonitorType<DnsOptions> = {
  name: 'dns',
  description: 'what a resolver answers for a name',
  schemes: DNS_SCHEMES,
  options,
  packages: ['dns-packet'],
  secrets: ['tls.key'],
  references: tlsReferences,
  facts: {
    remote_address: remoteAddressFact,
    certificate: certificateFact,
    answers: Type.Array(Type.String(), { description: 'The records of the type that was asked for.' }),
    authenticated: Type.Boolean({ description: 'Whether the resolver has verified the answer by DNSSEC.' }),
    transport: Type.Unsafe<string>({
      type: 'string',
      enum: ['udp', 'tcp', 'tls', 'https'],
      description: 'How it was asked.',
    }),
    http_version: httpVersionFact,
  },
  values: {
    answers: { unit: 'records', description: 'Records of the type that was asked for.' },
    authenticated: { unit: '', description: '1 if the resolver has verified the answer by DNSSEC, else 0.' },
    ttl: { unit: 's', description: 'How long the answer may be kept: the shortest of its records.' },
    days_left: { unit: 'days', description: 'Until the first certificate of the resolver expires, with TLS.' },
  },
  problems,
  excludes: tlsExcludes,
  host: ({ uri }) => readTarget(uri)?.resolver?.host ?? OWN_RESOLVER,
  prepare(given, { gate, names = sharedNames() }) {
    return plannedProbe(
      given.max_response_time_seconds,
      () => createPlan(given),
      async ({ target, expected }, trial, { slotTag }) => {
        const reply = await ask(target, given, { trial, context: { gate, names }, slotTag });
        await judge(reply, target, expected, trial);
      },
    );
  },
};
