import { type Test, test } from 'tap';
import { until } from '../helpers/until.ts';
import { noKafkaFor, startKafka } from '../kafka/broker.ts';
import { conduct } from './conductor.ts';
import type { VedetteProcess } from './fleet.ts';
import { departures, processFaults } from './process-faults.ts';
import { sampleDrivers } from './sample.ts';
import { countedSlots, createScene, isReady, openDatabase, reportAudit, startServer } from './scene.ts';

const CHANGES = Number(process.env.VEDETTE_FAULTS ?? 14);
const JOBS = 80;

for (const driver of sampleDrivers(import.meta.filename)) {
  const name = `${driver}: processors come and go, die and freeze ${CHANGES} times in quick succession: exact`;
  test(name, { skip: noKafkaFor(driver) }, (t) => storm(t, driver));
}

async function storm(t: Test, driver: string): Promise<void> {
  const scene = await createScene(t, { jobs: JOBS });
  const kafka = await startKafka(t);
  const server = await startServer(t, scene);
  const env = {
    DATABASE_URL: server.connectionString,
    KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrapServers.join(),
    VEDETTE_STREAM_DRIVER: driver,
    VEDETTE_STREAM_PARTITIONS: '6',
  };
  const watcher = await scene.vedette('watcher', env, ['--roles', 'api,scheduler']);
  const processors: VedetteProcess[] = [];
  for (let n = 0; n < 4; n++) processors.push(await scene.vedette(`processor-${n}`, env, ['--roles', 'processor']));
  await watcher.start();
  await until('readiness', () => isReady(watcher), 120_000);
  for (const processor of processors) await processor.start();
  const database = await openDatabase(t, server.connectionString);
  await until('the first numbers', async () => (await countedSlots(database)) > JOBS, 120_000);

  await conduct(t, [...processFaults('a processor', processors), ...departures('a processor', processors)], {
    random: scene.random,
    count: CHANGES,
    pauseMs: [500, 1_500],
    atOnce: 2,
  });
  for (const { name, failures } of processors) t.equal(failures, 0, `${name} never ended by itself`);
  const before = await countedSlots(database);
  await until('counting to go on', async () => (await countedSlots(database)) > before + JOBS, 120_000);
  await scene.settle(watcher, database);
  reportAudit(t, await scene.audit(database));
}
