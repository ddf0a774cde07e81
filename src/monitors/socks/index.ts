import { isIP } from 'node:net';
import { type Static, Type } from 'typebox';
import type { Problem } from '../../core/validation.ts';
import type { MonitorType } from '../monitor.ts';
import type { TlsChoice } from '../net/dial.ts';
import { type AddressRules, addressField, addressProblems, readAddress } from '../net/fields/address.ts';
import { connectionFields, versionProblems } from '../net/fields/connection.ts';
import { certificateFact, remoteAddressFact } from '../net/fields/facts.ts';
import { tlsChoiceOf, tlsExcludes, tlsMembers, tlsProblems, tlsReferences } from '../net/fields/tls.ts';
import { daysLeftValue } from '../net/fields/values.ts';
import { sharedNames } from '../net/names/resolver.ts';
import { type ConverseOptions, secure } from '../net/trial/conversation.ts';
import {
  createScript,
  MAX_BYTES,
  maxBytesField,
  perform,
  type Step,
  stepProblems,
  stepsField,
} from '../net/trial/script.ts';
import { plannedProbe } from '../net/trial/trial.ts';
import { openTunnel, type TunnelPlan } from './tunnel.ts';

const PORT = 1_080;

/** As curl reads them, except that a name is left to a socks5 proxy unless the job says otherwise. */
const RESOLVED_HERE: Readonly<Record<string, boolean>> = {
  socks4: true,
  socks4a: false,
  socks5: false,
  socks5h: false,
};

const ADDRESS: AddressRules = {
  schemes: Object.keys(RESOLVED_HERE),
  accepted: 'a socks4://, socks4a://, socks5:// or socks5h:// address of a host, perhaps with a port and credentials',
  mayHaveCredentials: true,
};

/** Read as an address, so that its host is normalized as others are. */
const TARGET: AddressRules = { schemes: [], accepted: 'a name or an address of a host and its port', needsPort: true };

const options = Type.Object({
  uri: addressField(ADDRESS, ['socks5://proxy.example.com', 'socks4a://probe@proxy.example.com:1080']),
  target: Type.String({
    maxLength: 300,
    pattern: '^[^/?#\\\\\\s@]+:[0-9]{1,5}$',
    description: 'host:port, to which the proxy is asked to connect',
    examples: ['example.com:443', '[2001:db8::1]:22'],
  }),
  resolve: Type.Optional(
    Type.Unsafe<'proxy' | 'local'>({
      type: 'string',
      enum: ['proxy', 'local'],
      default: 'proxy',
      description:
        'Where a name of the target is resolved, with socks5://. With socks4:// it is here, with socks4a:// and socks5h:// at the proxy.',
    }),
  ),
  steps: Type.Optional(stepsField),
  max_bytes: Type.Optional(maxBytesField),
  tls: Type.Optional(
    Type.Object(tlsMembers, {
      additionalProperties: false,
      description: 'TLS with the target. Without this field there is none; {} verifies its certificate.',
    }),
  ),
  ...connectionFields,
});

type SocksOptions = Static<typeof options>;

interface Plan extends TunnelPlan {
  /** Of the target; null: none. */
  tls: TlsChoice | null;
  script: readonly Step[];
}

function problems(given: Partial<SocksOptions>): Problem[] {
  const { uri, target, resolve, steps, tls, ip_version: version } = given;
  const ofAddress = addressProblems(uri, ADDRESS);
  const address = uri === undefined || ofAddress.length > 0 ? null : readAddress(uri);
  const found = [
    ...ofAddress,
    ...targetProblems(target, address?.scheme),
    ...tlsProblems(tls),
    ...versionProblems(address?.host ?? null, version),
    ...stepProblems(steps),
  ];
  if (address === null) return found;
  const { scheme, username, password } = address;
  if (!areSendable(scheme, username, password)) {
    const accepted = scheme.startsWith('socks4')
      ? 'a user name alone that the proxy can be told, SOCKS4 knows no password'
      : 'a user name and password that the proxy can be told: of 255 bytes each';
    found.push({ path: 'uri', given: uri, accepted });
  }
  if (resolve !== undefined && scheme !== 'socks5') {
    found.push({ path: 'resolve', given: resolve, accepted: 'nothing without socks5://, other schemes say it' });
  }
  return found;
}

