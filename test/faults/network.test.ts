import { type Test, test } from 'tap';
import { createFaultProxy, type FaultProxy } from '../helpers/fault-proxy.ts';
import { until } from '../helpers/until.ts';
import { noKafkaFor, startKafka } from '../kafka/broker.ts';
import { conduct } from './conductor.ts';
import { commitFaults, networkFaults } from './network-faults.ts';
import { sampleDrivers } from './sample.ts';
import { countedSlots, createScene, isReady, openDatabase, reportAudit, type Scene, startServer } from './scene.ts';

const FAULTS = Number(process.env.VEDETTE_FAULTS ?? 10);
const JOBS = 100;

test(`a bad network to PostgreSQL: exact through ${FAULTS} faults`, async (t) => {
  const scene = await createScene(t, { jobs: JOBS });
  await sufferNetwork(t, scene, {});
});

for (const driver of sampleDrivers(import.meta.filename)) {
  const name = `${driver}: a bad network to Kafka and PostgreSQL: exact through ${FAULTS} faults`;
  test(name, { skip: noKafkaFor(driver) }, async (t) => {
    const scene = await createScene(t, { jobs: JOBS });
    const kafka = await startKafka(t);
    const { ports } = kafka.brokers[0].options;
    const broker = await createFaultProxy(t, { host: '127.0.0.1', port: ports.proxied }, ports.proxy);
    const env = {
      KAFKA_BOOTSTRAP_SERVERS: kafka.servers('proxy').join(),
      VEDETTE_STREAM_DRIVER: driver,
      VEDETTE_STREAM_PARTITIONS: '4',
    };
    await sufferNetwork(t, scene, env, broker);
  });
}

/** Two processes of all roles whose ways to PostgreSQL, and to Kafka if given, go bad again and again. */
async function sufferNetwork(t: Test, scene: Scene, env: Record<string, string>, broker?: FaultProxy): Promise<void> {
  const server = await startServer(t, scene);
  const url = new URL(server.connectionString);
  const postgres = await createFaultProxy(t, { host: url.hostname, port: Number(url.port) });
  url.hostname = postgres.host;
  url.port = String(postgres.port);
  const all = { ...env, DATABASE_URL: url.href, VEDETTE_SCHEDULER_LEASE: '4s' };
  const pair = [await scene.vedette('a', all), await scene.vedette('b', all)];
  for (const vedette of pair) await vedette.start();
  for (const vedette of pair) await until('readiness', () => isReady(vedette), 60_000);
  // The auditor's own way is a good one.
  const database = await openDatabase(t, server.connectionString);
  await until('the first numbers', async () => (await countedSlots(database)) > JOBS, 60_000);

  const faults = (peer: string, proxy: FaultProxy) => networkFaults(peer, [{ name: 'both', proxy }]);
  const kinds = [...faults('PostgreSQL', postgres), ...commitFaults([{ name: 'both', proxy: postgres }])];
  if (broker) kinds.push(...faults('Kafka', broker));
  await conduct(t, kinds, { random: scene.random, count: FAULTS, pauseMs: [200, 1_500], atOnce: 1 });
  for (const vedette of pair) await until('readiness', () => isReady(vedette), 120_000);
  const before = await countedSlots(database);
  await until('counting to go on', async () => (await countedSlots(database)) > before + JOBS, 90_000);
  await scene.settle(pair[0], database);
  reportAudit(t, await scene.audit(database));
}
