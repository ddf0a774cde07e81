import { randomBytes } from 'node:crypto';
import t from 'tap';
import { Recorder } from '../streaming/recorder.ts';
import { noBroker, startKafka } from './broker.ts';
import { availableDrivers, kafkaOptions, openDriver } from './drivers.ts';

const why = noBroker();
if (why) t.test('three real brokers', { skip: why }, async () => undefined);
else await failover();

async function failover(): Promise<void> {
  const cluster = await startKafka(t, { brokers: 3 });
  for (const [index, name] of availableDrivers().entries()) {
    t.test(`${name}: one broker of three is killed: others lead, nothing acknowledged is lost`, async (t) => {
      const options = kafkaOptions(cluster.bootstrapServers, { deliveryTimeoutMs: 8_000 });
      const driver = await openDriver(t, name, options);
      const topic = `failover-${randomBytes(6).toString('hex')}`;
      await driver.ensureTopics([{ topic, partitions: 6, replication: 3 }], { create: true });
      const recorder = new Recorder();
      await driver.createConsumer({ group: topic, topics: [topic], handler: recorder });
      const producer = await driver.createProducer();
      await recorder.until('all partitions', () => recorder.owned.size === 6, 60_000);
      const victim = cluster.brokers[index];
      const wanted = Array.from({ length: 120 }, (_, n) => String(n));
      for (const text of wanted) {
        if (text === '40') victim.kill();
        for (;;) {
          try {
            await producer.send([{ topic, partition: Number(text) % 6, value: Buffer.from(text) }]);
            break;
          } catch {
            await new Promise((resolve) => setTimeout(resolve, 200));
          }
        }
      }
      await recorder.until('all', () => new Set(recorder.texts()).size === 120, 60_000);
      t.strictSame(
        [...new Set(recorder.texts())].sort((a, b) => Number(a) - Number(b)),
        wanted,
      );
      t.strictSame(recorder.violations, []);
      victim.launch();
      await victim.ready();
    });
  }
}
