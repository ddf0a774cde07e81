import { boolean, bytes, choice, duration, group, integer, list, pem, retention, text } from './leaf.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const TOPIC = '^[A-Za-z0-9._-]{1,249}$';
const topicAccepted = 'letters, digits, dots, dashes and underscores, at most 249';

export const publisher = group('From checks to the stream', {
  linger: duration('How long results are collected into one block.', { default: 50, minimum: 0, maximum: 10_000 }),
  block_size: bytes('Largest block.', { default: 512 * 1024, minimum: 4096, maximum: 900 * 1024 }),
  queue_size: bytes('Results waiting for the stream; what does not fit becomes missed (overload).', {
    default: 64 * 2 ** 20,
    minimum: 2 ** 20,
    maximum: 4 * 2 ** 30,
  }),
});

export const stream = group('The log between schedulers and processors', {
  driver: choice(
    '`auto`: embedded, or with kafka.bootstrap_servers rdkafka where it is installed, else kafkajs.',
    ['auto', 'embedded', 'kafkajs', 'rdkafka'],
    { default: 'auto' },
  ),
  format: choice('`block`: many results in a record; `record`: one in each.', ['block', 'record'], {
    default: 'block',
  }),
  partitions: integer('Partitions of a topic that is made. Fixed once a topic was used.', {
    default: 12,
    minimum: 1,
    maximum: 1000,
  }),
  retention: retention('How long records are kept in topics that are made.', { default: 48 * HOUR }),
  create_topics: boolean('Whether missing topics are made.', { default: true }),
  replication: integer("Replicas of topics that are made; null leaves it to Kafka's brokers.", {
    default: null,
    minimum: 1,
    maximum: 10,
  }),
});

export const topics = group('Topics', {
  results: text('Every result; the only topic that is counted by default.', {
    default: 'checks',
    pattern: TOPIC,
    accepted: topicAccepted,
  }),
  success: text('If set, gets a copy of every result that is up, for those who read it. Never counted.', {
    default: null,
    pattern: TOPIC,
    accepted: topicAccepted,
  }),
  failures: text('If set, gets a copy of every result that is not up, for those who read it. Never counted.', {
    default: null,
    pattern: TOPIC,
    accepted: topicAccepted,
  }),
});

export const kafka = group('Apache Kafka', {
  bootstrap_servers: list('Brokers to begin with. Setting them makes Kafka the stream.', {
    default: [],
    env: ['KAFKA_BOOTSTRAP_SERVERS'],
    pattern: '^(\\[[0-9a-fA-F:]+\\]|[A-Za-z0-9._-]+):[0-9]{1,5}$',
    accepted: 'host:port, more of them separated by commas',
  }),
  client_id: text('Name that brokers log.', { default: 'vedette', pattern: '^[A-Za-z0-9._-]{1,100}$' }),
  tls: group('TLS to the brokers', {
    mode: choice('`auto`: on when a certificate is given.', ['auto', 'on', 'off'], { default: 'auto' }),
    ca: pem('Certificate authority of the brokers; without it the ones of Node.', {
      env: ['KAFKA_CA_FILE', 'KAFKA_CA'],
    }),
    certificate: pem('Certificate of this client.', { env: ['KAFKA_CERTIFICATE_FILE', 'KAFKA_CERTIFICATE'] }),
    key: pem('Private key of this client.', { env: ['KAFKA_KEY_FILE', 'KAFKA_KEY'], secret: true }),
  }),
  sasl: group('User and password for the brokers', {
    mechanism: choice('How the password is proved.', ['plain', 'scram-sha-256', 'scram-sha-512'], {
      default: null,
      env: ['KAFKA_SASL_MECHANISM'],
    }),
    user: text('User.', { default: null, env: ['KAFKA_SASL_USER'] }),
    password: text('Password.', { default: null, env: ['KAFKA_SASL_PASSWORD'], secret: true }),
  }),
  session_timeout: duration(
    'A processor that gives no sign of life for so long loses its partitions to others. Brokers may refuse less than 6s.',
    { default: 10_000, minimum: 1_000, maximum: 5 * MINUTE },
  ),
  heartbeat: duration('How often a processor gives a sign of life; at most half of the session timeout.', {
    default: 2_000,
    minimum: 100,
    maximum: MINUTE,
  }),
  rebalance_timeout: duration('How long a rebalance waits for processors; at least the session timeout.', {
    default: MINUTE,
    minimum: 1_000,
    maximum: 30 * MINUTE,
  }),
  request_timeout: duration('A request that a broker does not answer in this time failed, and is tried again.', {
    default: 10_000,
    minimum: 500,
    maximum: 5 * MINUTE,
  }),
  delivery_timeout: duration(
    'Results that no broker acknowledges in this time are sent again from the queue of the publisher.',
    { default: 30_000, minimum: 1_000, maximum: 30 * MINUTE },
  ),
  metadata_max_age: duration('Partitions that were added and leaders that moved are noticed within this time.', {
    default: 30_000,
    minimum: 1_000,
    maximum: 60 * MINUTE,
  }),
  compression: choice('`auto`: lz4 where the driver can, else none.', ['auto', 'none', 'gzip', 'lz4', 'zstd'], {
    default: 'auto',
  }),
});