function targetProblems(target: string | undefined, scheme: string | undefined): Problem[] {
  if (target === undefined) return [];
  const refuse = (accepted: string): Problem[] => [{ path: 'target', given: target, accepted }];
  const [found] = addressProblems(toAddress(target), TARGET);
  if (found !== undefined) return refuse(found.accepted);
  const host = readAddress(toAddress(target))?.host ?? '';
  if (host.length > MAX_NAME) return refuse(`${TARGET.accepted}, a name of at most ${MAX_NAME} characters`);
  if (isIP(host) !== 6 || !scheme?.startsWith('socks4')) return [];
  return refuse('a name or an IPv4 address of a host and its port, SOCKS4 knows no others');
}

/** Of DNS. */
const MAX_NAME = 253;

const toAddress = (target: string) => `tcp://${target}`;

/** SOCKS5 has lengths of one byte (RFC 1929), SOCKS4 a text that ends with NUL. */
function areSendable(scheme: string, username: string, password: string): boolean {
  if (scheme.startsWith('socks4')) return password === '' && !username.includes('\0') && username.length <= 255;
  return (username !== '' || password === '') && [username, password].every((text) => Buffer.byteLength(text) <= 255);
}

/** The options must be valid. */
function createPlan({ uri, target, resolve, steps, tls, ip_version: version = 'auto' }: SocksOptions): Plan {
  const [address, destination] = [readAddress(uri), readAddress(toAddress(target))];
  const targetPort = destination?.port ?? null;
  if (address === null || destination === null || targetPort === null) {
    throw new Error('The addresses of a socks job cannot be read');
  }
  const { scheme, host, port, username, password } = address;
  return {
    proxy: {
      host,
      port: port ?? PORT,
      tls: null,
      version: scheme.startsWith('socks4') ? 4 : 5,
      credentials: username === '' ? null : { username, password },
      ...(version === 'auto' ? {} : { ipVersion: version }),
    },
    destination: { host: destination.host, port: targetPort },
    isResolvedHere: resolve === undefined ? RESOLVED_HERE[scheme] === true : resolve === 'local',
    tls: tls === undefined ? null : tlsChoiceOf(tls),
    script: createScript(steps),
  };
}

async function check(plan: Plan, given: SocksOptions, how: ConverseOptions): Promise<void> {
  const { trial } = how;
  let conversation = await openTunnel(plan, how);
  try {
    if (plan.tls !== null) {
      const secured = await secure(conversation, { ...plan.destination, tls: plan.tls }, how);
      conversation = secured.conversation;
      trial.see(secured.connection.certificate, given.tls?.expiry_warning_days);
    }
    await perform(plan.script, conversation, trial);
    trial.isAnswered = true;
  } finally {
    conversation.close();
  }
}

/** Checks that a SOCKS proxy connects to a target, perhaps with TLS, and perhaps what the target says. */
export const socks: MonitorType<SocksOptions> = {
  name: 'socks',
  description: 'a SOCKS proxy: that it connects to a target, and perhaps what the target says',
  schemes: ADDRESS.schemes,
  options,
  secrets: ['tls.key', 'steps[*].send'],
  references: ['uri', 'steps[*].send', ...tlsReferences],
  encodedSecrets: ({ uri }) => [readAddress(uri)?.password ?? ''],
  facts: { remote_address: remoteAddressFact, certificate: certificateFact },
  values: { days_left: daysLeftValue },
  problems,
  excludes: tlsExcludes,
  host: ({ uri }) => readAddress(uri)?.host ?? '',
  prepare(given, { gate, names = sharedNames() }) {
    return plannedProbe(
      given.max_response_time_seconds,
      () => createPlan(given),
      (plan, trial) => check(plan, given, { trial, context: { gate, names }, maxBytes: given.max_bytes ?? MAX_BYTES }),
    );
  },
};
