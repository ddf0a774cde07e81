import type { TLSSocket } from 'node:tls';
import { type Static, Type } from 'typebox';
import type { Problem } from '../../core/validation.ts';
import { ProbeFailure } from '../failure.ts';
import type { MonitorType } from '../monitor.ts';
import { sentCertificates } from '../net/certificate.ts';
import { type AddressRules, addressField, addressProblems, readAddress } from '../net/fields/address.ts';
import { connectionFields, versionProblems } from '../net/fields/connection.ts';
import { certificateFact, remoteAddressFact } from '../net/fields/facts.ts';
import { tlsChoiceOf, tlsExcludes, tlsField, tlsProblems, tlsReferences } from '../net/fields/tls.ts';
import { daysLeftValue } from '../net/fields/values.ts';
import { sharedNames } from '../net/names/resolver.ts';
import type { ConverseOptions } from '../net/trial/conversation.ts';
import { type OpenOptions, open, STARTTLS_PROTOCOLS, type StartTls } from '../net/trial/starttls.ts';
import { plannedProbe, type Trial } from '../net/trial/trial.ts';

const DEFAULT_PORT = 443;
/** Of what is said before the handshake. */
const MAX_BYTES = 65_536;

const ADDRESS: AddressRules = { schemes: ['tls'], accepted: 'a tls:// address of a host, perhaps with its port' };

const options = Type.Object({
  uri: addressField(ADDRESS, ['tls://example.com', 'tls://mail.example.com:25']),
  names: Type.Optional(
    Type.Array(
      Type.String({
        minLength: 1,
        maxLength: 253,
        pattern: '^[A-Za-z0-9_.:-]+$',
        description: 'a host name or an address',
      }),
      {
        minItems: 1,
        maxItems: 50,
        description: 'Further names for which the certificate must be valid.',
        examples: [['www.example.com']],
      },
    ),
  ),
  min_version: Type.Optional(
    Type.Unsafe<'1.2' | '1.3' | 1.2 | 1.3>({
      type: ['string', 'number'],
      enum: ['1.2', '1.3', 1.2, 1.3],
      default: '1.2',
      description: 'Lowest version of TLS that may be agreed on. Older ones than 1.2 are never spoken.',
    }),
  ),
  starttls: Type.Optional(
    Type.Unsafe<StartTls>({
      type: 'string',
      enum: STARTTLS_PROTOCOLS,
      description: 'Protocol in which TLS is agreed on. The address needs its port then.',
    }),
  ),
  tls: Type.Optional(tlsField),
  ...connectionFields,
});

type TlsOptions = Static<typeof options>;

function problems({ uri, starttls, tls: given, ip_version: version }: Partial<TlsOptions>): Problem[] {
  const address = uri === undefined ? null : readAddress(uri);
  const needsPort = starttls !== undefined;
  const accepted = needsPort ? 'a tls:// address of a host and its port, with starttls' : ADDRESS.accepted;
  return [
    ...addressProblems(uri, { ...ADDRESS, needsPort, accepted }),
    ...tlsProblems(given),
    ...versionProblems(address?.host ?? null, version),
  ];
}

/** The options must be valid. */
function createPlan({ uri, starttls, tls: given = {}, ip_version: version = 'auto' }: TlsOptions): OpenOptions {
  const address = readAddress(uri);
  if (address === null) throw new Error('The address of a tls job cannot be read');
  const { host, port } = address;
  const choice = tlsChoiceOf(given);
  return {
    target: {
      ...{ host, port: port ?? DEFAULT_PORT, tls: starttls === undefined ? choice : null },
      ...(version === 'auto' ? {} : { ipVersion: version }),
    },
    upgrade: starttls === undefined ? null : { protocol: starttls, tls: choice },
  };
}

async function check(plan: OpenOptions, given: TlsOptions, how: ConverseOptions): Promise<void> {
  const { trial } = how;
  const { conversation, connection } = await open(plan, how);
  try {
    const socket = connection.socket as TLSSocket;
    trial.isAnswered = true;
    trial.status = socket.getProtocol();
    trial.see(connection.certificate, given.tls?.expiry_warning_days);
    const { chain, names, fits } = sentCertificates(socket);
    Object.assign(trial.facts, { chain, names, cipher: socket.getCipher()?.standardName ?? null });
    trial.values.chain_length = chain.length;
    judge(given, trial, fits);
  } finally {
    conversation.close();
  }
}

/** Throws a ProbeFailure for a handshake that does not meet the job. */
function judge(
  { min_version: lowest = '1.2', names = [] }: TlsOptions,
  { status }: Trial,
  fits: (name: string) => boolean,
) {
  const lacking = names.filter((name) => !fits(name));
  if (lacking.length > 0) throw new ProbeFailure('tls', `the certificate is not valid for ${lacking.join(', ')}`);
  if (String(lowest) === '1.3' && status !== 'TLSv1.3') {
    throw new ProbeFailure('tls', `${status} was agreed on, accepted: TLSv1.3`);
  }
}

/** Checks a TLS handshake and its certificate, whatever is spoken above it. */
export const tls: MonitorType<TlsOptions> = {
  name: 'tls',
  description: 'a TLS handshake and its certificate, whatever is spoken above it',
  schemes: ADDRESS.schemes,
  options,
  secrets: ['tls.key'],
  references: tlsReferences,
  facts: {
    remote_address: remoteAddressFact,
    certificate: certificateFact,
    chain: Type.Array(Type.String(), { description: 'The certificates that were sent, the own first.' }),
    names: Type.Array(Type.String(), { description: 'Names for which the certificate is valid.' }),
    cipher: Type.Unsafe<string | null>({
      anyOf: [{ type: 'string' }, { type: 'null' }],
      description: 'Cipher suite that was agreed on.',
    }),
  },
  values: {
    days_left: daysLeftValue,
    chain_length: { unit: 'certificates', description: 'Number of certificates that were sent.' },
  },
  problems,
  excludes: tlsExcludes,
  host: ({ uri }) => readAddress(uri)?.host ?? '',
  prepare(given, { gate, names = sharedNames() }) {
    return plannedProbe(
      given.max_response_time_seconds,
      () => createPlan(given),
      (plan, trial) => check(plan, given, { trial, context: { gate, names }, maxBytes: MAX_BYTES }),
    );
  },
};
