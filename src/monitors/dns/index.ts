import { isIP } from 'node:net';
import { type Static, Type } from 'typebox';
import type { Problem } from '../../core/validation.ts';
import { ProbeFailure } from '../failure.ts';
import type { ConnectionGate, MonitorType, NameResolver } from '../monitor.ts';
import { type AddressRules, addressProblems, readAddress } from '../net/fields/address.ts';
import { connectionFields, versionProblems } from '../net/fields/connection.ts';
import { certificateFact, remoteAddressFact } from '../net/fields/facts.ts';
import { allPatternProblems, expressionField } from '../net/fields/pattern.ts';
import { tlsChoiceOf, tlsExcludes, tlsField, tlsProblems, tlsReferences } from '../net/fields/tls.ts';
import { sharedNames } from '../net/names/resolver.ts';
import { readResolverRules } from '../net/names/system-files.ts';
import { createPattern } from '../net/patterns/pattern.ts';
import { converse } from '../net/trial/conversation.ts';
import { exchangeDatagrams } from '../net/trial/datagrams.ts';
import { plannedProbe, type Trial } from '../net/trial/trial.ts';
import { type Expectation, judge } from './judge.ts';
import type { Query, Reply } from './query.ts';
import { RECORD_TYPES, type RecordType } from './records.ts';

const PORTS = { dns: 53, 'dns+tls': 853 } as const;
const MAX_BYTES = 65_537;
const MAX_SENDS = 3;
const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'] as const;

const ACCEPTED =
  'a dns:// or dns+tls:// address: dns://resolver/name?type=MX, or dns:///name for the resolver of this machine';
const RESOLVER: AddressRules = { schemes: ['dns', 'dns+tls'], accepted: ACCEPTED };
const NAME = /^(?=.{1,253}\.?$)([A-Za-z0-9_*-]{1,63}\.)*[A-Za-z0-9_*-]{1,63}\.?$|^\.$/;

