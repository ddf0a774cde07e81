import { type Static, Type } from 'typebox';
import type { Problem } from '../../core/validation.ts';
import { ProbeFailure } from '../failure.ts';
import type { ConnectionGate, MonitorType, NameResolver } from '../monitor.ts';
import { type AddressRules, addressField, addressProblems, readAddress } from '../net/fields/address.ts';
import { connectionFields, versionProblems } from '../net/fields/connection.ts';
import { remoteAddressFact } from '../net/fields/facts.ts';
import { allPatternProblems, expressionField } from '../net/fields/pattern.ts';
import { sharedNames } from '../net/names/resolver.ts';
import { createPattern, type Pattern } from '../net/patterns/pattern.ts';
import { type DatagramTarget, exchangeDatagrams } from '../net/trial/datagrams.ts';
import { plannedProbe, type Trial } from '../net/trial/trial.ts';

const SENDS = 3;
const HEX = '^([0-9A-Fa-f]{2}){1,1400}$';
const SHOWN_BYTES = 60;

const ADDRESS: AddressRules = {
  schemes: ['udp'],
  accepted: 'a udp:// address of a host and its port',
  needsPort: true,
};

const options = Type.Object({
  uri: addressField(ADDRESS, ['udp://game.example.com:27015']),
  send: Type.Optional(Type.String({ minLength: 1, maxLength: 1_400, description: 'Text of the datagram, in UTF-8.' })),
  send_hex: Type.Optional(
    Type.String({
      pattern: HEX,
      description: 'pairs of hexadecimal digits, at most 1400: the datagram, in place of send',
      examples: ['ffffffff54536f7572636520456e67696e6520517565727900'],
    }),
  ),
  sends: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 10,
      default: SENDS,
      description: 'How often it is sent until an answer comes, at equal distances within the time limit.',
    }),
  ),
  expect: Type.Optional(expressionField('A regular expression that must be found in the answer')),
  expect_hex: Type.Optional(
    Type.String({
      pattern: HEX,
      description: 'pairs of hexadecimal digits, at most 1400: the beginning of the answer',
    }),
  ),
  ...connectionFields,
});

type UdpOptions = Static<typeof options>;

interface Plan {
  target: DatagramTarget;
  data: Buffer;
  pattern: Pattern | null;
  beginning: Buffer;
}

function problems({ uri, send, send_hex: hex, expect, ip_version: version }: Partial<UdpOptions>): Problem[] {
  const address = uri === undefined ? null : readAddress(uri);
  const found = [
    ...addressProblems(uri, ADDRESS),
    ...versionProblems(address?.host ?? null, version),
    ...allPatternProblems([['expect', expect]], 'expect'),
  ];
  if (send === undefined && hex === undefined) {
    found.push({
      path: 'send',
      given: undefined,
      accepted: 'a text, or send_hex: a server that is not asked says nothing',
    });
  }
  if (send !== undefined && hex !== undefined) {
    found.push({ path: 'send_hex', given: hex, accepted: 'nothing beside send: one of the two' });
  }
  return found;
}

/** The options must be valid. */
function createPlan(given: UdpOptions): Plan {
  const address = readAddress(given.uri);
  if (address === null || address.port === null) throw new Error('The address of a udp job cannot be read');
  const { host, port } = address;
  const { ip_version: version = 'auto', send, send_hex: hex = '', expect, expect_hex: beginning = '' } = given;
  return {
    target: { host, port, ...(version === 'auto' ? {} : { ipVersion: version }) },
    data: send === undefined ? Buffer.from(hex, 'hex') : Buffer.from(send),
    pattern: expect === undefined ? null : createPattern(expect),
    beginning: Buffer.from(beginning, 'hex'),
  };
}

/** The first datagram from the address is the answer. */
async function check(
  { target, data, pattern, beginning }: Plan,
  sends: number,
  context: { gate: ConnectionGate; names: NameResolver },
  trial: Trial,
): Promise<void> {
  const exchange = { trial, ...context, data, sends, awaited: 'answer', read: (bytes: Buffer) => bytes };
  const answer = await exchangeDatagrams(target, exchange);
  trial.isAnswered = true;
  const shown = () => JSON.stringify(answer.toString('utf8', 0, SHOWN_BYTES));
  if (!answer.subarray(0, beginning.length).equals(beginning)) {
    const hex = answer.toString('hex', 0, SHOWN_BYTES);
    throw new ProbeFailure('body', `the answer begins otherwise: ${hex === '' ? 'it is empty' : hex}`);
  }
  if (pattern !== null && !(await pattern.isIn(answer.toString('utf8'), trial.limit))) {
    throw new ProbeFailure('body', `pattern not found in the answer ${shown()}`);
  }
}

/** Checks what a server answers to a datagram. */
export const udp: MonitorType<UdpOptions> = {
  name: 'udp',
  description: 'what a server answers to a datagram',
  schemes: ADDRESS.schemes,
  options,
  secrets: ['send', 'send_hex'],
  references: ['send'],
  facts: { remote_address: remoteAddressFact },
  problems,
  excludes: [
    { required: ['send', 'send_hex'] },
    { not: { anyOf: [{ required: ['send'] }, { required: ['send_hex'] }] } },
  ],
  host: ({ uri }) => readAddress(uri)?.host ?? '',
  prepare(given, { gate, names = sharedNames() }) {
    return plannedProbe(
      given.max_response_time_seconds,
      () => createPlan(given),
      (plan, trial) => check(plan, given.sends ?? SENDS, { gate, names }, trial),
    );
  },
};
