import t from 'tap';
import { createFaultProxy } from '../helpers/fault-proxy.ts';
import { deliverySuite } from '../streaming/delivery-suite.ts';
import { noBroker, startKafka } from './broker.ts';
import { availableDrivers, kafkaOptions, openDriver } from './drivers.ts';
import { deleteRecords } from './topics.ts';

const why = noBroker();
if (why) t.test('drivers on a real broker', { skip: why }, async () => undefined);
else {
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