const options = Type.Object({
  uri: Type.String({
    pattern: '^[dD][nN][sS](\\+[tT][lL][sS])?://[^/?#\\\\\\s]*/[^/?#\\\\\\s]+(\\?[^#\\\\\\s]*)?$',
    maxLength: 2_048,
    description: ACCEPTED,
    examples: [
      'dns:///example.com?type=MX',
      'dns://9.9.9.9/example.com',
      'dns+tls://dns.quad9.net/example.com?type=AAAA',
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
  tls: Type.Optional(tlsField),
  ...connectionFields,
});

type DnsOptions = Static<typeof options>;

interface Target extends Query {
  scheme: keyof typeof PORTS;
  /** null: the resolver of this machine. */
  resolver: { host: string; port: number } | null;
}

/** Returns the parts of an address; null if it cannot be read. */
function readTarget(uri: string): (Target & { type: string }) | null {
  const [, given = '', authority = '', path = '', search = ''] =
    /^(dns(?:\+tls)?):\/\/([^/?#]*)\/([^/?#]+)(?:\?([^#]*))?$/i.exec(uri) ?? [];
  if (given === '') return null;
  const scheme = given.toLowerCase() as Target['scheme'];
  const address = authority === '' ? null : readAddress(`${scheme}://${authority}`);
  if (authority !== '' && address === null) return null;
  const query = new URLSearchParams(search);
  const type = (query.get('type') ?? 'A').toUpperCase() as RecordType;
  const resolver = address === null ? null : { host: address.host, port: address.port ?? PORTS[scheme] };
  return { scheme, resolver, type, name: type === 'PTR' ? reversed(path) : path };
}

/** 192.0.2.1 is asked for as 1.2.0.192.in-addr.arpa. */
function reversed(name: string): string {
  if (isIP(name) === 4) return `${name.split('.').reverse().join('.')}.in-addr.arpa`;
  if (isIP(name) !== 6) return name;
  const [head = '', tail = ''] = new URL(`http://[${name}]`).hostname.slice(1, -1).split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const before = groups(head);
  const after = groups(tail);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const digits = [...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join('');
  return `${[...digits].reverse().join('.')}.ip6.arpa`;
}

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
  else if (scheme === 'dns+tls') refuse(`${ACCEPTED}, with a resolver for TLS`);
  if (!NAME.test(name)) refuse(`${ACCEPTED}, with a name of letters, digits, dots, dashes and underscores`);
  if (!RECORD_TYPES.some((known) => known === type)) refuse(`${ACCEPTED}, with a type of ${RECORD_TYPES.join(', ')}`);
  const others = [...new URLSearchParams(uri.split('?')[1] ?? '').keys()].filter((key) => key !== 'type');
  if (others.length > 0) refuse(`${ACCEPTED}, with no other parameter than type`);
  if (tls !== undefined && scheme === 'dns')
    found.push({ path: 'tls', given: tls, accepted: 'nothing without TLS: a dns+tls:// address' });
  return [...found, ...versionProblems(resolver?.host ?? null, version)];
}

interface Plan {
  target: Target;
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

interface Context {
  names: NameResolver;
  gate: ConnectionGate;
}

async function ask(
  { scheme, resolver, name, type }: Target,
  given: DnsOptions,
  context: Context,
  trial: Trial,
): Promise<Reply> {
  // The package is loaded with the first question.
  const { encodeQuery, framed, readFramed, readReply } = await import('./query.ts');
  const query = encodeQuery({ name: name.replace(/(.)\.$/, '$1'), type });
  const { ip_version: version = 'auto' } = given;
  const ipVersion = version === 'auto' ? {} : { ipVersion: version };
  const target = { ...(resolver ?? (await ownResolver())), ...ipVersion };
  // The machine's own resolver is asked for every name, and no job has chosen it.
  const gate = resolver === null ? OPEN : context.gate;
  if (scheme === 'dns') {
    const exchange = { trial, names: context.names, gate, data: query.data, sends: MAX_SENDS, awaited: 'answer' };
    const reply = await exchangeDatagrams(target, { ...exchange, read: (bytes) => readReply(bytes, query) });
    trial.facts.transport = 'udp';
    if (!reply.flag_tc) return reply;
  }
  const tls = scheme === 'dns' ? null : tlsChoiceOf(given.tls ?? {}, { alpn: ['dot'] });
  const how = { trial, context: { names: context.names, gate }, maxBytes: MAX_BYTES };
  const { conversation, connection } = await converse({ ...target, tls }, how);
  try {
    trial.facts.transport = tls === null ? 'tcp' : 'tls';
    trial.see(connection.certificate, given.tls?.expiry_warning_days);
    conversation.send(framed(query.data));
    return await conversation.read((bytes) => readFramed(bytes, query), { awaited: 'answer' });
  } finally {
    conversation.close();
  }
}

async function ownResolver(): Promise<{ host: string; port: number }> {
  const { servers } = await readResolverRules('/etc/resolv.conf');
  const [host] = servers;
  if (host === undefined) throw new ProbeFailure('internal', 'this machine has no resolver in /etc/resolv.conf');
  return { host, port: PORTS.dns };
}

/** Stands for its address, which only a check knows: its checks are bounded as those of any host. */
const OWN_RESOLVER = 'the resolver of this machine';
const OPEN: ConnectionGate = { refusal: () => null };

/** Checks what a resolver answers for a name. */
export const dns: MonitorType<DnsOptions> = {
  name: 'dns',
  description: 'what a resolver answers for a name',
  schemes: ['dns', 'dns+tls'],
  options,
  secrets: ['tls.key'],
  references: tlsReferences,
  facts: {
    remote_address: remoteAddressFact,
    certificate: certificateFact,
    answers: Type.Array(Type.String(), { description: 'The records of the type that was asked for.' }),
    authenticated: Type.Boolean({ description: 'Whether the resolver has verified the answer by DNSSEC.' }),
    transport: Type.Unsafe<string>({ type: 'string', enum: ['udp', 'tcp', 'tls'], description: 'How it was asked.' }),
  },
  values: {
    answers: { unit: 'records', description: 'Records of the type that was asked for.' },
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
      async (plan, trial) => {
        const reply = await ask(plan.target, given, { gate, names }, trial);
        await judge(reply, plan.target, plan.expected, trial);
      },
    );
  },
};
