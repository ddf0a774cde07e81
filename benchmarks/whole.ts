// What a check costs, whole product: CPU time of one `vedette serve` with all roles and of its PostgreSQL, against a plain
// node:http or node:https prober, a fresh connection each, of the same jobs at the same slots. Both take turns in one run.
// usage: npx tsx benchmarks/whole.ts [--only http400,https100,rest] [--seconds 30] [--node PATH]   (Linux)
import { report, round } from './machine.ts';
import { childrenOf, cpuMsOf, rssMbOf, shareMbOf } from './stage/cpu.ts';
import { PATTERN, type PlainResult, pathOf } from './stage/orders.ts';
import { countOutcomes, type Product, type ProductJob, startProduct } from './stage/product.ts';
import { addressOf, chosen, createCertificates, inScene, onStage, Part, type Stage } from './stage/stage.ts';

const ROUNDS = 2;
const WARM_UP_MS = 15_000;
/** From the start of checks until a window begins. */
const SETTLE_MS = 4_000;
/** From the end of a window until its last result is in the stream. */
const DRAIN_MS = 3_000;

interface Scenario {
  name: string;
  scheme: 'http' | 'https';
  /** Checks a second, each of a job of its own. */
  rate: number;
  goal: { ratio?: number; postgresMs?: number };
}

const SCENARIOS: readonly Scenario[] = [
  { name: 'http200', scheme: 'http', rate: 200, goal: { postgresMs: 0.15 } },
  { name: 'http400', scheme: 'http', rate: 400, goal: { ratio: 1.5 } },
  { name: 'http1000', scheme: 'http', rate: 1_000, goal: { ratio: 1.3 } },
  { name: 'https100', scheme: 'https', rate: 100, goal: { ratio: 1.15 } },
];

const REST = { name: 'rest', jobs: 60, periodMs: 60_000, goal: { cpuPercent: 1.5, rssMb: 130 } };

interface Window {
  checks: number;
  nodeMs: number;
  postgresMs: number;
  walBytes: number;
}

async function measureScenario(stage: Stage, { name, scheme, rate, goal }: Scenario): Promise<object> {
  const { seconds, node } = stage.options;
  stage.say(`${name}: starting`);
  const certificates = scheme === 'https' ? await createCertificates(stage) : null;
  const ca = certificates?.ca ?? null;
  const target = new Part(stage, 'target.ts');
  const { port } = await target.ask<{ port: number }>({ kind: 'listen', tls: certificates });
  const jobs = jobsOf(rate, 1_000, `${scheme}://`, port);
  const prober = new Part(stage, 'prober.ts', node);
  const product = await startProduct(stage, { jobs, ca });
  await product.setRunning(true);
  await stage.wait(WARM_UP_MS);

  const productWindows: Window[] = [];
  const proberWindows: Array<{ checks: number; cpuMs: number }> = [];
  const outcomes = { product: {} as Record<string, number>, prober: {} as Record<string, number> };
  for (let turn = 0; turn < ROUNDS; turn++) {
    stage.say(`${name}: turn ${turn + 1} of ${ROUNDS}`);
    const window = await measureProduct(stage, product, seconds);
    productWindows.push(window);
    addCounts(outcomes.product, window.outcomes);
    const plain = await measureProber(stage, prober, { jobs, ca, seconds });
    proberWindows.push(plain);
    addCounts(outcomes.prober, plain.outcomes);
  }
  const checks = sum(productWindows, 'checks');
  const per = {
    node: sum(productWindows, 'nodeMs') / checks,
    postgres: sum(productWindows, 'postgresMs') / checks,
    prober: sum(proberWindows, 'cpuMs') / sum(proberWindows, 'checks'),
  };
  const ratio = (per.node + per.postgres) / per.prober;
  return {
    scenario: name,
    checks_per_second: rate,
    windows: ROUNDS,
    cpu_ms_per_check: {
      node: round(per.node, 3),
      postgres: round(per.postgres, 3),
      total: round(per.node + per.postgres, 3),
      prober: round(per.prober, 3),
    },
    ratio_to_prober: round(ratio, 2),
    ratio_of_node_alone: round(per.node / per.prober, 2),
    goals: {
      ...(goal.ratio === undefined ? {} : { ratio: { at_most: goal.ratio, met: ratio <= goal.ratio } }),
      ...(goal.postgresMs === undefined
        ? {}
        : { postgres_ms: { at_most: goal.postgresMs, met: per.postgres <= goal.postgresMs } }),
    },
    wal_bytes_per_check: round(sum(productWindows, 'walBytes') / checks, 0),
    rss_mb: memoryOf(product),
    outcomes,
    // The spread between windows of a kind is the noise of the machine.
    windows_cpu_ms_per_check: {
      node: productWindows.map((window) => round(window.nodeMs / window.checks, 3)),
      postgres: productWindows.map((window) => round(window.postgresMs / window.checks, 3)),
      prober: proberWindows.map((window) => round(window.cpuMs / window.checks, 3)),
    },
  };
}

