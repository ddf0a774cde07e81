import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import t from 'tap';
import { SASL_USER } from '../../scripts/kafka/cluster.ts';
import { until } from '../helpers/until.ts';
import { checkBy } from '../monitors/support.ts';
import { noBroker, startKafka } from './broker.ts';
import { withAdmin } from './topics.ts';

const check = (options: object) => checkBy('kafka', options, { timeoutMs: 20_000 });

const why = noBroker();
t.test('a monitor of a real cluster', { skip: why }, async (t) => {
  const cluster = await startKafka(t, { brokers: 3 });
  const servers = cluster.bootstrapServers;
  const [server] = servers;
  const uri = `kafka://${server}`;
  await withAdmin(servers, async (admin) => {
    await admin.createTopics({
      topics: [{ topic: 'orders', numPartitions: 6, replicationFactor: 3 }],
      waitForLeaders: true,
    });
  });
  const topics = ['orders'];
  const up = await until('replicas in sync', async () => {
    const result = await check({ uri, topics, min_brokers: 3 });
    return result.outcome === 'up' ? result : null;
  });
  t.match(up, { status: 'OK', responseTime: Number, timings: { connect: Number, ttfb: Number } });
  t.strictSame(up.values, { brokers: 3, topics: 1, partitions: 6, under_replicated: 0, offline: 0 });
  t.match(await check({ uri, topics: ['none'] }), {
    ...{ outcome: 'down', reason: 'status', status: 'UNKNOWN_TOPIC_OR_PARTITION' },
  });
  t.notOk((await withAdmin(servers, (admin) => admin.listTopics())).includes('none'), 'asking did not make it');

  const kafka = new Kafka({ brokers: servers, logLevel: logLevel.NOTHING });
  const producer = kafka.producer();
  await producer.connect();
  for (let partition = 0; partition < 6; partition++) {
    const messages = Array.from({ length: 10 }, () => ({ partition, value: 'an order' }));
    await producer.send({ topic: 'orders', messages });
  }
  await producer.disconnect();
  // The coordinator of the first group is looked for until there is one.
  await until('a coordinator', async () => (await check({ uri, topics, group: 'none' })).reason === 'body');
  t.match(await check({ uri, topics, group: 'none' }), {
    outcome: 'down',
    detail: /has committed no offsets of orders$/,
  });
  await withAdmin(servers, (admin) =>
    admin.setOffsets({
      groupId: 'billing',
      topic: 'orders',
      partitions: [0, 1, 2, 3, 4].map((partition) => ({ partition, offset: String(2 * partition) })),
    }),
  );
  // 10 + 8 + 6 + 4 + 2; the sixth partition has no offset.
  for (const options of [{ topics }, {}]) {
    t.match(await check({ uri, group: 'billing', ...options }), { outcome: 'up', values: { lag: 30 } });
  }
  t.match(await check({ uri, topics, group: 'billing', max_lag: 29 }), { outcome: 'degraded', reason: 'body' });

  cluster.brokers[0].kill();
  const bootstrap_servers = servers.slice(1);
  const degraded = await until('the loss of a broker', async () => {
    const result = await check({ uri, bootstrap_servers, topics, group: 'billing' });
    return result.outcome === 'degraded' && result.values?.brokers === 2 ? result : null;
  });
  t.match(degraded, {
    ...{ reason: 'body', detail: '6 partitions lack replicas, accepted: up to 0' },
    values: { under_replicated: 6, offline: 0, lag: 30 },
  });
  t.match(await check({ uri, topics }), { outcome: 'down', reason: 'connect' });
});

t.test('TLS and SASL of a real broker', { skip: why }, async (t) => {
  const cluster = await startKafka(t, { secure: true });
  const pem = (file: string) => readFileSync(join(cluster.certificates, file), 'utf8');
  const tls = { ca: pem('ca.pem') };
  const password = encodeURIComponent(SASL_USER.password);
  const [sasl] = cluster.servers('sasl');
  const [ssl] = cluster.servers('ssl');
  for (const sasl_mechanism of ['plain', 'scram-sha-256', 'scram-sha-512']) {
    const up = await check({ uri: `kafkas://${SASL_USER.user}:${password}@${sasl}`, sasl_mechanism, tls });
    t.match(up, {
      ...{ outcome: 'up', status: 'OK', timings: { tls: Number }, values: { brokers: 1, days_left: Number } },
      facts: { certificate: { trusted: true } },
    });
    t.match(await check({ uri: `kafkas://${SASL_USER.user}:wrong@${sasl}`, sasl_mechanism, tls }), {
      ...{ outcome: 'down', reason: 'status', status: 'SASL_AUTHENTICATION_FAILED' },
    });
  }
  const [plain] = cluster.bootstrapServers;
  t.match(await check({ uri: `kafka://${SASL_USER.user}:${password}@${plain}` }), {
    ...{ outcome: 'down', reason: 'status' },
  });
  t.match(await check({ uri: `kafkas://${sasl}`, tls }), {
    outcome: 'down',
    reason: 'connect',
    detail: /TLS or a login$/,
  });
  t.match(await check({ uri: `kafka://${sasl}` }), { outcome: 'down' });
  t.match(await check({ uri: `kafkas://${sasl}` }), { outcome: 'down', reason: 'tls' });
  const client = { ...tls, cert: pem('service.cert'), key: pem('service.key') };
  t.match(await check({ uri: `kafkas://${ssl}`, tls: client }), { outcome: 'up' });
  t.match(await check({ uri: `kafkas://${ssl}`, tls }), { outcome: 'down', reason: 'tls' });
  const [elsewhere] = cluster.servers('elsewhere');
  t.match(await check({ uri: `kafkas://${elsewhere}`, tls }), { outcome: 'down', reason: 'tls' });
});
