import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import t from 'tap';
import type { KafkaCompression } from '../../src/streaming/kafka/options.ts';
import { Recorder } from '../streaming/recorder.ts';
import { noBroker, startKafka } from './broker.ts';
import { availableDrivers, kafkaOptions, openDriver } from './drivers.ts';

/** The last record of the topic, read by a process in which no codecs were added to kafkajs; or why it cannot be. */
async function readByStockKafkajs(servers: readonly string[], topic: string): Promise<object> {
  const program = `
    import { Kafka, logLevel } from 'kafkajs';
    const [topic, ...brokers] = process.argv.slice(1);
    const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING, retry: { retries: 0 } });
    const admin = kafka.admin();
    await admin.connect();
    const [{ high }] = await admin.fetchTopicOffsets(topic);
    const consumer = kafka.consumer({ groupId: topic + high });
    const end = (outcome) => { console.log(JSON.stringify(outcome)); process.exit(0); };
    consumer.on('consumer.crash', ({ payload }) => end({ error: payload.error.message }));
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({ eachMessage: async ({ message }) => {
      if (Number(message.offset) === high - 1) end({ value: String(message.value) });
    } });`;
  const run = spawn(process.execPath, ['--input-type=module', '--eval', program, topic, ...servers], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(await text(run.stdout));
}

const why = noBroker();
if (why) t.test('stock tools on a real broker', { skip: why }, async () => undefined);
else await stock();

async function stock(): Promise<void> {
  const cluster = await startKafka(t);
  const servers = cluster.bootstrapServers;
  const drivers = availableDrivers();
  const newName = () => `stock-${randomBytes(6).toString('hex')}`;

  for (const name of drivers) {
    t.test(`${name}: Kafka's console consumer reads the lines that were published`, async (t) => {
      const driver = await openDriver(t, name, kafkaOptions(servers));
      const topic = newName();
      await driver.ensureTopics([{ topic, partitions: 1 }], { create: true });
      const producer = await driver.createProducer();
      const headers = { schema: 'vedette.check-result.v1' };
      await producer.send([
        { topic, partition: 0, key: '7', value: Buffer.from('{"job_id":7}\n{"job_id":8}\n'), headers },
      ]);
      const shown = cluster.brokers[0].tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
        ...['--bootstrap-server', servers[0], '--topic', topic, '--from-beginning', '--max-messages', '1'],
        ...['--formatter-property', 'print.headers=true', '--formatter-property', 'print.key=true'],
      ]);
      t.match(shown, /schema:vedette\.check-result\.v1\t7\t\{"job_id":7\}\n\{"job_id":8\}/);
    });

    t.test(`${name}: what any producer sends is read, transactions too`, async (t) => {
      const driver = await openDriver(t, name, kafkaOptions(servers));
      const topic = newName();
      await driver.ensureTopics([{ topic, partitions: 1 }], { create: true });
      const recorder = new Recorder();
      const consumer = await driver.createConsumer({ group: topic, topics: [topic], handler: recorder });
      const foreign = new Kafka({ brokers: servers, logLevel: logLevel.NOTHING }).producer({
        transactionalId: topic,
        idempotent: true,
        maxInFlightRequests: 1,
        createPartitioner: Partitioners.DefaultPartitioner,
      });
      await foreign.connect();
      for (const end of ['commit', 'abort', 'commit'] as const) {
        const transaction = await foreign.transaction();
        await transaction.send({ topic, messages: [{ value: end }, { value: null }] });
        await transaction[end]();
      }
      await foreign.disconnect();
      await recorder.until('what was committed', () => recorder.delivered.length === 4);
      t.strictSame(recorder.texts(), ['commit', '', 'commit', '']);
      const [{ high }] = await driver.ranges(topic);
      t.equal(high, 9, 'marks of transactions have offsets of their own');
      const read: string[] = [];
      for await (const { records } of driver.read(topic, [{ partition: 0, from: 0, to: high }])) {
        read.push(...records.map(({ value }) => value.toString()));
      }
      t.strictSame(read, ['commit', '', 'commit', '']);
      consumer.reset([{ topic, partition: 0 }]);
      consumer.reportCommitted([{ topic, partition: 0, offset: high }]);
      t.strictSame(recorder.violations, []);
    });

    t.test(`${name}: what is written for any readers, kafkajs reads as it is installed`, async (t) => {
      const driver = await openDriver(t, name, kafkaOptions(servers));
      const topic = newName();
      await driver.ensureTopics([{ topic, partitions: 1 }], { create: true });
      const value = Buffer.from('{"job_id":1,"status":"200"}\n'.repeat(500));
      await (await driver.createProducer({ readers: 'any' })).send([{ topic, partition: 0, value }]);
      t.strictSame(await readByStockKafkajs(servers, topic), { value: value.toString() });
      await (await driver.createProducer()).send([{ topic, partition: 0, value }]);
      t.match(await readByStockKafkajs(servers, topic), { error: /LZ4 compression not implemented/ });
    });

    for (const compression of ['none', 'gzip', 'lz4', ...(name === 'rdkafka' ? ['zstd'] : [])] as KafkaCompression[]) {
      t.test(`${name} writes ${compression}: every driver reads it`, async (t) => {
        const writer = await openDriver(t, name, kafkaOptions(servers, { compression }));
        const topic = newName();
        await writer.ensureTopics([{ topic, partitions: 1 }], { create: true });
        const value = Buffer.from('{"job_id":1,"status":"200"}\n'.repeat(5_000));
        await (await writer.createProducer()).send([{ topic, partition: 0, value }]);
        const canRead = drivers.filter((reader) => compression !== 'zstd' || reader === 'rdkafka');
        for (const reader of canRead) {
          const driver = await openDriver(t, reader, kafkaOptions(servers));
          let read: Buffer = Buffer.alloc(0);
          for await (const { records } of driver.read(topic, [{ partition: 0, from: 0, to: 1 }]))
            read = records[0].value;
          t.ok(read.equals(value), reader);
        }
      });
    }
  }
}
