import { type Test, test } from 'tap';
import { freePort } from '../../scripts/free-port.ts';
import { kafkaVersion } from '../../scripts/kafka/installation.ts';
import type { Database } from '../../src/postgres/database.ts';
import { embeddedVersion } from '../../src/postgres/embedded/binaries.ts';
import { createFaultProxy } from '../helpers/fault-proxy.ts';
import { until } from '../helpers/until.ts';
import { noKafkaFor, startKafka } from '../kafka/broker.ts';
import { conduct } from './conductor.ts';
import { commitFaults, networkFaults, type Way } from './network-faults.ts';
import { brokerFaults, departures, processFaults, serverFaults } from './process-faults.ts';
import { conclude } from './record.ts';
import { countedSlots, createScene, isReady, openDatabase, startServer } from './scene.ts';
import { inviteStrangers } from './strangers.ts';
import { TARGET_ADDRESSES } from './target-log.ts';

const FAULTS = Number(process.env.VEDETTE_FAULTS ?? 35);
const JOBS = 120;
const SPECIAL = 5;

const DRIVERS = (process.env.VEDETTE_FAULT_DRIVERS ?? 'kafkajs,rdkafka').split(',') as Array<'kafkajs' | 'rdkafka'>;

for (const driver of DRIVERS) {
  const name = `${driver}: three schedulers and three processors on Kafka, exact through ${FAULTS} faults of all kinds`;
  const timeout = 300_000 + FAULTS * 10_000;
  test(name, { skip: noKafkaFor(driver), timeout }, (t) => surviveFaults(t, driver));
}

async function surviveFaults(t: Test, driver: string): Promise<void> {
  const startedAt = new Date();
  // The way to the website goes bad too, for half of the jobs; some have a topic of their own.
  const sitePort = await freePort();
  const scene = await createScene(t, {
    jobs: JOBS,
    more: (jobId) => ({
      ...(jobId % 2 === 0 ? { uri: `http://127.0.0.1:${sitePort}/${jobId}` } : {}),
      ...(jobId % SPECIAL === 0 ? { topic: 'special' } : {}),
    }),
  });
  const site = await createFaultProxy(t, { host: TARGET_ADDRESSES[0], port: scene.target.port }, sitePort);
  const kafka = await startKafka(t);
  const [broker] = kafka.brokers;
  const { ports } = broker.options;
  const kafkaProxy = await createFaultProxy(t, { host: '127.0.0.1', port: ports.proxied }, ports.proxy);
  const server = await startServer(t, scene);
  const env = {
    DATABASE_URL: server.connectionString,
    KAFKA_BOOTSTRAP_SERVERS: kafka.servers('proxy').join(),
    VEDETTE_STREAM_DRIVER: driver,
    VEDETTE_STREAM_PARTITIONS: '6',
    VEDETTE_SCHEDULER_LEASE: '4s',
    // The strangers' stock client reads no lz4.
    VEDETTE_KAFKA_COMPRESSION: 'none',
  };

  const toPostgres: Way[] = [];
  const toKafka: Way[] = [];
  const fleet = async (role: string, count: number) => {
    const processes = [];
    for (let index = 0; index < count; index++) {
      const name = `${role}-${index}`;
      const url = new URL(server.connectionString);
      const proxy = await createFaultProxy(t, { host: url.hostname, port: Number(url.port) });
      url.port = String(proxy.port);
      toPostgres.push({ name, proxy });
      toKafka.push({ name, proxy: kafkaProxy, client: name });
      const own = { DATABASE_URL: url.href, VEDETTE_KAFKA_CLIENT_ID: name };
      processes.push(await scene.vedette(name, { ...env, ...own }, ['--roles', role], { supervised: true }));
    }
    return processes;
  };
  const schedulers = await fleet('scheduler', 3);
  const processors = await fleet('processor', 3);
  const api = await scene.vedette('api', env, ['--roles', 'api']);
  for (const vedette of [api, ...schedulers, ...processors]) await vedette.start();
  await until('readiness of the API', () => isReady(api), 120_000);
  const database = await openDatabase(t, server.connectionString);
  await until('the first numbers', async () => (await countedSlots(database)) > JOBS, 120_000);

  const strangers = await inviteStrangers(t, { servers: kafka.bootstrapServers, topics: ['checks', 'special'] });
  const faults = [
    ...processFaults('a scheduler', schedulers),
    ...processFaults('a processor', processors),
    ...departures('a scheduler', schedulers),
    ...departures('a processor', processors),
    ...brokerFaults(broker),
    ...serverFaults(server),
    ...networkFaults('PostgreSQL', toPostgres),
    ...commitFaults(toPostgres),
    ...networkFaults('Kafka', toKafka),
    ...networkFaults('the website', [{ name: 'all schedulers', proxy: site }]),
    ...strangers.faults,
  ];
  const progress = async () => `${await countedSlots(database).catch(() => 'unknown how many')} slots counted so far`;
  const kinds = await conduct(t, faults, {
    random: scene.random,
    count: FAULTS,
    // What pulls down a scheduler costs checks: with less time between, most slots would be missed and little proved.
    pauseMs: [1_500, 3_500],
    atOnce: 2,
    progress,
  });

  const before = await until('PostgreSQL to answer', () => countedSlots(database));
  await until('counting to go on', async () => (await countedSlots(database)) > before + JOBS, 120_000);
  await scene.settle(api, database);
  const log = await strangers.readLines();
  const report = await scene.audit(database, log.foreign);
  const totals = await readTotals(database);
  const verified = await scene.verify({ ...env, VEDETTE_STREAM_DRIVER: driver });
  await conclude(t, {
    name: `all-kinds/${driver}`,
    scene,
    startedAt,
    setting: {
      PostgreSQL: await embeddedVersion(),
      'Apache Kafka': kafkaVersion(),
      jobs: `${JOBS}, every second`,
      processes: '3 schedulers, 3 processors, 1 API',
    },
    faults: kinds,
    report,
    verified,
    counters: {
      ...totals,
      'processes that ended by themselves': [...schedulers, ...processors].reduce((sum, one) => sum + one.failures, 0),
    },
  });
  t.equal(totals['dead letters'], log.poison, 'every line that cannot be read was kept once');
  t.equal(totals['foreign results'], log.foreign.length, 'every foreign line was counted once');
}

/** What became of the lines, by the names that the record gives them. */
async function readTotals(database: Database) {
  const { rows } = await database.query<{
    duplicates: number;
    'results of old owners': number;
    'foreign results': number;
    'dead letters': number;
  }>(`
    SELECT sum(duplicates)::bigint AS duplicates, sum(fenced)::bigint AS "results of old owners",
      sum(foreign_results)::bigint AS "foreign results", sum(dead_letters)::bigint AS "dead letters"
    FROM stream_offsets`);
  return rows[0];
}