/** Jobs run before, and none runs afterwards. */
async function measureProduct(
  stage: Stage,
  product: Product,
  seconds: number,
): Promise<Window & { outcomes: Record<string, number> }> {
  await product.setRunning(true);
  await stage.wait(SETTLE_MS);
  const [from, before] = [Date.now(), await product.use()];
  await stage.wait(seconds * 1_000);
  const [to, after] = [Date.now(), await product.use()];
  await product.setRunning(false);
  await stage.wait(DRAIN_MS);
  const outcomes = countOutcomes(await product.results(from, to));
  return {
    checks: Object.entries(outcomes)
      .filter(([outcome]) => !outcome.startsWith('missed'))
      .reduce((all, [, count]) => all + count, 0),
    nodeMs: after.nodeMs - before.nodeMs,
    postgresMs: after.postgresMs - before.postgresMs,
    walBytes: after.walBytes - before.walBytes,
    outcomes,
  };
}

async function measureProber(
  stage: Stage,
  prober: Part,
  { jobs, ca, seconds }: { jobs: readonly ProductJob[]; ca: string | null; seconds: number },
): Promise<{ checks: number; cpuMs: number; outcomes: Record<string, number> }> {
  await prober.ask({ kind: 'start', jobs, ca, pattern: PATTERN });
  await stage.wait(SETTLE_MS);
  const [from, before] = [Date.now(), cpuMsOf(prober.pid)];
  await stage.wait(seconds * 1_000);
  const [to, after] = [Date.now(), cpuMsOf(prober.pid)];
  const all = await prober.ask<PlainResult[]>({ kind: 'stop' });
  const results = all.filter(([, slot]) => slot >= from && slot < to);
  const outcomes = countOutcomes(
    results.map(([job_id, slot, ms, outcome]) => ({ job_id, slot, response_time: ms / 1_000, outcome })),
  );
  return { checks: results.length, cpuMs: after - before, outcomes };
}

/** What it costs to be there: few jobs of a long period. */
async function measureRest(stage: Stage): Promise<object> {
  stage.say('rest: starting');
  const target = new Part(stage, 'target.ts');
  const { port } = await target.ask<{ port: number }>({ kind: 'listen', tls: null });
  const product = await startProduct(stage, { jobs: jobsOf(REST.jobs, REST.periodMs, 'http://', port), ca: null });
  await product.setRunning(true);
  await stage.wait(WARM_UP_MS * 2);
  const seconds = Math.max(60, stage.options.seconds);
  const [from, before] = [Date.now(), await product.use()];
  await stage.wait(seconds * 1_000);
  const [to, after] = [Date.now(), await product.use()];
  await stage.wait(DRAIN_MS);
  const percent = (ms: number) => round(ms / (to - from) / 0.01, 2);
  const [node, postgres] = [after.nodeMs - before.nodeMs, after.postgresMs - before.postgresMs];
  const memory = memoryOf(product);
  return {
    scenario: REST.name,
    jobs: REST.jobs,
    period_seconds: REST.periodMs / 1_000,
    seconds,
    cpu_percent_of_a_core: { node: percent(node), postgres: percent(postgres), total: percent(node + postgres) },
    rss_mb: memory,
    goals: {
      cpu_percent: { at_most: REST.goal.cpuPercent, met: percent(node + postgres) <= REST.goal.cpuPercent },
      rss_mb: { at_most: REST.goal.rssMb, met: memory.total <= REST.goal.rssMb },
    },
    wal_bytes_per_second: round((after.walBytes - before.walBytes) / seconds, 0),
    outcomes: { product: countOutcomes(await product.results(from, to)) },
  };
}

/** PostgreSQL's processes share most of their memory: of what is shared each counts its share. */
function memoryOf({ pid, postgresPid }: Product): { node: number; postgres: number; total: number } {
  const node = rssMbOf(pid);
  const processes = [postgresPid, ...childrenOf(postgresPid).map((child) => child.pid)];
  const postgres = processes.reduce((all, each) => all + shareMbOf(each), 0);
  return { node: round(node), postgres: round(postgres), total: round(node + postgres) };
}

function jobsOf(count: number, periodMs: number, scheme: string, port: number): ProductJob[] {
  return Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    url: `${scheme}${addressOf(index)}:${port}${pathOf(0)}`,
    periodMs,
  }));
}

function addCounts(to: Record<string, number>, counts: Record<string, number>): void {
  for (const [name, count] of Object.entries(counts)) to[name] = (to[name] ?? 0) + count;
}

function sum<Key extends string>(windows: ReadonlyArray<Record<Key, number>>, key: Key): number {
  return windows.reduce((all, window) => all + window[key], 0);
}

await onStage(async (stage) => {
  const scenarios = [
    ...SCENARIOS.map((scenario) => ({ ...scenario, isRest: false as const })),
    { ...REST, isRest: true as const },
  ];
  const results: object[] = [];
  for (const scenario of chosen(scenarios, stage.options)) {
    results.push(
      await inScene(stage, (scene) => (scenario.isRest ? measureRest(scene) : measureScenario(scene, scenario))),
    );
  }
  const { node, seconds } = stage.options;
  report('whole', { node_of_vedette_and_prober: node, seconds_a_window: seconds, results });
});
