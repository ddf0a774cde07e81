import { type Static, Type } from 'typebox';
import { counted } from '../../core/plural.ts';
import type { Problem } from '../../core/validation.ts';
import type { MonitorType } from '../monitor.ts';
import type { ConnectTarget } from '../net/dial.ts';
import { type AddressRules, addressField, addressProblems, readAddress } from '../net/fields/address.ts';
import { connectionFields } from '../net/fields/connection.ts';
import { certificateFact, remoteAddressFact } from '../net/fields/facts.ts';
import { targetOf, targetProblems } from '../net/fields/target.ts';
import { tlsExcludes, tlsField, tlsReferences } from '../net/fields/tls.ts';
import { daysLeftValue } from '../net/fields/values.ts';
import { sharedNames } from '../net/names/resolver.ts';
import type { ConverseOptions } from '../net/trial/conversation.ts';
import { plannedProbe } from '../net/trial/trial.ts';
import { Brokers } from './broker.ts';
import { judgeCluster, readCluster } from './cluster.ts';
import { lagOf } from './lag.ts';
import { type Credentials, SASL_MECHANISMS, type SaslMechanism } from './login.ts';
import { array, int8, NO_ARRAY, text } from './message.ts';

const PORT = 9_092;
const SECURE = 'kafkas';

const ADDRESS: AddressRules = {
  schemes: ['kafka', SECURE],
  accepted:
    'a kafka:// or kafkas:// address of a host, perhaps with a port and credentials; further brokers are in bootstrap_servers',
  mayHaveCredentials: true,
};

/** A broker as bootstrap servers are written; the address of a job without its scheme. */
const SERVER = '^(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?$';
const serverText = 'the address of a host, perhaps with a port 1 to 65535, such as broker-2.example.com:9092';
const TOPIC = '^[A-Za-z0-9._-]{1,249}$';

const options = Type.Object({
  uri: addressField(ADDRESS, ['kafka://broker.example.com:9092', 'kafkas://probe:secret@broker.example.com:9093']),
  bootstrap_servers: Type.Optional(
    Type.Array(Type.String({ pattern: SERVER, description: serverText }), {
      minItems: 1,
      maxItems: 16,
      description:
        'Further brokers: when the one of the address cannot be connected to, the next one is asked, and one of them is enough.',
      examples: [['broker-2.example.com:9092', 'broker-3.example.com:9092']],
    }),
  ),
  sasl_mechanism: Type.Optional(
    Type.Unsafe<SaslMechanism>({
      type: 'string',
      enum: [...SASL_MECHANISMS],
      default: 'plain',
      description: 'How the user name and password of the address are sent.',
    }),
  ),
  topics: Type.Optional(
    Type.Array(Type.String({ pattern: TOPIC, description: 'a name of a topic' }), {
      minItems: 1,
      maxItems: 100,
      uniqueItems: true,
      description: 'Topics that must be there, and whose partitions are looked at; those of all topics unless given.',
      examples: [['orders']],
    }),
  ),
  group: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      description: 'A consumer group: how many records it has not read yet is the value `lag`.',
      examples: ['billing'],
    }),
  ),
  max_lag: Type.Optional(
    Type.Integer({ minimum: 0, description: 'With a greater lag of the group it is degraded. Nothing without group.' }),
  ),
  max_under_replicated: Type.Optional(
    Type.Integer({
      minimum: 0,
      default: 0,
      description: 'With more partitions that have fewer replicas in sync than they should it is degraded.',
    }),
  ),
  min_brokers: Type.Optional(Type.Integer({ minimum: 1, description: 'With fewer brokers it is degraded.' })),
  tls: Type.Optional(tlsField),
  ...connectionFields,
});

type KafkaOptions = Static<typeof options>;

interface Plan {
  bootstrap: readonly ConnectTarget[];
  credentials: Credentials | null;
}

