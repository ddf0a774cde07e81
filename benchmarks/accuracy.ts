// How true measured response times are: sites that answer after 5, 50 and 500 ms, checked by one `vedette serve` and by a
// plain node:http or node:https prober that does nothing else, in turns in one run. The site itself measures how long each
// request waited for its answer; what a response time is above that is the error. It holds the time to connect, for https
// the handshake, and every delay on the way of a check through the machine and through the checking process.
// usage: npx tsx benchmarks/accuracy.ts [--only http400,https100-api] [--seconds 30] [--node PATH]   (Linux)
import { prioritize } from '../test/faults/priority.ts';
import { report, round } from './machine.ts';
import { type ApiLoad, startApiLoad } from './stage/api-load.ts';
import type { Served } from './stage/orders.ts';
import { type CheckResult, countOutcomes, type Job, missedShareOf, startProduct } from './stage/product.ts';
import { chosen, inScene, onStage, Part, type Stage } from './stage/stage.ts';
import { checkWithProber, checkWithProduct, startSite } from './stage/windows.ts';

const TURNS = 2;
const WARM_UP_MS = 15_000;
const DELAYS_MS = [5, 50, 500];
/** How much more than the plain prober's the error of Vedette may be. */
const GOAL = { p50: 0.3, p99: 3 };
/** Where the system allows it, the site comes first: a site of its own machine would not wait for the checking process. */
const SITE_PRIORITY = -10;

interface Scenario {
  name: string;
  scheme: 'http' | 'https';
  /** Checks a second, each of a job of its own. */
  rate: number;
  /** Whether the process also counts what it checks. */
  flush: boolean;
  /** Whether somebody reads the API and the page meanwhile. */
  api: boolean;
  hasGoal: boolean;
}

const SCENARIOS: readonly Scenario[] = [
  ...[50, 400, 1_000].map((rate) => plainly('http', rate)),
  ...[50, 100, 200].map((rate) => plainly('https', rate)),
  ...([plainly('http', 400), plainly('https', 100)] as const).flatMap((scenario) => [
    { ...scenario, name: `${scenario.name}-api`, api: true, hasGoal: false },
    { ...scenario, name: `${scenario.name}-unflushed`, flush: false, hasGoal: false },
    { ...scenario, name: `${scenario.name}-api-unflushed`, api: true, flush: false, hasGoal: false },
  ]),
];

function plainly(scheme: 'http' | 'https', rate: number): Scenario {
  const name = `${scheme}${rate}`;
  return { name, scheme, rate, flush: true, api: false, hasGoal: ['http400', 'https100'].includes(name) };
}

async function measureScenario(stage: Stage, scenario: Scenario): Promise<object> {
  const { name, scheme, rate, flush, api } = scenario;
  const site = await startSite(stage, { scheme, jobs: rate, periodMs: 1_000, delaysMs: DELAYS_MS });
  prioritize(site.target, SITE_PRIORITY);
  const prober = new Part(stage, 'prober.ts', stage.options.node);
  const roles = flush ? 'api,scheduler,processor' : 'api,scheduler';
  const product = await startProduct(stage, { ...site, roles });
  await product.setRunning(true);
  await stage.wait(WARM_UP_MS);

  const results: Record<'product' | 'prober', CheckResult[]> = { product: [], prober: [] };
  const loads: ApiLoad[] = [];
  for (let turn = 1; turn <= TURNS; turn++) {
    stage.say(`${name}: turn ${turn} of ${TURNS}`);
    const load = api ? startApiLoad(stage, product.url) : null;
    results.product.push(...(await checkWithProduct(stage, product)).results);
    if (load) loads.push(await load.stop());
    results.prober.push(...(await checkWithProber(stage, prober, site.jobs, site.ca)).results);
  }
  const served = new Map(await site.target.ask<Served[]>({ kind: 'take' }));
  const ours = errorsOf(results.product, served, site.jobs);
  const plain = errorsOf(results.prober, served, site.jobs);
  const above = { p50: ours.all.p50 - plain.all.p50, p99: ours.all.p99 - plain.all.p99 };
  const { missed_share, tolerable } = missedShareOf(results.product);
  return {
    scenario: name,
    checks_per_second: rate,
    windows: TURNS,
    flush,
    api_load: api ? loads : false,
    error_ms: { product: shown(ours), prober: shown(plain) },
    above_prober_ms: { p50: round(above.p50, 2), p99: round(above.p99, 2) },
    ...(scenario.hasGoal && {
      goal: { p50: GOAL.p50, p99: GOAL.p99, met: tolerable && above.p50 <= GOAL.p50 && above.p99 <= GOAL.p99 },
    }),
    missed_share: round(missed_share, 4),
    outcomes: { product: countOutcomes(results.product), prober: countOutcomes(results.prober) },
  };
}

interface Distribution {
  checks: number;
  min: number;
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

/** The errors of all checks that were up, together and by the delay of their site. */
function errorsOf(
  results: readonly CheckResult[],
  served: ReadonlyMap<string, number>,
  jobs: readonly Job[],
): Record<string, Distribution> & { all: Distribution } {
  const delayOf = new Map(jobs.map(({ id, url }) => [id, `${new URL(url).pathname.slice(1)}ms`]));
  const errors: Record<string, number[]> = { all: [] };
  for (const { job_id, slot, outcome, response_time } of results) {
    if (outcome !== 'up' || response_time === null) continue;
    const delayMs = served.get(`${job_id}/${slot}`);
    if (delayMs === undefined) throw new Error(`The site does not know of slot ${slot} of job ${job_id}`);
    const error = response_time * 1_000 - delayMs;
    const delay = delayOf.get(job_id) as string;
    errors[delay] ??= [];
    errors[delay].push(error);
    errors.all.push(error);
  }
  return mapValues(errors, distributionOf) as Record<string, Distribution> & { all: Distribution };
}

function distributionOf(values: readonly number[]): Distribution {
  const sorted = Float64Array.from(values).sort();
  const quantile = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  return {
    checks: sorted.length,
    min: quantile(0),
    p50: quantile(0.5),
    p90: quantile(0.9),
    p99: quantile(0.99),
    max: quantile(1),
  };
}

function shown(distributions: Record<string, Distribution>): object {
  return mapValues(distributions, (distribution) => mapValues({ ...distribution }, (value) => round(value, 2)));
}

function mapValues<From, To>(record: Readonly<Record<string, From>>, to: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, to(value)]));
}

await onStage(async (stage) => {
  const results: object[] = [];
  for (const scenario of chosen(SCENARIOS, stage.options)) {
    results.push(await inScene(stage, (scene) => measureScenario(scene, scenario)));
  }
  const { node, seconds } = stage.options;
  report('accuracy', { node_of_vedette_and_prober: node, seconds_a_window: seconds, delays_ms: DELAYS_MS, results });
});
