import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { kafkaVersion } from '../../scripts/kafka/installation.ts';
import type { PostgresMajor } from '../../scripts/postgres/installation.ts';
import type { Database } from '../../src/postgres/database.ts';
import { until } from '../helpers/until.ts';
import { startKafka } from '../kafka/broker.ts';
import { conduct, type Fault, fault } from './conductor.ts';
import type { VedetteOptions, VedetteProcess } from './fleet.ts';
import { isCounted, positionsOfEmbedded, positionsOfKafka, type ReadPositions } from './positions.ts';
import { startPostgres } from './postgres-server.ts';
import { departures, processFaults } from './process-faults.ts';
import { conclude } from './record.ts';
import { countedSlots, createScene, isReady, openDatabase } from './scene.ts';
import { type Standstill, watchStandstill } from './standstill.ts';

export const DRIVERS = ['embedded', 'kafkajs', 'rdkafka'] as const;
export type Driver = (typeof DRIVERS)[number];

export interface CrowdOptions {
  driver: Driver;
  major: PostgresMajor;
  faults: number;
}

/** With a row for the minute, the hour and the day of each job that is some 3,000 rows of numbers a flush. */
const JOBS = 800;
const PERIOD_SECONDS = 2;
const SCHEDULERS = 2;
const PROCESSORS = 3;
/**
 * Counting is what is tried here. Processes that start over and over must not take the machine from those that check, or
 * there is little to count.
 */
const PUNCTUAL = -5;
/** Nothing counted for so long, with records waiting, is a failure. */
const LONGEST_STANDSTILL_MS = 15_000;
/** The same of a single partition, whose owner may have been frozen within a transaction. */
const LONGEST_OF_PARTITION_MS = 30_000;

/**
 * As many jobs as it takes for a flush to have thousands of rows, and processors that die, come and go, so that one finds
 * rows of another, with pauses between the faults long enough for most slots to be checked.
 */
export async function surviveInCrowd(t: Test, { driver, major, faults }: CrowdOptions): Promise<void> {
  const startedAt = new Date();
  const scene = await createScene(t, { jobs: JOBS, periodSeconds: PERIOD_SECONDS, priority: PUNCTUAL });
  const setting = {
    partitions: scene.random.pick(['4', '6', '12']),
    flushInterval: scene.random.pick(['1s', '2s']),
  };
  t.comment(`${setting.partitions} partitions, numbers written every ${setting.flushInterval}`);
  const postgres = await startPostgres(t, major, scene.folder);
  const kafka = driver === 'embedded' ? null : await startKafka(t);
  const env: Record<string, string> = {
    DATABASE_URL: postgres.connectionString,
    VEDETTE_STREAM_DRIVER: driver,
    VEDETTE_STREAM_PARTITIONS: setting.partitions,
    VEDETTE_PROCESSOR_FLUSH_INTERVAL: setting.flushInterval,
    VEDETTE_SCHEDULER_LEASE: '3s',
    VEDETTE_KAFKA_SESSION_TIMEOUT: '6s',
    VEDETTE_KAFKA_HEARTBEAT: '1s',
    ...(kafka ? { KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrapServers.join() } : {}),
  };
  const fleet = (role: string, count: number, how: Partial<VedetteOptions> = {}) => {
    const one = (index: number) =>
      scene.vedette(`${role}-${index}`, env, ['--roles', role], { supervised: true, ...how });
    return Promise.all(Array.from({ length: count }, (_, index) => one(index)));
  };
  const api = await scene.vedette('api', env, ['--roles', 'api']);
  const schedulers = await fleet('scheduler', SCHEDULERS, { priority: PUNCTUAL });
  const processors = await fleet('processor', PROCESSORS);
  const guest = await scene.vedette('guest', env, ['--roles', 'processor']);
  await api.start();
  await until('readiness of the API', () => isReady(api), 300_000);
  for (const vedette of [...processors, ...schedulers]) await vedette.start();
  const database = await openDatabase(t, postgres.connectionString);
  await until('the first numbers', async () => (await countedSlots(database)) > JOBS, 300_000);

  const read = kafka
    ? await positionsOfKafka(t, database, kafka.bootstrapServers, ['checks'])
    : positionsOfEmbedded(database);
  const watch = watchStandstill(t, read);
  const kinds = await conduct(t, crowdFaults(processors, schedulers, guest), {
    random: scene.random,
    count: faults,
    pauseMs: [2_500, 5_000],
    atOnce: 2,
    recovered: () => whenAllMoved(read),
    progress: async () =>
      `${await countedSlots(database)} slots counted so far, longest standstill ${inSeconds(watch.longest())}`,
  });
  const before = await countedSlots(database);
  await until('counting to go on', async () => (await countedSlots(database)) > before + JOBS, 60_000);
  await scene.stopJobs(api, database);
  // Counting that never comes to its end is judged as well: by what is missing then.
  const isDone = await until('every record to be counted', async () => isCounted(await read()), 60_000).catch(
    () => false,
  );
  await watch.stop();
  const report = await scene.audit(database);
  const verified = await scene.verify(env);

  const any = watch.longest();
  const partition = watch.longestOfPartition();
  await conclude(t, {
    name: `crowd/${driver}/${major}`,
    scene,
    startedAt,
    setting: {
      PostgreSQL: postgres.version.replace('PostgreSQL ', ''),
      ...(kafka ? { 'Apache Kafka': kafkaVersion() } : {}),
      jobs: `${JOBS}, every ${PERIOD_SECONDS} s`,
      processes: `${SCHEDULERS} schedulers, ${PROCESSORS} processors and a guest, 1 API`,
      partitions: setting.partitions,
      'flush interval': setting.flushInterval,
    },
    faults: kinds,
    report,
    verified,
    standstill: { any, partition, longestGapMs: watch.longestGapMs() },
    counters: await countersOf(database, [...schedulers, ...processors, guest]),
  });
  t.ok(isDone, 'every record of the log was counted in the end');
  t.ok(any.ms <= LONGEST_STANDSTILL_MS, `counting never stood still for more than 15 s: ${inSeconds(any)}`);
  t.ok(partition.ms <= LONGEST_OF_PARTITION_MS, `no partition did for more than 30 s: ${inSeconds(partition)}`);
}

