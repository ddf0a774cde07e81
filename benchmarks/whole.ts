// What a check costs, whole product: CPU time of one `vedette serve` with all roles and of its PostgreSQL, against a plain
// node:http or node:https prober, a fresh connection each, of the same jobs at the same slots. Both take turns in one run.
// usage: npx tsx benchmarks/whole.ts [--only http400,https100,rest] [--seconds 30] [--node PATH]   (Linux)
import { report, round } from './machine.ts';
import { childrenOf, rssMbOf, shareMbOf } from './stage/cpu.ts';
import { type CheckResult, countOutcomes, missedShareOf, type Product, startProduct } from './stage/product.ts';
import { chosen, inScene, onStage, Part, type Stage } from './stage/stage.ts';
import { checkWithProber, checkWithProduct, startSite } from './stage/windows.ts';

const TURNS = 2;
const WARM_UP_MS = 15_000;

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

/** What it costs to be there: few jobs of a long period. */
const REST = { jobs: 60, periodMs: 60_000, goal: { cpuPercent: 1.5, rssMb: 130 } };

async function measureScenario(stage: Stage, { name, scheme, rate, goal }: Scenario): Promise<object> {
  const { jobs, ca } = await startSite(stage, { scheme, jobs: rate, periodMs: 1_000 });
  const prober = new Part(stage, 'prober.ts', stage.options.node);
  const product = await startProduct(stage, { jobs, ca });
  await product.setRunning(true);
  await stage.wait(WARM_UP_MS);

  const ours: Array<{ checks: number; nodeMs: number; postgresMs: number; walBytes: number }> = [];
  const plain: Array<{ checks: number; cpuMs: number }> = [];
  const results: Record<'product' | 'prober', CheckResult[]> = { product: [], prober: [] };
  for (let turn = 1; turn <= TURNS; turn++) {
    stage.say(`${name}: turn ${turn} of ${TURNS}`);
    const window = await checkWithProduct(stage, product);
    ours.push({ ...window.used, checks: window.results.filter(({ outcome }) => outcome !== 'missed').length });
    results.product.push(...window.results);
    const plainWindow = await checkWithProber(stage, prober, jobs, ca);
    plain.push({ ...plainWindow.used, checks: plainWindow.results.length });
    results.prober.push(...plainWindow.results);
  }
  const checks = sum(ours, 'checks');
  const node = sum(ours, 'nodeMs') / checks;
  const postgres = sum(ours, 'postgresMs') / checks;
  const baseline = sum(plain, 'cpuMs') / sum(plain, 'checks');
  const ratio = (node + postgres) / baseline;
  const { missed_share, tolerable } = missedShareOf(results.product);
  return {
    scenario: name,
    checks_per_second: rate,
    windows: TURNS,
    cpu_ms_per_check: {
      node: round(node, 3),
      postgres: round(postgres, 3),
      total: round(node + postgres, 3),
      prober: round(baseline, 3),
    },
    ratio_to_prober: round(ratio, 2),
    ratio_of_node_alone: round(node / baseline, 2),
    goals: {
      ...(goal.ratio !== undefined && { ratio: atMost(goal.ratio, ratio, tolerable) }),
      ...(goal.postgresMs !== undefined && { postgres_ms: atMost(goal.postgresMs, postgres, tolerable) }),
    },
    wal_bytes_per_check: round(sum(ours, 'walBytes') / checks, 0),
    memory_mb: memoryOf(product),
    missed_share: round(missed_share, 4),
    outcomes: { product: countOutcomes(results.product), prober: countOutcomes(results.prober) },
    // The spread between windows of a kind is the noise of the machine.
    cpu_ms_per_check_of_each_window: {
      node: ours.map((window) => round(window.nodeMs / window.checks, 3)),
      postgres: ours.map((window) => round(window.postgresMs / window.checks, 3)),
      prober: plain.map((window) => round(window.cpuMs / window.checks, 3)),
    },
  };
}

async function measureRest(stage: Stage): Promise<object> {
  stage.say('rest');
  const { jobs, ca } = await startSite(stage, { scheme: 'http', ...REST });
  const product = await startProduct(stage, { jobs, ca });
  await product.setRunning(true);
  // The first result of a job is written at once, as every change of an outcome is.
  await stage.wait(REST.periodMs + WARM_UP_MS);
  const [from, before] = [Date.now(), await product.use()];
  await stage.wait(Math.max(60, stage.options.seconds) * 1_000);
  const [to, after] = [Date.now(), await product.use()];
  // A result is in the stream soon after its check.
  await stage.wait(3_000);
  const percentOf = (used: 'nodeMs' | 'postgresMs') => (100 * (after[used] - before[used])) / (to - from);
  const [node, postgres] = [percentOf('nodeMs'), percentOf('postgresMs')];
  const memory = memoryOf(product);
  return {
    scenario: 'rest',
    jobs: REST.jobs,
    period_seconds: REST.periodMs / 1_000,
    seconds: round((to - from) / 1_000),
    cpu_percent_of_a_core: { node: round(node, 2), postgres: round(postgres, 2), total: round(node + postgres, 2) },
    memory_mb: memory,
    goals: {
      cpu_percent: atMost(REST.goal.cpuPercent, node + postgres),
      memory_mb: atMost(REST.goal.rssMb, memory.total),
    },
    wal_bytes_per_second: round((1_000 * (after.walBytes - before.walBytes)) / (to - from), 0),
    outcomes: { product: countOutcomes(await product.results(from, to)) },
  };
}

/**
 * Node's resident memory, and that of PostgreSQL's processes: of what they share each counts its share. The one that this
 * benchmark asks for numbers does not count.
 */
function memoryOf({ pid, postgresPid, watching }: Product): { node: number; postgres: number; total: number } {
  const node = rssMbOf(pid);
  const children = childrenOf(postgresPid).map((child) => child.pid);
  const processes = [postgresPid, ...children.filter((child) => !watching.has(child))];
  const postgres = processes.reduce((all, each) => all + shareMbOf(each), 0);
  return { node: round(node), postgres: round(postgres), total: round(node + postgres) };
}

function atMost(goal: number, measured: number, isValid = true): { at_most: number; met: boolean } {
  return { at_most: goal, met: isValid && measured <= goal };
}

function sum<Key extends string>(windows: ReadonlyArray<Record<Key, number>>, key: Key): number {
  return windows.reduce((all, window) => all + window[key], 0);
}

await onStage(async (stage) => {
  const plays = [
    ...SCENARIOS.map((scenario) => ({
      name: scenario.name,
      play: (scene: Stage) => measureScenario(scene, scenario),
    })),
    { name: 'rest', play: measureRest },
  ];
  const results: object[] = [];
  for (const { play } of chosen(plays, stage.options)) results.push(await inScene(stage, play));
  const { node, seconds } = stage.options;
  report('whole', { node_of_vedette_and_prober: node, seconds_a_window: seconds, results });
});
