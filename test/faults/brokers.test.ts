import { setTimeout as sleep } from 'node:timers/promises';
import { type Test, test } from 'tap';
import { until } from '../helpers/until.ts';
import { noKafkaFor, startKafka } from '../kafka/broker.ts';
import { withAdmin } from '../kafka/topics.ts';
import { sampleDrivers } from './sample.ts';
import { countedSlots, createScene, isReady, openDatabase, reportAudit, startServer } from './scene.ts';

const KILLS = Number(process.env.VEDETTE_FAULTS ?? 3);
const JOBS = 60;

for (const driver of sampleDrivers(import.meta.filename)) {
  const name = `${driver}: three brokers, the leader killed ${KILLS} times: exact`;
  test(name, { skip: noKafkaFor(driver) }, (t) => loseLeaders(t, driver));
}

async function loseLeaders(t: Test, driver: string): Promise<void> {
  const scene = await createScene(t, { jobs: JOBS });
  const kafka = await startKafka(t, { brokers: 3 });
  const server = await startServer(t, scene);
  const vedette = await scene.vedette('vedette', {
    DATABASE_URL: server.connectionString,
    KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrapServers.join(),
    VEDETTE_STREAM_DRIVER: driver,
    VEDETTE_STREAM_PARTITIONS: '3',
    VEDETTE_STREAM_REPLICATION: '3',
  });
  await vedette.start();
  await until('readiness', () => isReady(vedette), 60_000);
  const database = await openDatabase(t, server.connectionString);
  await until('the first numbers', async () => (await countedSlots(database)) > JOBS, 60_000);

  const partitions = () => withAdmin(kafka.bootstrapServers, (admin) => describe(admin));
  t.ok(
    (await partitions()).every(({ replicas }) => replicas.length === 3),
    'every partition is on three brokers',
  );
  for (let kill = 0; kill < KILLS; kill++) {
    const { leader, partitionId } = (await partitions())[kill % 3];
    t.comment(`fault ${kill + 1}: broker ${leader}, leader of partition ${partitionId}, is killed`);
    const broker = kafka.brokers[leader - 1];
    broker.kill();
    await until('another leader', async () => (await partitions())[kill % 3].leader !== leader, 60_000);
    const before = await countedSlots(database);
    await until('counting to go on', async () => (await countedSlots(database)) > before + JOBS, 90_000);
    await sleep(scene.random.between(0, 2_000));
    broker.launch();
    await broker.ready();
    const inSync = async () => (await partitions()).every(({ isr }) => isr.length === 3);
    await until('all replicas to be in sync', inSync, 90_000);
  }
  await until('readiness', () => isReady(vedette), 60_000);
  await scene.settle(vedette, database);
  reportAudit(t, await scene.audit(database));
}

async function describe(admin: Parameters<Parameters<typeof withAdmin>[1]>[0]) {
  const { topics } = await admin.fetchTopicMetadata({ topics: ['checks'] });
  return topics[0].partitions.sort((a, b) => a.partitionId - b.partitionId);
}
