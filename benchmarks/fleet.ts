// A fleet: 10,000 jobs at 60 s, half of them https with a full handshake each, or 100,000 at 60 s with 5 % of https, checked by
// one `vedette serve` with all roles, on the embedded stream or on a real Kafka, while people read its pages; or 10,000 jobs of
// all types whose targets are cheap (`10k-mixed`).
// usage: npx tsx benchmarks/fleet.ts [--only 10k-embedded,100k-kafka] [--seconds 600] [--jobs N] [--node PATH]   (Linux)
import pg from 'pg';
import { startBroker, stopBroker } from './kafka-setup.ts';
import { report, round } from './machine.ts';
import { LIST, PAGE, startApiLoad } from './stage/api-load.ts';
import { childrenOf, cpuMsOf, familyCpuMsOf, rssMbOf, shareMbOf } from './stage/cpu.ts';
import { startMixture, startReports } from './stage/mixture.ts';
import { type Job, type Product, startProduct } from './stage/product.ts';
import { chosen, inScene, onStage, type Stage } from './stage/stage.ts';
import { startSite } from './stage/windows.ts';

const PERIOD_MS = 60_000;
/** In the first period each result is a change of outcome, which is written at once. */
const WARM_UP_MS = PERIOD_MS + 30_000;
const SAMPLE_MS = 10_000;
const GOAL_P95_MS = 200;
const METRICS = { path: '/job/1/metrics?granularity=minute', accept: 'application/json' };

interface Scenario {
  name: string;
  jobs: number;
  /** Share of https jobs, the others are http; null: a mixture of all types. */
  https: number | null;
  stream: 'embedded' | 'kafka';
}

const SCENARIOS: readonly Scenario[] = [
  ...(['embedded', 'kafka'] as const).flatMap((stream) => [
    { name: `10k-${stream}`, jobs: 10_000, https: 0.5, stream },
    { name: `100k-${stream}`, jobs: 100_000, https: 0.05, stream },
  ]),
  { name: '10k-mixed', jobs: 10_000, https: null, stream: 'embedded' },
];

async function measureScenario(stage: Stage, scenario: Scenario): Promise<object> {
  const broker = scenario.stream === 'kafka' ? await startBroker() : null;
  try {
    return await measureOn(
      stage,
      scenario,
      broker && { bootstrap: broker.bootstrapServers.join(), pids: broker.brokers.map(({ pid }) => pid as number) },
    );
  } finally {
    if (broker) await stopBroker(broker);
  }
}

