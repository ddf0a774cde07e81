// Windows in which Vedette or the plain prober checks the same jobs; they take turns, so that what else the machine does
// hits both.
import { cpuMsOf } from './cpu.ts';
import { PATTERN, type PlainResult, pathOf } from './orders.ts';
import type { CheckResult, Job, Product, ProductUse } from './product.ts';
import { addressOf, createCertificates, Part, type Stage } from './stage.ts';

/** From the start of the checks until a window begins. */
const SETTLE_MS = 4_000;
/** From the end of the checks until the last result is in the stream. */
const DRAIN_MS = 3_000;

export interface Window<Use> {
  /** Those with a slot in the window. */
  results: CheckResult[];
  used: Use;
}

/** Checks with Vedette, and with nothing else: its jobs are stopped before and afterwards. */
export async function checkWithProduct(stage: Stage, product: Product): Promise<Window<ProductUse>> {
  await product.setRunning(true);
  await stage.wait(SETTLE_MS);
  const [from, before] = [Date.now(), await product.use()];
  await stage.wait(stage.options.seconds * 1_000);
  const [to, after] = [Date.now(), await product.use()];
  await product.setRunning(false);
  await stage.wait(DRAIN_MS);
  const used = {
    nodeMs: after.nodeMs - before.nodeMs,
    postgresMs: after.postgresMs - before.postgresMs,
    walBytes: after.walBytes - before.walBytes,
  };
  return { results: await product.results(from, to), used };
}

export async function checkWithProber(
  stage: Stage,
  prober: Part,
  jobs: readonly Job[],
  ca: string | null,
): Promise<Window<{ cpuMs: number }>> {
  await prober.ask({ kind: 'start', jobs, ca, pattern: PATTERN });
  await stage.wait(SETTLE_MS);
  const [from, before] = [Date.now(), cpuMsOf(prober.pid)];
  await stage.wait(stage.options.seconds * 1_000);
  const [to, after] = [Date.now(), cpuMsOf(prober.pid)];
  const results = (await prober.ask<PlainResult[]>({ kind: 'stop' }))
    .filter(([, slot]) => slot >= from && slot < to)
    .map(([job_id, slot, ms, outcome]) => ({ job_id, slot, response_time: ms / 1_000, outcome }));
  return { results, used: { cpuMs: after - before } };
}

export interface Site {
  target: Part;
  jobs: Job[];
  /** Of its certificates; null for http. */
  ca: string | null;
}

export interface SiteOptions {
  scheme: 'http' | 'https';
  jobs: number;
  periodMs: number;
  /** How long the site takes to answer; the jobs have these in turn. */
  delaysMs?: readonly number[];
}

/** Starts a site in a process of its own, and returns the jobs that check it. */
export async function startSite(stage: Stage, options: SiteOptions): Promise<Site> {
  const { scheme, periodMs, delaysMs = [0] } = options;
  const tls = scheme === 'https' ? await createCertificates(stage) : null;
  const target = new Part(stage, 'target.ts');
  const { port } = await target.ask<{ port: number }>({ kind: 'listen', tls });
  const jobs = Array.from({ length: options.jobs }, (_, index) => ({
    id: index + 1,
    url: `${scheme}://${addressOf(index)}:${port}${pathOf(delaysMs[index % delaysMs.length])}`,
    periodMs,
  }));
  return { target, jobs, ca: tls?.ca ?? null };
}
