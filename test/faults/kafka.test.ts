import { setTimeout as sleep } from 'node:timers/promises';
import { type Test, test } from 'tap';
import type { Cluster } from '../../scripts/kafka/cluster.ts';
import { whyNoRdkafka } from '../../src/streaming/rdkafka.ts';
import { noBroker, startKafka } from '../kafka/broker.ts';
import { until, type VedetteProcess } from './fleet.ts';
import { createScene, isReady, openDatabase, reportAudit, type Scene, startServer } from './scene.ts';

const FAULTS = Number(process.env.VEDETTE_FAULTS ?? 12);
const JOBS = 120;

type Fault = (scene: Scene) => Promise<void>;

for (const driver of ['kafkajs', 'rdkafka']) {
  const missing = noBroker() || (driver === 'rdkafka' && whyNoRdkafka());
  const name = `${driver}: three schedulers and three processors on Kafka, exact through ${FAULTS} faults`;
  test(name, { skip: missing ? String(missing) : false }, (t) => surviveFaults(t, driver));
}

async function surviveFaults(t: Test, driver: string): Promise<void> {
  const scene = await createScene(t, { jobs: JOBS });
  const kafka = await startKafka(t);
  const server = await startServer(t, scene);
  const env = {
    DATABASE_URL: server.connectionString,
    KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrapServers.join(),
    VEDETTE_STREAM_DRIVER: driver,
    VEDETTE_STREAM_PARTITIONS: '6',
    VEDETTE_SCHEDULER_LEASE: '4s',
  };
  const fleet = (role: string, count: number) =>
    Promise.all(Array.from({ length: count }, (_, index) => scene.vedette(`${role}-${index}`, env, ['--roles', role])));
  const [api] = await fleet('api', 1);
  const schedulers = await fleet('scheduler', 3);
  const processors = await fleet('processor', 3);
  for (const vedette of [api, ...schedulers, ...processors]) await vedette.start();
  await until('readiness of the API', () => isReady(api), 60_000);
  const database = await openDatabase(t, server.connectionString);
  const counted = async () => {
    const { rows } = await database.query<{ n: number }>(
      'SELECT coalesce(sum(count), 0)::bigint AS n FROM series_progress',
    );
    return rows[0].n;
  };
  await until('the first numbers', async () => (await counted()) > JOBS, 60_000);

  const faults = faultsOf(schedulers, processors, kafka, () => server.pid());
  for (let fault = 0; fault < FAULTS; fault++) {
    await sleep(scene.random.between(300, 2_500));
    const [title, inject] = scene.random.pick(faults);
    t.comment(`fault ${fault + 1}: ${title}`);
    await inject(scene);
  }
  const before = await until('PostgreSQL to answer', counted);
  await until('counting to go on', async () => (await counted()) > before + JOBS, 90_000);
  await scene.settle(api, database);
  reportAudit(t, await scene.audit(database));
}

function faultsOf(
  schedulers: readonly VedetteProcess[],
  processors: readonly VedetteProcess[],
  kafka: Cluster,
  serverPid: () => number | null,
): Array<[title: string, inject: Fault]> {
  const killed = (fleet: readonly VedetteProcess[]) => async (scene: Scene) => {
    const victim = scene.random.pick(fleet);
    victim.kill('SIGKILL');
    await victim.gone();
    await sleep(scene.random.between(0, 2_000));
    await victim.start();
  };
  const paused = (fleet: readonly VedetteProcess[], upTo: number) => async (scene: Scene) => {
    const victim = scene.random.pick(fleet);
    victim.kill('SIGSTOP');
    await sleep(scene.random.between(500, upTo));
    victim.kill('SIGCONT');
  };
  const [broker] = kafka.brokers;
  return [
    ['a scheduler is killed', killed(schedulers)],
    ['a processor is killed', killed(processors)],
    ['a scheduler is paused, perhaps beyond its lease', paused(schedulers, 8_000)],
    ['a processor is paused', paused(processors, 8_000)],
    [
      'both kinds are killed at once',
      async (scene) => {
        await Promise.all([killed(schedulers)(scene), killed(processors)(scene)]);
      },
    ],
    [
      'the broker is killed',
      async (scene) => {
        broker.kill();
        await sleep(scene.random.between(200, 3_000));
        broker.launch();
        await broker.ready();
      },
    ],
    [
      'the broker is paused',
      async (scene) => {
        broker.pause();
        await sleep(scene.random.between(500, 6_000));
        broker.resume();
      },
    ],
    [
      'PostgreSQL is killed',
      async () => {
        const pid = serverPid();
        if (pid !== null) process.kill(pid, 'SIGKILL');
      },
    ],
  ];
}
