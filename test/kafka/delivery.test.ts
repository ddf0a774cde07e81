import t from 'tap';
import { createFaultProxy } from '../helpers/fault-proxy.ts';
import { deliverySuite } from '../streaming/delivery-suite.ts';
import { noBroker, startKafka } from './broker.ts';
import { availableDrivers, kafkaOptions, openDriver } from './drivers.ts';
import { GOOD_FOR_MOCK, startMockCluster } from './mock-cluster.ts';
import { deleteRecords } from './topics.ts';

const why = noBroker();
const given = process.env.KAFKA_BOOTSTRAP_SERVERS?.split(',');
if (!why) await onOwnBroker();
else if (given) onGivenKafka(given, why);
else if (availableDrivers().includes('rdkafka')) await onMockCluster(why);
else
  t.test(
    'drivers on a Kafka',
    { skip: `${why}, and node-rdkafka, which has a mock cluster, is not built` },
    async () => {},
  );

async function onOwnBroker(): Promise<void> {
  const cluster = await startKafka(t);
  const { proxied, proxy } = cluster.brokers[0].options.ports;
  for (const name of availableDrivers()) {
    deliverySuite(name, {
      createDriver: (test) => openDriver(test, name, kafkaOptions(cluster.bootstrapServers)),
      async createMortalDriver(test) {
        const network = await createFaultProxy(test, { host: '127.0.0.1', port: proxied }, proxy);
        const driver = await openDriver(test, name, kafkaOptions([`127.0.0.1:${proxy}`]));
        return { driver, die: () => network.cut() };
      },
      forget: (topic, partition, offset) => deleteRecords(cluster.bootstrapServers, topic, partition, offset),
    });
  }
}

function onGivenKafka(servers: string[], why: string): void {
  t.comment(`USING THE KAFKA AT ${servers} (KAFKA_BOOTSTRAP_SERVERS): ${why}`);
  for (const name of availableDrivers()) {
    deliverySuite(name, {
      // Brokers refuse a session timeout below their own minimum, by default 6 s.
      createDriver: (test) => openDriver(test, name, kafkaOptions(servers, { sessionTimeoutMs: 6_000 })),
      forget: (topic, partition, offset) => deleteRecords(servers, topic, partition, offset),
    });
  }
}

async function onMockCluster(why: string): Promise<void> {
  t.comment(`USING THE MOCK CLUSTER OF LIBRDKAFKA: ${why}`);
  const mock = await startMockCluster(t);
  for (const name of availableDrivers()) {
    deliverySuite(name, {
      createDriver: (test) => mock.openDriver(test, name),
      only: { titles: GOOD_FOR_MOCK, why: 'NOT ON THE MOCK CLUSTER OF LIBRDKAFKA' },
    });
  }
}
