import { type Static, Type } from 'typebox';
import type { Problem } from '../../core/validation.ts';
import type { MonitorType } from '../monitor.ts';
import type { ConnectTarget } from '../net/dial.ts';
import { type AddressRules, addressField, readAddress } from '../net/fields/address.ts';
import { connectionFields } from '../net/fields/connection.ts';
import { certificateFact, remoteAddressFact } from '../net/fields/facts.ts';
import { headersField, requestHeaderProblems, secretHeaders } from '../net/fields/headers.ts';
import { targetOf, targetProblems } from '../net/fields/target.ts';
import { tlsExcludes, tlsField, tlsReferences } from '../net/fields/tls.ts';
import { daysLeftValue } from '../net/fields/values.ts';
import { sharedNames } from '../net/names/resolver.ts';
import { type ConverseOptions, converse } from '../net/trial/conversation.ts';
import { createScript, type Step, stepProblems, stepsSchema } from '../net/trial/script.ts';
import { plannedProbe } from '../net/trial/trial.ts';
import type { Upgrade } from './channel.ts';

const SECURE = 'wss';
const MAX_BYTES = 65_536;

const ADDRESS: AddressRules = {
  schemes: ['ws', SECURE],
  accepted: 'a ws:// or wss:// address of a host',
  mayHavePath: true,
  parameters: 'any',
};

const SUBPROTOCOL = "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$";

/** Headers of the handshake, and Vedette's own. */
const OWN_HEADERS = new Set([
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'proxy-connection',
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'sec-websocket-key',
  'sec-websocket-protocol',
  'sec-websocket-version',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'vedette-slot',
]);

const options = Type.Object({
  uri: addressField(ADDRESS, ['wss://example.com/live', 'ws://127.0.0.1:8080/chat?room=1']),
  headers: Type.Optional(
    headersField(`Headers of the handshake, name to value. Their values may refer to secrets: \${secret:NAME}.`, {
      origin: 'https://example.com',
    }),
  ),
  subprotocols: Type.Optional(
    Type.Array(Type.String({ pattern: SUBPROTOCOL, description: 'a name of a subprotocol, such as mqtt' }), {
      minItems: 1,
      maxItems: 20,
      uniqueItems: true,
      description: 'Subprotocols that are offered. A server that chooses none of them is down.',
      examples: [['graphql-transport-ws']],
    }),
  ),
  steps: Type.Optional(
    stepsSchema({
      send: 'Text of a message to send',
      expect: 'A regular expression that must be found in a message',
      description:
        'Steps, one after the other: each sends a message if it has one, then waits until a message that has come since the last one was sent matches.',
      example: [{ send: '{"type":"connection_init"}', expect: '"connection_ack"' }],
    }),
  ),
  ping: Type.Optional(
    Type.Boolean({ default: true, description: 'Whether a ping is sent after the steps, and its pong must come.' }),
  ),
  max_bytes: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 1_048_576,
      default: MAX_BYTES,
      description: 'A step whose message is not found in so many bytes, or in 1,000 messages, has failed.',
    }),
  ),
  tls: Type.Optional(tlsField),
  ...connectionFields,
});

type WebSocketOptions = Static<typeof options>;

interface Plan {
  target: ConnectTarget;
  upgrade: Upgrade;
  script: readonly Step[];
}

function problems(given: Partial<WebSocketOptions>): Problem[] {
  const { uri, headers, steps } = given;
  const found = targetProblems(given, ADDRESS, SECURE);
  if (found.every(({ path }) => path !== 'uri') && uri?.includes('#')) {
    found.push({ path: 'uri', given: uri, accepted: `${ADDRESS.accepted}, without a fragment` });
  }
  return [...found, ...requestHeaderProblems(headers, OWN_HEADERS), ...stepProblems(steps)];
}

/** The options must be valid. */
function createPlan(given: WebSocketOptions, userAgent: string): Plan {
  const { uri, headers = {}, subprotocols = [], steps, max_bytes: maxBytes = MAX_BYTES } = given;
  const target = targetOf(given, { secure: SECURE, port: /^wss:/i.test(uri) ? 443 : 80 });
  const hasAgent = Object.keys(headers).some((name) => name.toLowerCase() === 'user-agent');
  return {
    // As browsers do: a server of both must not choose HTTP/2.
    target: { ...target, tls: target.tls === null ? null : { ...target.tls, alpn: ['http/1.1'] } },
    upgrade: {
      address: new URL(uri),
      headers: hasAgent ? headers : { ...headers, 'user-agent': userAgent },
      subprotocols,
      maxBytes,
    },
    script: createScript(steps),
  };
}

async function check(
  { target, upgrade, script }: Plan,
  { tls, ping = true }: WebSocketOptions,
  slotTag: string | undefined,
  how: ConverseOptions,
): Promise<void> {
  const { trial } = how;
  // Loaded with the first check of the type.
  const { Channel } = await import('./channel.ts');
  const { conversation, connection } = await converse(target, how);
  trial.see(connection.certificate, tls?.expiry_warning_days);
  const headers = slotTag === undefined ? upgrade.headers : { ...upgrade.headers, 'vedette-slot': slotTag };
  const channel = new Channel(conversation, connection, { ...upgrade, headers }, trial);
  try {
    await channel.open();
    for (const [index, { send, expect }] of script.entries()) {
      if (send !== undefined) channel.send(send);
      if (expect !== null) await channel.expect(expect, `step ${index + 1}`);
    }
    if (ping) await channel.ping();
    trial.isAnswered = true;
    await channel.close();
  } finally {
    channel.destroy();
  }
}

/** Checks that a server takes WebSockets, and perhaps what is said on one. */
export const websocket: MonitorType<WebSocketOptions> = {
  name: 'websocket',
  description: 'a WebSocket: its handshake, a ping, and what is said on it',
  schemes: ADDRESS.schemes,
  options,
  packages: ['ws'],
  secrets: ['tls.key', 'steps[*].send', ...secretHeaders],
  references: ['uri', 'headers.*', 'steps[*].send', ...tlsReferences],
  facts: {
    remote_address: remoteAddressFact,
    certificate: certificateFact,
    subprotocol: Type.String({ description: 'The subprotocol that the server chose.' }),
  },
  values: { days_left: daysLeftValue },
  problems,
  excludes: tlsExcludes,
  host: ({ uri }) => readAddress(uri)?.host ?? '',
  prepare(given, { gate, userAgent, names = sharedNames() }) {
    return plannedProbe(
      given.max_response_time_seconds,
      () => createPlan(given, userAgent),
      (plan, trial, { slotTag }) =>
        check(plan, given, slotTag, { trial, context: { gate, names }, maxBytes: plan.upgrade.maxBytes }),
    );
  },
};
