import { randomBytes } from 'node:crypto';
import t from 'tap';
import type { OutgoingRecord, StreamProducer } from '../../src/streaming/driver.ts';
import { Recorder } from '../streaming/recorder.ts';
import { noBroker, startKafka } from './broker.ts';
import { availableDrivers, kafkaOptions, openDriver } from './drivers.ts';

const why = noBroker();
if (why) t.test('faults of a real broker', { skip: why }, async () => undefined);
else await faults();

/** Sends every text until it is acknowledged, as the publisher does. Answers how many sends were rejected on the way. */
async function publish(producer: StreamProducer, topic: string, texts: readonly string[]): Promise<number> {
  let rejected = 0;
  for (const text of texts) {
    const record: OutgoingRecord = { topic, partition: Number(text) % 2, value: Buffer.from(text) };
    for (;;) {
      try {
        await producer.send([record]);
        break;
      } catch {
        rejected++;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }
  return rejected;
}

const numbers = (from: number, count: number) => Array.from({ length: count }, (_, index) => String(from + index));
/** Without the repetitions that a rejected send leaves. */
const distinct = (texts: readonly string[]) => [...new Set(texts)].sort((a, b) => Number(a) - Number(b));

async function faults(): Promise<void> {
  const cluster = await startKafka(t);
  const [broker] = cluster.brokers;
  for (const name of availableDrivers()) {
    const start = async (t: Parameters<typeof openDriver>[0]) => {
      const options = kafkaOptions(cluster.bootstrapServers, { deliveryTimeoutMs: 4_000 });
      const driver = await openDriver(t, name, options);
      const topic = `faults-${randomBytes(6).toString('hex')}`;
      await driver.ensureTopics([{ topic, partitions: 2 }], { create: true });
      const recorder = new Recorder();
      await driver.createConsumer({ group: topic, topics: [topic], handler: recorder });
      await recorder.until('both partitions', () => recorder.owned.size === 2);
      return { driver, topic, recorder, producer: await driver.createProducer() };
    };

    t.test(
      `${name}: kill -9 of the broker: what was acknowledged is there, in order, and all of it goes on`,
      async (t) => {
        const { producer, recorder, topic } = await start(t);
        await publish(producer, topic, numbers(0, 20));
        const publishing = publish(producer, topic, numbers(20, 60));
        await recorder.until('some', () => recorder.delivered.length >= 30);
        broker.kill();
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        broker.launch();
        await broker.ready();
        await publishing;
        await recorder.until('all', () => distinct(recorder.texts()).length === 80, 60_000);
        t.strictSame(distinct(recorder.texts()), numbers(0, 80));
        for (const partition of [0, 1]) {
          const texts = [...new Set(recorder.texts(partition))];
          t.strictSame(texts, distinct(texts), 'in order');
        }
        t.strictSame(recorder.violations, []);
      },
    );

    t.test(`${name}: a broker that freezes: sends are refused in time, the consumer says so or waits`, async (t) => {
      const { producer, recorder, topic } = await start(t);
      await publish(producer, topic, numbers(0, 10));
      broker.pause();
      const begun = performance.now();
      await t.rejects(producer.send([{ topic, partition: 0, value: Buffer.from('10') }]), {
        code: 'VED_STREAM_UNAVAILABLE',
      });
      t.ok(performance.now() - begun < 8_000, 'within its delivery timeout');
      broker.resume();
      await publish(producer, topic, numbers(10, 20));
      await recorder.until('all', () => distinct(recorder.texts()).length === 30, 60_000);
      t.strictSame(distinct(recorder.texts()), numbers(0, 30));
      t.strictSame(recorder.violations, []);
    });

    t.test(`${name}: a broker that is not there: said at once, and connected to when it comes`, async (t) => {
      const away = kafkaOptions(['127.0.0.1:1'], { deliveryTimeoutMs: 4_000 });
      const driver = await openDriver(t, name, away);
      const refused = { code: 'VED_STREAM_UNAVAILABLE', message: /127\.0\.0\.1:1/ };
      await t.rejects(driver.ensureTopics([{ topic: 'x', partitions: 1 }], { create: true }), refused);
      await t.rejects(driver.createProducer(), refused);
      await t.rejects(driver.createConsumer({ group: 'x', topics: ['x'], handler: new Recorder() }), refused);
    });
  }
}
