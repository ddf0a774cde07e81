import { setTimeout as sleep } from 'node:timers/promises';
import { type Test, test } from 'tap';
import { until } from '../helpers/until.ts';
import { noKafkaFor, startKafka } from '../kafka/broker.ts';
import type { VedetteProcess } from './fleet.ts';
import { pauseServer } from './process-faults.ts';
import { sampleDrivers } from './sample.ts';
import { countedSlots, createScene, isReady, openDatabase, reportAudit, startServer } from './scene.ts';

const JOBS = 30;
/** A process gives itself 10 s. */
const LIMIT_MS = 12_000;
const AWAY_MS = 2_000;

for (const driver of sampleDrivers(import.meta.filename)) {
  const name = `${driver}: SIGTERM ends processes in time while a broker or PostgreSQL is away: exact`;
  test(name, { skip: noKafkaFor(driver) }, (t) => endWhileAway(t, driver));
}

async function endWhileAway(t: Test, driver: string): Promise<void> {
  const scene = await createScene(t, { jobs: JOBS });
  const kafka = await startKafka(t);
  const [broker] = kafka.brokers;
  const server = await startServer(t, scene);
  const env = {
    DATABASE_URL: server.connectionString,
    KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrapServers.join(),
    VEDETTE_STREAM_DRIVER: driver,
  };
  const all = await scene.vedette('all', env);
  const processor = await scene.vedette('processor', env, ['--roles', 'processor']);
  const database = await openDatabase(t, server.connectionString);

  const stop = async (vedette: VedetteProcess, when: string) => {
    const started = performance.now();
    const code = await vedette.stop(LIMIT_MS);
    t.pass(`${when}: ${vedette.name} ended after ${Math.round(performance.now() - started)} ms with ${code}`);
  };
  /** Each answers what brings the peer back. */
  const absences = {
    'the broker is paused': async () => {
      broker.pause();
      return () => broker.resume();
    },
    'the broker is gone': async () => {
      broker.kill();
      return async () => {
        broker.launch();
        await broker.ready();
      };
    },
    // No business of the driver: once is enough.
    ...(driver === 'kafkajs' ? { 'PostgreSQL is paused': () => pauseServer(server.pid() as number) } : {}),
  };
  await all.start();
  for (const [what, begin] of Object.entries(absences)) {
    await processor.start();
    await until('readiness', () => isReady(all), 60_000);
    const before = await countedSlots(database);
    await until('counting to go on', async () => (await countedSlots(database)) > before + JOBS, 60_000);
    const end = await begin();
    await sleep(AWAY_MS);
    await Promise.all([processor, all].map((vedette) => stop(vedette, what)));
    await processor.start();
    await sleep(AWAY_MS);
    await stop(processor, `${what}, starting`);
    // What starts now waits.
    await all.start();
    await sleep(AWAY_MS);
    await end();
  }
  await until('readiness', () => isReady(all), 60_000);
  await scene.settle(all, database);
  reportAudit(t, await scene.audit(database));
}
