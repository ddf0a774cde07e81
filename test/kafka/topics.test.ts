import { randomBytes } from 'node:crypto';
import t from 'tap';
import type { StreamDriver } from '../../src/streaming/driver.ts';
import { Recorder } from '../streaming/recorder.ts';
import { noBroker, startKafka } from './broker.ts';
import { availableDrivers, kafkaOptions, openDriver } from './drivers.ts';
import { deleteRecords, deleteTopic, withAdmin } from './topics.ts';

const why = noBroker();
if (why) t.test('topics on a real broker', { skip: why }, async () => undefined);
else await topics();

async function topics(): Promise<void> {
  const cluster = await startKafka(t);
  const servers = cluster.bootstrapServers;
  const newName = () => `topics-${randomBytes(6).toString('hex')}`;
  const line = (topic: string, text: string) => ({ topic, partition: 0, value: Buffer.from(text) });

  for (const name of availableDrivers()) {
    const open = (t: Parameters<typeof openDriver>[0]) => openDriver(t, name, kafkaOptions(servers));
    const create = async (driver: StreamDriver, partitions = 1) => {
      const topic = newName();
      await driver.ensureTopics([{ topic, partitions }], { create: true });
      return topic;
    };

    t.test(`${name}: a topic is made with its partitions, replication and retention`, async (t) => {
      const driver = await open(t);
      const topic = newName();
      const spec = { topic, partitions: 5, replication: 1, retentionMs: 3_600_000 };
      t.strictSame(await driver.ensureTopics([spec], { create: true }), new Map([[topic, 5]]));
      await withAdmin(servers, async (admin) => {
        const { resources } = await admin.describeConfigs({
          includeSynonyms: false,
          resources: [{ type: 2, name: topic, configNames: ['retention.ms', 'cleanup.policy'] }],
        });
        const config = Object.fromEntries(
          resources[0].configEntries.map(({ configName, configValue }) => [configName, configValue]),
        );
        t.match(config, { 'retention.ms': '3600000', 'cleanup.policy': 'delete' });
      });
    });

    t.test(`${name}: what is missing is named`, async (t) => {
      const driver = await open(t);
      const topic = newName();
      const missing = { code: 'VED_TOPIC_MISSING', message: new RegExp(topic) };
      await t.rejects(driver.ensureTopics([{ topic, partitions: 1 }], { create: false }), missing);
      await t.rejects(driver.ensureTopics([{ topic, partitions: 1, replication: 3 }], { create: true }), {
        code: 'VED_TOPIC_MISSING',
        message: new RegExp(`${topic} .*could not be made: .*eplication`),
      });
      await t.rejects(driver.ranges(topic), missing);
      t.equal(await driver.identity?.(topic), null);
      await t.rejects(driver.createConsumer({ group: topic, topics: [topic], handler: new Recorder() }), missing);
      const producer = await driver.createProducer();
      await t.rejects(producer.send([line(topic, 'nowhere')]), missing);
      t.notOk((await withAdmin(servers, (admin) => admin.listTopics())).includes(topic), 'asking did not make it');
      const present = await create(driver);
      await producer.send([line(present, 'somewhere')]);
    });

    t.test(`${name}: a record that is too large is refused, and the next one goes through`, async (t) => {
      const driver = await open(t);
      const topic = await create(driver);
      const producer = await driver.createProducer();
      const tooLarge = { topic, partition: 0, value: randomBytes(2_000_000) };
      await t.rejects(producer.send([tooLarge]), { code: 'VED_STREAM_UNAVAILABLE' });
      await producer.send([line(topic, 'small')]);
      const [{ high }] = await driver.ranges(topic);
      t.equal(high, 1);
    });

    t.test(`${name}: an offset that the log does not hold stops the partition, in words`, async (t) => {
      const driver = await open(t);
      const topic = await create(driver);
      const producer = await driver.createProducer();
      for (let n = 0; n < 10; n++) await producer.send([line(topic, String(n))]);
      await deleteRecords(servers, topic, 0, 5);
      for (const [offset, text] of [
        [3, /holds 5 to 10: records expired/],
        [11, /holds 5 to 10: the topic was deleted and made again/],
      ] as const) {
        const recorder = new Recorder({ startAt: () => offset });
        const consumer = await driver.createConsumer({
          group: `${topic}-${offset}`,
          topics: [topic],
          handler: recorder,
        });
        await recorder.until('an error', () => recorder.errors.length > 0);
        t.match(recorder.errors[0], { code: 'VED_OFFSET_LOST', message: text });
        t.equal(recorder.delivered.length, 0);
        await consumer.close();
      }
      const fine = new Recorder({ startAt: () => 10 });
      await driver.createConsumer({ group: `${topic}-10`, topics: [topic], handler: fine });
      await fine.until('the partition', () => fine.owned.size === 1);
      await producer.send([line(topic, 'next')]);
      await fine.until('the next one', () => fine.delivered.length === 1);
      t.strictSame(fine.errors, [], 'the end of the log is no lost offset');
    });

    t.test(`${name}: records that vanish under a reader that waits stop it`, async (t) => {
      const driver = await open(t);
      const topic = await create(driver);
      const producer = await driver.createProducer();
      await producer.send([line(topic, 'first')]);
      let letGo: () => void = () => undefined;
      const held = new Promise<void>((resolve) => {
        letGo = resolve;
      });
      const recorder = new Recorder({ onBatch: () => held });
      const consumer = await driver.createConsumer({ group: topic, topics: [topic], handler: recorder });
      await recorder.until('the first record', () => recorder.delivered.length === 1);
      for (let n = 0; n < 6; n++) await producer.send([{ topic, partition: 0, value: randomBytes(900_000) }]);
      await deleteRecords(servers, topic, 0, 7);
      consumer.reset([{ topic, partition: 0 }]);
      letGo();
      await recorder.until('an error', () => recorder.errors.length > 0);
      t.match(recorder.errors[0], { code: 'VED_OFFSET_LOST' });
    });

    t.test(
      `${name}: a topic that is deleted and made again stops its reader, even when it has grown beyond`,
      async (t) => {
        const driver = await open(t);
        const topic = await create(driver);
        const producer = await driver.createProducer();
        for (let n = 0; n < 5; n++) await producer.send([line(topic, `old ${n}`)]);
        const before = await driver.identity?.(topic);
        const recorder = new Recorder();
        await driver.createConsumer({ group: topic, topics: [topic], handler: recorder });
        await recorder.until('the old records', () => recorder.delivered.length === 5);
        await deleteTopic(servers, topic);
        const other = await open(t);
        await other.ensureTopics([{ topic, partitions: 1 }], { create: true });
        t.not(await other.identity?.(topic), before);
        const again = await other.createProducer();
        for (let n = 0; n < 10; n++) await again.send([line(topic, `new ${n}`)]);
        const isLost = (error: unknown) => (error as { code?: string }).code === 'VED_OFFSET_LOST';
        await recorder.until('an error', () => recorder.errors.some(isLost), 60_000);
        t.equal(recorder.delivered.length, 5, 'nothing of the new topic is read at the old offset');
        t.strictSame(recorder.violations, []);
      },
    );

    t.test(`${name}: partitions that are added are read`, async (t) => {
      const driver = await openDriver(t, name, kafkaOptions(servers, { metadataMaxAgeMs: 1_000 }));
      const topic = await create(driver, 2);
      const recorder = new Recorder();
      await driver.createConsumer({ group: topic, topics: [topic], handler: recorder });
      await recorder.until('both', () => recorder.owned.size === 2);
      await withAdmin(servers, (admin) => admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] }));
      await recorder.until('all four', () => recorder.owned.size === 4, 30_000);
      const other = await open(t);
      const producer = await other.createProducer();
      await producer.send([0, 1, 2, 3].map((partition) => ({ topic, partition, value: Buffer.from('x') })));
      await recorder.until('their records', () => recorder.delivered.length === 4);
      t.strictSame(recorder.violations, []);
    });
  }
}
