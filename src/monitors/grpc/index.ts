import { type Static, Type } from 'typebox';
import type { Problem } from '../../core/validation.ts';
import type { MonitorType } from '../monitor.ts';
import { type AddressRules, addressField, readAddress } from '../net/fields/address.ts';
import { connectionFields } from '../net/fields/connection.ts';
import { certificateFact, httpVersionFact, remoteAddressFact } from '../net/fields/facts.ts';
import { headersField, requestHeaderProblems, secretHeadersOf } from '../net/fields/headers.ts';
import { targetProblems } from '../net/fields/target.ts';
import { tlsExcludes, tlsField, tlsReferences } from '../net/fields/tls.ts';
import { daysLeftValue } from '../net/fields/values.ts';
import { sharedNames } from '../net/names/resolver.ts';
import { plannedProbe } from '../net/trial/trial.ts';
import { type Call, type CallOptions, call } from './call.ts';
import { HEALTH_CHECK, healthRequest, judgeHealth, SERVING_STATUSES, type ServingStatus } from './health.ts';

const SECURE = 'grpcs';

const ADDRESS: AddressRules = {
  schemes: ['grpc', SECURE],
  accepted: 'a grpc:// or grpcs:// address of a host and its port',
  needsPort: true,
};

/** Headers of HTTP/2 and of the protocol itself, and Vedette's own. */
const OWN_METADATA = new Set([
  ...['connection', 'content-length', 'content-type', 'host', 'keep-alive', 'proxy-connection', 'te', 'trailer'],
  ...['transfer-encoding', 'upgrade', 'grpc-accept-encoding', 'grpc-encoding', 'grpc-message', 'grpc-message-type'],
  ...['grpc-status', 'grpc-timeout', 'http2-settings', 'vedette-slot'],
]);

const options = Type.Object({
  uri: addressField(ADDRESS, ['grpc://127.0.0.1:50051', 'grpcs://api.example.com:443']),
  service: Type.Optional(
    Type.String({
      maxLength: 1_000,
      default: '',
      description: 'Name of the service that is asked for; the server as a whole unless given.',
      examples: ['shop.v1.Orders'],
    }),
  ),
  expected_status: Type.Optional(
    Type.Unsafe<ServingStatus>({
      type: 'string',
      enum: [...SERVING_STATUSES],
      default: 'SERVING',
      description: 'What the server must say of the service.',
    }),
  ),
  metadata: Type.Optional(
    headersField(`Metadata of the call, name to value. Their values may refer to secrets: \${secret:NAME}.`, {
      'x-tenant': 'probe',
    }),
  ),
  authority: Type.Optional(
    Type.String({
      pattern: '^([A-Za-z0-9._-]{1,253}|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?$',
      description: 'a host name, perhaps with a port, sent as :authority instead of that of the address',
      examples: ['orders.internal'],
    }),
  ),
  tls: Type.Optional(tlsField),
  ...connectionFields,
});

type GrpcOptions = Static<typeof options>;

function problems(given: Partial<GrpcOptions>): Problem[] {
  return [
    ...targetProblems(given, ADDRESS, SECURE),
    ...requestHeaderProblems(given.metadata, OWN_METADATA, 'metadata'),
  ];
}

type Plan = Pick<Call, 'address' | 'headers' | 'message'>;

/** The options must be valid. */
function createPlan({ uri, service = '', metadata = {}, authority }: GrpcOptions, userAgent: string): Plan {
  const isSecure = readAddress(uri)?.scheme === SECURE;
  const hasAgent = Object.keys(metadata).some((name) => name.toLowerCase() === 'user-agent');
  return {
    address: new URL(HEALTH_CHECK, uri.replace(/^[a-z]+/i, isSecure ? 'https' : 'http')).href,
    headers: [
      ...(authority === undefined ? [] : ['host', authority]),
      ...(hasAgent ? [] : ['user-agent', userAgent]),
      ...Object.entries(metadata).flat(),
    ],
    message: healthRequest(service),
  };
}

async function check(plan: Plan, given: GrpcOptions, { slotTag, trial, context }: CallOptions): Promise<void> {
  const { tls, ip_version: ipVersion, expected_status: expected = 'SERVING' } = given;
  const message = await call({ ...plan, tls, ipVersion }, { slotTag, trial, context });
  judgeHealth(message, expected, trial);
}

/** Checks a server by the health checking protocol of gRPC. */
export const grpc: MonitorType<GrpcOptions> = {
  name: 'grpc',
  description: 'what a gRPC server says of the health of a service',
  schemes: ADDRESS.schemes,
  options,
  secrets: ['tls.key', ...secretHeadersOf('metadata')],
  references: ['metadata.*', ...tlsReferences],
  facts: { remote_address: remoteAddressFact, certificate: certificateFact, http_version: httpVersionFact },
  values: { days_left: daysLeftValue },
  problems,
  excludes: tlsExcludes,
  host: ({ uri }) => readAddress(uri)?.host ?? '',
  prepare(given, { gate, userAgent, names = sharedNames() }) {
    return plannedProbe(
      given.max_response_time_seconds,
      () => createPlan(given, userAgent),
      (plan, trial, { slotTag }) => check(plan, given, { slotTag, trial, context: { gate, names } }),
    );
  },
};