function problems(given: Partial<KafkaOptions>): Problem[] {
  const { uri, bootstrap_servers: servers = [], sasl_mechanism: mechanism, group, max_lag: maxLag } = given;
  const found = targetProblems(given, ADDRESS, SECURE);
  const address = uri === undefined || found.some(({ path }) => path === 'uri') ? null : readAddress(uri);
  if (address !== null) {
    const { username, password } = address;
    const refuse = (accepted: string) => found.push({ path: 'uri', given: uri, accepted });
    if (username !== '' && password === '') refuse('an address of a host with a password beside the user name');
    if (username === '' && password !== '') refuse('an address of a host with a user name beside the password');
    // It would end the text, and begin another one.
    if (`${username}${password}`.includes('\0')) refuse('texts without NUL');
    if (mechanism !== undefined && username === '') {
      const accepted = 'nothing without a user name and a password in the address';
      found.push({ path: 'sasl_mechanism', given: mechanism, accepted });
    }
  }
  for (const [index, server] of servers.entries()) {
    if (addressProblems(`kafka://${server}`, ADDRESS).length === 0) continue;
    found.push({ path: `bootstrap_servers[${index}]`, given: server, accepted: serverText });
  }
  if (maxLag !== undefined && group === undefined) {
    found.push({ path: 'max_lag', given: maxLag, accepted: 'nothing without group' });
  }
  return found;
}

/** The options must be valid. */
function createPlan({ bootstrap_servers: servers = [], sasl_mechanism: mechanism, ...given }: KafkaOptions): Plan {
  const { scheme = '', username: user = '', password = '' } = readAddress(given.uri) ?? {};
  const addresses = [given.uri, ...servers.map((server) => `${scheme}://${server}`)];
  return {
    bootstrap: addresses.map((uri) => targetOf({ ...given, uri }, { secure: SECURE, port: PORT })),
    credentials: user === '' ? null : { mechanism: mechanism ?? 'plain', user, password },
  };
}

async function check(plan: Plan, given: KafkaOptions, how: Pick<ConverseOptions, 'trial' | 'context'>): Promise<void> {
  const { trial } = how;
  const { topics, group, max_lag: maxLag = Number.POSITIVE_INFINITY } = given;
  const brokers = new Brokers({ ...how, ...plan, expiryWarningDays: given.tls?.expiry_warning_days });
  try {
    const first = await brokers.first();
    const asked = topics === undefined ? NO_ARRAY : array(topics.map(text));
    // Asking for a topic must not make it.
    const cluster = readCluster(await first.ask('Metadata', asked, int8(0)));
    const { max_under_replicated: maxUnderReplicated = 0, min_brokers: minBrokers = 0 } = given;
    judgeCluster(cluster, { topics: topics ?? [], maxUnderReplicated, minBrokers }, trial);
    if (group !== undefined) {
      const lag = await lagOf({ group, topics: topics ?? null }, cluster, { brokers, first, trial });
      trial.values.lag = lag;
      const behind = `the group ${group} is ${counted(lag, 'record')} behind`;
      if (lag > maxLag) trial.degrade('body', `${behind}, accepted: up to ${maxLag}`);
    }
    trial.status = 'OK';
  } finally {
    brokers.close();
  }
}

/**
 * Checks a Kafka cluster, and perhaps a consumer group. It speaks the protocol itself: kafkajs, which streams use, decodes what
 * brokers send without a bound, retries by itself, and ends no connection at a time limit.
 */
export const kafka: MonitorType<KafkaOptions> = {
  name: 'kafka',
  description: 'a Kafka cluster: its brokers, topics and partitions, and how far a consumer group is behind',
  schemes: ADDRESS.schemes,
  options,
  secrets: ['tls.key'],
  references: ['uri', ...tlsReferences],
  // As it is sent, and as a server may repeat it.
  encodedSecrets: ({ uri }) => [readAddress(uri)?.password ?? ''],
  facts: { remote_address: remoteAddressFact, certificate: certificateFact },
  values: {
    brokers: { unit: 'brokers', description: 'Brokers of the cluster that are there.' },
    topics: { unit: 'topics', description: 'Topics that were looked at.' },
    partitions: { unit: 'partitions', description: 'Their partitions.' },
    under_replicated: { unit: 'partitions', description: 'Those with fewer replicas in sync than they should have.' },
    offline: { unit: 'partitions', description: 'Those without a leader, which can be neither read nor written.' },
    lag: { unit: 'records', description: 'Records that the consumer group has not read yet.' },
    days_left: daysLeftValue,
  },
  problems,
  excludes: [...tlsExcludes, { required: ['max_lag'], not: { required: ['group'] } }],
  host: ({ uri }) => readAddress(uri)?.host ?? '',
  prepare(given, { gate, names = sharedNames() }) {
    return plannedProbe(
      given.max_response_time_seconds,
      () => createPlan(given),
      (plan, trial) => check(plan, given, { trial, context: { gate, names } }),
    );
  },
};