async function measureOn(
  stage: Stage,
  { name, jobs, https, stream }: Scenario,
  kafka: { bootstrap: string; pids: readonly number[] } | null,
): Promise<object> {
  const count = stage.options.jobs ?? jobs;
  const { typeOf, ...definitions } = await startTargets(stage, count, https);
  const env = {
    ...(kafka && { KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrap }),
    // All programs of push jobs are this one.
    VEDETTE_SERVER_RATE_LIMIT_PER_MINUTE: '0',
  };
  const product = await startProduct(stage, { ...definitions, env });
  stage.say(`${name}: starting ${count} jobs`);
  await product.setRunning(true);
  const refusedReports = https === null ? await startReports(stage, product, PERIOD_MS) : () => 0;
  await stage.wait(WARM_UP_MS);

  const client = new pg.Client({ connectionString: product.databaseUrl });
  client.on('error', () => {}); // The server ended: the next query says so.
  await client.connect();
  stage.lifecycle.defer(() => client.end());
  const backend = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const watching = new Set(backend.rows.map(({ pid }) => pid));
  const cpuMs = () => ({
    node: cpuMsOf(product.pid),
    postgres: familyCpuMsOf(product.postgresPid, watching),
    ...(kafka && { kafka: kafka.pids.reduce((sum, pid) => sum + cpuMsOf(pid), 0) }),
  });
  const stored = async () => {
    const { rows } = await client.query<{ bytes: string; wal: string; metrics: string; results: string }>(
      `SELECT pg_database_size(current_database()) AS bytes, pg_current_wal_lsn() - '0/0' AS wal,
         (SELECT count(*) FROM metrics) AS metrics, (SELECT count(*) FROM results) AS results`,
    );
    return Object.fromEntries(Object.entries(rows[0] as object).map(([key, value]) => [key, Number(value)]));
  };

  const missedBefore = await missedOf(product);
  const fromMs = Date.now();
  const [startedAt, cpuBefore, storedBefore] = [performance.now(), cpuMs(), await stored()];
  const loads = { list: LIST, metrics_of_one_job: METRICS, page: PAGE };
  const readers = Object.entries(loads).map(([what, reading]) => ({
    what,
    load: startApiLoad(stage, product.url, [reading], 1_000),
  }));
  let [latenessP99, nodePeakMb] = [0, 0];
  while (performance.now() - startedAt < stage.options.seconds * 1_000) {
    await stage.wait(SAMPLE_MS);
    latenessP99 = Math.max(latenessP99, await latenessOf(product));
    nodePeakMb = Math.max(nodePeakMb, rssMbOf(product.pid));
    stage.say(`${name}: ${Math.round((performance.now() - startedAt) / 1_000)} of ${stage.options.seconds} s`);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const [cpuAfter, storedAfter, missedAfter] = [cpuMs(), await stored(), await missedOf(product)];
  const read = Object.fromEntries(
    await Promise.all(readers.map(async ({ what, load }) => [what, await load.stop()] as const)),
  );
  const anHour = (key: string) => round((((storedAfter[key] ?? 0) - (storedBefore[key] ?? 0)) * 3_600) / seconds, 0);
  const missed = Object.fromEntries(
    [...missedAfter].map(([reason, slots]) => [reason, slots - (missedBefore.get(reason) ?? 0)]),
  );
  const postgresPids = [product.postgresPid, ...childrenOf(product.postgresPid).map(({ pid }) => pid)];
  return {
    scenario: name,
    stream,
    jobs: count,
    https_share: https,
    ...(typeOf && { outcomes: await outcomesOf(client, typeOf, fromMs), refused_reports: refusedReports() }),
    seconds: round(seconds, 0),
    checks_per_second: round((count * 1_000) / PERIOD_MS, 0),
    missed_for_our_own_reasons: missed,
    lateness_p99_ms: latenessP99,
    cpu_percent_of_a_core: Object.fromEntries(
      Object.entries(cpuAfter).map(([part, after]) => {
        const before = cpuBefore[part as keyof typeof cpuBefore] ?? 0;
        return [part, round(((after as number) - before) / seconds / 10)];
      }),
    ),
    memory_mb: {
      node: round(rssMbOf(product.pid), 0),
      node_peak: round(nodePeakMb, 0),
      postgres: round(
        postgresPids.map(shareMbOf).reduce((sum, mb) => sum + mb, 0),
        0,
      ),
      ...(kafka && {
        kafka: round(
          kafka.pids.map(rssMbOf).reduce((sum, mb) => sum + mb, 0),
          0,
        ),
      }),
    },
    an_hour: {
      rows_of_metrics: anHour('metrics'),
      raw_results: anHour('results'),
      wal_mb: round(anHour('wal') / 2 ** 20, 0),
      disk_mb: round(anHour('bytes') / 2 ** 20, 0),
    },
    read,
    goals: {
      missed: { at_most: 0, met: Object.values(missed).every((slots) => slots === 0) },
      p95_ms: {
        at_most: GOAL_P95_MS,
        met: Object.values(read).every(({ p95_ms, failed }) => p95_ms <= GOAL_P95_MS && failed === 0),
      },
    },
  };
}

interface Targets {
  jobs: Job[];
  ca: string | null;
  /** By id; absent where all are of one type. */
  typeOf?: ReadonlyMap<number, string>;
}

/** Jobs of all types, or of both schemes of http, mixed as they come. */
async function startTargets(stage: Stage, count: number, https: number | null): Promise<Targets> {
  if (https === null) return startMixture(stage, count, PERIOD_MS);
  const secured = Math.round(count * https);
  const plain = await startSite(stage, { scheme: 'http', jobs: count - secured, periodMs: PERIOD_MS });
  const tls = await startSite(stage, { scheme: 'https', jobs: secured, periodMs: PERIOD_MS });
  const jobs = [...plain.jobs, ...tls.jobs].map((job, index) => ({ ...job, id: index + 1 }));
  return { jobs, ca: tls.ca };
}

/** How many slots since `fromMs` that are counted had each outcome, by type. */
async function outcomesOf(client: pg.Client, typeOf: ReadonlyMap<number, string>, fromMs: number): Promise<object> {
  const { rows } = await client.query<{ id: number; outcome: string; slots: string }>(
    `SELECT job_id AS id, concat_ws(' ', outcome, reason) AS outcome, sum(slots) AS slots FROM results
     WHERE slot >= $1 GROUP BY 1, 2`,
    [fromMs],
  );
  const found: Record<string, Record<string, number>> = {};
  for (const { id, outcome, slots } of rows) {
    const type = typeOf.get(id) ?? 'unknown';
    const counts = found[type] ?? {};
    counts[outcome] = (counts[outcome] ?? 0) + Number(slots);
    found[type] = counts;
  }
  return found;
}

async function metricsOf({ url }: Product): Promise<string> {
  return (await fetch(`${url}/metrics`)).text();
}

/** Missed slots since the start, by reason. */
async function missedOf(product: Product): Promise<Map<string, number>> {
  const text = await metricsOf(product);
  const lines = text.matchAll(/^vedette_scheduler_missed_total\{reason="([^"]*)"\} (\d+)/gm);
  return new Map([...lines].map(([, reason, slots]) => [reason as string, Number(slots)]));
}

/** How late checks of about the last minute began. */
async function latenessOf(product: Product): Promise<number> {
  const seconds = /^vedette_scheduler_lateness_seconds\{quantile="0.99"\} (\S+)/m.exec(await metricsOf(product))?.[1];
  return round(Number(seconds) * 1_000);
}

await onStage(async (stage) => {
  const results: object[] = [];
  for (const scenario of chosen(SCENARIOS, stage.options)) {
    results.push(await inScene(stage, (scene) => measureScenario(scene, scenario)));
  }
  report('fleet', { node: stage.options.node, results });
});
