import { streamDrivers } from '../streaming/index.ts';
import { boolean, bytes, choice, duration, group, integer, list, pem, retention, text } from './leaf.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const TOPIC = '^[A-Za-z0-9._-]{1,249}$';
/** A URI reference without brackets, which only addresses of IPv6 need. */
const URI = "^([A-Za-z0-9._~:/?#@!$&'()*+,;=-]|%[0-9A-Fa-f]{2}){1,200}$";
const topicAccepted = 'letters, digits, dots, dashes and underscores, at most 249';

export const publisher = group('From checks to the stream', {
  linger: duration('Time to collect results into one block; at most 50 ms when one changes the outcome of its job.', {
    default: 500,
    minimum: 0,
    maximum: 10_000,
  }),
  block_size: bytes('Largest block.', { default: 512 * 1024, minimum: 4096, maximum: 900 * 1024 }),
  queue_size: bytes('Limit of the results that wait for the stream; slots beyond it become missed (overload).', {
    default: 64 * 2 ** 20,
    minimum: 2 ** 20,
    maximum: 4 * 2 ** 30,
  }),
});

export const stream = group('The log between schedulers and processors', {
  driver: choice(
    '`auto`: embedded, or with kafka.bootstrap_servers rdkafka where it is installed, else kafkajs.',
    ['auto', ...streamDrivers.names()],
    { default: 'auto' },
  ),
  format: choice(
    '`block`: many results in a record, for processors alone. `record`: one JSON document in each, keyed by the job, for other programs too.',
    ['block', 'record'],
    { default: 'block' },
  ),
  cloudevents_source: text('If set, every record is a CloudEvent of this source (Kafka, binary mode).', {
    default: null,
    pattern: URI,
    accepted: 'a URI such as https://vedette.example.com, at most 200 characters',
  }),
  partitions: integer('Partitions of a topic that is created. Fixed once a topic was used.', {
    default: 12,
    minimum: 1,
    maximum: 1000,
  }),
  retention: retention('Retention of records in topics that are created.', { default: 48 * HOUR }),
  create_topics: boolean('Whether missing topics are created.', { default: true }),
  replication: integer("Replicas of topics that are created; null leaves it to Kafka's brokers.", {
    default: null,
    minimum: 1,
    maximum: 10,
  }),
});

export const topics = group('Topics', {
  results: text('Gets every result; the only topic that is counted by default.', {
    default: 'checks',
    pattern: TOPIC,
    accepted: topicAccepted,
  }),
  success: text('If set, gets a copy of every up result, one a record, for other consumers. Never counted.', {
    default: null,
    pattern: TOPIC,
    accepted: topicAccepted,
  }),
  failures: text('If set, gets a copy of every other result, one a record, for other consumers. Never counted.', {
    default: null,
    pattern: TOPIC,
    accepted: topicAccepted,
  }),
});

export const kafka = group('Apache Kafka', {
  bootstrap_servers: list('Bootstrap servers. Setting them makes Kafka the stream.', {
    default: [],
    env: ['KAFKA_BOOTSTRAP_SERVERS'],
    pattern: '^(\\[[0-9a-fA-F:]+\\]|[A-Za-z0-9._-]+):[0-9]{1,5}$',
    accepted: 'host:port, more of them separated by commas',
  }),
  client_id: text('Client id in the logs of the brokers.', { default: 'vedette', pattern: '^[A-Za-z0-9._-]{1,100}$' }),
  tls: group('TLS to the brokers', {
    mode: choice('`auto`: on when a certificate is given.', ['auto', 'on', 'off'], { default: 'auto' }),
    ca: pem('Certificate authority of the brokers; without it the ones of Node.', {
      env: ['KAFKA_CA_FILE', 'KAFKA_CA'],
    }),
    certificate: pem('Certificate of this client.', { env: ['KAFKA_CERTIFICATE_FILE', 'KAFKA_CERTIFICATE'] }),
    key: pem('Private key of this client.', { env: ['KAFKA_KEY_FILE', 'KAFKA_KEY'], secret: true }),
  }),
  sasl: group('User and password for the brokers', {
    mechanism: choice('SASL mechanism.', ['plain', 'scram-sha-256', 'scram-sha-512'], {
      default: null,
      env: ['KAFKA_SASL_MECHANISM'],
    }),
    user: text('User.', { default: null, env: ['KAFKA_SASL_USER'] }),
    password: text('Password.', { default: null, env: ['KAFKA_SASL_PASSWORD'], secret: true }),
  }),
  session_timeout: duration(
    'A processor without a sign of life for this long loses its partitions to others. Brokers may refuse less than 6s.',
    { default: 10_000, minimum: 1_000, maximum: 5 * MINUTE },
  ),
  heartbeat: duration('Interval of the signs of life of a processor; at most half of the session timeout.', {
    default: 2_000,
    minimum: 100,
    maximum: MINUTE,
  }),
  rebalance_timeout: duration('Time that a rebalance waits for processors; at least the session timeout.', {
    default: MINUTE,
    minimum: 1_000,
    maximum: 30 * MINUTE,
  }),
  request_timeout: duration('A request without a response in this time has failed and is repeated.', {
    default: 10_000,
    minimum: 500,
    maximum: 5 * MINUTE,
  }),
  delivery_timeout: duration(
    'Results that no broker acknowledges in this time are sent again from the queue of the publisher.',
    { default: 30_000, minimum: 1_000, maximum: 30 * MINUTE },
  ),
  metadata_max_age: duration('New partitions and leaders are noticed within this time.', {
    default: 30_000,
    minimum: 1_000,
    maximum: 60 * MINUTE,
  }),
  compression: choice(
    '`auto`: for blocks lz4 if the driver supports it, else none; for single results, which other programs read, gzip.',
    ['auto', 'none', 'gzip', 'lz4', 'zstd'],
    { default: 'auto' },
  ),
});