/**
 * A consumer group that never comes to rest counts nothing: the next fault waits until every partition with records has
 * moved, for a while at most.
 */
async function whenAllMoved(read: ReadPositions): Promise<void> {
  const known = new Map((await read()).map(({ partition, next }) => [partition, next]));
  const haveMoved = async () =>
    (await read()).every(({ partition, next, end }) => next >= end || next > (known.get(partition) ?? 0));
  await until('every partition to move', haveMoved, LONGEST_STANDSTILL_MS).catch(() => undefined);
}

function crowdFaults(
  processors: readonly VedetteProcess[],
  schedulers: readonly VedetteProcess[],
  guest: VedetteProcess,
): Fault[] {
  const [killed, , ...paused] = processFaults('a processor', processors);
  const visit = fault('another processor joins, and leaves', [guest], async (visitor, random) => {
    await visitor.start();
    await sleep(random.between(4_000, 8_000));
    if (random.next() < 0.5) await visitor.stop(60_000);
    else {
      visitor.kill('SIGKILL');
      await visitor.gone();
    }
  });
  return [
    // Seven of thirteen.
    ...Array.from({ length: 7 }, () => killed),
    ...paused,
    departures('a processor', processors)[1],
    visit,
    processFaults('a scheduler', schedulers)[0],
    departures('a scheduler', schedulers)[0],
  ];
}

async function countersOf(database: Database, processes: readonly VedetteProcess[]): Promise<Record<string, number>> {
  const { rows } = await database.query<Record<string, number>>(`
    SELECT sum(duplicates)::bigint AS duplicates, sum(fenced)::bigint AS "results of old owners",
      sum(dead_letters)::bigint AS "dead letters"
    FROM stream_offsets`);
  const failures = processes.reduce((sum, vedette) => sum + vedette.failures, 0);
  return { ...rows[0], 'processes that ended by themselves': failures };
}

function inSeconds({ ms, where, atMs }: Standstill): string {
  const place = where && where !== 'any' ? `, ${where}` : '';
  return `${(ms / 1_000).toFixed(1)} s (up to ${(atMs / 1_000).toFixed(0)} s${place})`;
}
