import { spawnSync } from 'node:child_process';
import { type Test, test } from 'tap';
import { freePort } from '../../scripts/free-port.ts';
import type { Database } from '../../src/storage/database.ts';
import { createFaultProxy } from '../helpers/fault-proxy.ts';
import { until } from '../helpers/until.ts';
import { noKafkaFor, startKafka } from '../kafka/broker.ts';
import type { Audit } from './audit.ts';
import { conduct } from './conductor.ts';
import { commitFaults, networkFaults, type Way } from './network-faults.ts';
import { brokerFaults, departures, processFaults, serverFaults } from './process-faults.ts';
import { countedSlots, createScene, isReady, openDatabase, reportAudit, startServer } from './scene.ts';
import { inviteStrangers } from './strangers.ts';
import { TARGET_ADDRESSES } from './target-log.ts';

const FAULTS = Number(process.env.VEDETTE_FAULTS ?? 35);
const JOBS = 120;
const SPECIAL = 5;

for (const driver of ['kafkajs', 'rdkafka'] as const) {
  const name = `${driver}: three schedulers and three processors on Kafka, exact through ${FAULTS} faults of all kinds`;
  const timeout = 300_000 + FAULTS * 10_000;
  test(name, { skip: noKafkaFor(driver), timeout }, (t) => surviveFaults(t, driver));
}

async function surviveFaults(t: Test, driver: string): Promise<void> {
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
    pauseMs: [800, 1_600],
    atOnce: 3,
    progress,
  });

  const before = await until('PostgreSQL to answer', () => countedSlots(database));
  await until('counting to go on', async () => (await countedSlots(database)) > before + JOBS, 120_000);
  await scene.settle(api, database);
  const log = await strangers.readLines();
  const report = await scene.audit(database, log.foreign);
  const totals = await readTotals(database);
  const failures = [...schedulers, ...processors].reduce((sum, vedette) => sum + vedette.failures, 0);
  t.comment(`${failures} times a process ended by itself and was started again`);
  for (const line of recordOf(driver, kinds, report, totals)) t.comment(line);
  reportAudit(t, report);
  t.equal(totals.dead_letters, log.poison, 'every line that cannot be read was kept once');
  t.equal(totals.foreign_results, log.foreign.length, 'every foreign line was counted once');
}

interface Totals {
  results: number;
  duplicates: number;
  fenced: number;
  dead_letters: number;
  foreign_results: number;
  /** Missed slots by reason. */
  missed: Record<string, number>;
}

async function readTotals(database: Database): Promise<Totals> {
  const { rows } = await database.query<Totals>(`
    SELECT sum(results)::bigint AS results, sum(duplicates)::bigint AS duplicates, sum(fenced)::bigint AS fenced,
      sum(dead_letters)::bigint AS dead_letters, sum(foreign_results)::bigint AS foreign_results,
      (SELECT jsonb_object_agg(reason, n) FROM (
        SELECT reason, sum(slots) AS n FROM results WHERE outcome = 'missed' GROUP BY reason) AS reasons) AS missed
    FROM stream_offsets`);
  return rows[0];
}

function commit(): string {
  return spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).stdout?.trim() || 'unknown';
}

/** What docs/faults.md keeps of a long run. */
function recordOf(driver: string, kinds: ReadonlyMap<string, number>, report: Audit, totals: Totals): string[] {
  const { due, counted, answered, missed, problems } = report;
  return [
    `RECORD ${driver}: ${problems.length === 0 ? 'exact' : `${problems.length} PROBLEMS`}`,
    `at commit ${commit()}, ${new Date().toISOString().slice(0, 16)}Z`,
    `slots due ${due}, counted ${counted}: ${answered} checked, ${missed} missed ${JSON.stringify(totals.missed)}`,
    `foreign results ${totals.foreign_results}, lines kept as dead letters ${totals.dead_letters}`,
    `dropped: ${totals.duplicates} duplicates, ${totals.fenced} fenced`,
    ...[...kinds].sort(([a], [b]) => (a < b ? -1 : 1)).map(([kind, times]) => `| ${kind} | ${times} |`),
  ];
}
