import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel, type Message } from 'kafkajs';
import { type Test, test } from 'tap';
import { until } from '../helpers/until.ts';
import { noKafkaFor, startKafka } from '../kafka/broker.ts';
import { readAll } from './log-records.ts';
import { createScene, isReady, openDatabase, reportAudit, startServer } from './scene.ts';

const SPECIAL = 7;

for (const driver of ['kafkajs', 'rdkafka'] as const) {
  test(`${driver}: records that nobody expected`, { skip: noKafkaFor(driver) }, (t) => meetStrangers(t, driver));
}

/** Foreign lines, copies, zombies, poison and more partitions, all while jobs run; read and written by a stock client. */
async function meetStrangers(t: Test, driver: string): Promise<void> {
  const scene = await createScene(t, {
    jobs: 60,
    more: (jobId) => (jobId % SPECIAL === 0 ? { topic: 'special' } : {}),
  });
  const kafka = await startKafka(t);
  const server = await startServer(t, scene);
  const vedette = await scene.vedette('vedette', {
    DATABASE_URL: server.connectionString,
    KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrapServers.join(),
    VEDETTE_STREAM_DRIVER: driver,
    VEDETTE_STREAM_PARTITIONS: '3',
    VEDETTE_TOPICS_FAILURES: 'failures',
    VEDETTE_KAFKA_COMPRESSION: 'none',
  });
  await vedette.start();
  await until('readiness', () => isReady(vedette), 60_000);
  const database = await openDatabase(t, server.connectionString);
  const sum = async (column: string) => {
    const { rows } = await database.query<{ n: number }>(
      `SELECT coalesce(sum(${column}), 0)::bigint AS n FROM stream_offsets`,
    );
    return rows[0].n;
  };
  await until('the first numbers', async () => (await sum('results')) > 300, 60_000);

  const client = new Kafka({ brokers: kafka.bootstrapServers, logLevel: logLevel.NOTHING });
  const producer = client.producer();
  await producer.connect();
  t.teardown(() => producer.disconnect());
  const records = await readAll(client, 'checks');
  t.ok(records.length > 10, 'a stock consumer reads the records');
  const lines = records.flatMap(({ text }) => text.trim().split('\n')).map((line) => JSON.parse(line));
  t.ok(
    lines.every(({ v, job_id }) => v === 1 && job_id % SPECIAL !== 0),
    'each line is JSON, and jobs with a topic of their own are elsewhere',
  );

  const send = (partition: number, messages: Message[]) =>
    producer.send({ topic: 'checks', messages: messages.map((message) => ({ ...message, partition })) });
  const copies = [...records].sort(() => scene.random.next() - 0.5);
  for (const { partition, text } of copies) await send(partition, [{ value: text }]);
  for (const { partition, text } of records.slice(0, 20)) {
    const zombie = text
      .trim()
      .split('\n')
      .map((line) => ({ ...JSON.parse(line), epoch: 0, slot: Date.now() + 30_000 }));
    await send(partition, [{ value: zombie.map((line) => JSON.stringify(line)).join('\n') }]);
  }
  await send(0, [{ value: Buffer.from([0xff, 0, 1, 2]) }, { value: 'no json' }, { value: '' }]);
  const foreign = { job_id: 5001, ts: Date.now(), response_time: 0.25, status: '200' };
  await send(1, [
    { value: `${JSON.stringify(foreign)}\n{"job_id":\n${JSON.stringify({ ...foreign, status: '503' })}\n` },
  ]);
  const admin = client.admin();
  await admin.connect();
  await admin.createPartitions({ topicPartitions: [{ topic: 'checks', count: 6 }] });
  await admin.disconnect();

  await until('the strangers to be counted', async () => (await sum('dead_letters')) === 3, 60_000);
  await sleep(8_000);
  await scene.settle(vedette, database);
  reportAudit(t, await scene.audit(database));
  t.ok((await sum('duplicates')) >= lines.length, 'copies were dropped as duplicates');
  t.ok((await sum('fenced')) > 0, 'results of a zombie were fenced');
  t.equal(await sum('foreign_results'), 2, 'foreign lines were counted');
  const { rows } = await database.query(
    `SELECT count, rt_count, rt_min, rt_max, data FROM metrics WHERE granularity = 'day' AND job_id = 5001`,
  );
  t.match(rows, [{ count: 2, rt_count: 2, rt_min: 250_000, rt_max: 250_000, data: { 200: 1, 503: 1 } }]);
  const failures = await readAll(client, 'failures');
  const outcomes = failures.flatMap(({ text }) => text.trim().split('\n')).map((line) => JSON.parse(line).outcome);
  t.ok(outcomes.length > 0 && outcomes.every((outcome) => outcome !== 'up'), 'failures have a topic of their own');
}
