import { test } from 'tap';
import { type ChaosOptions, runChaos } from './support/chaos.ts';

/** `CHAOS_SEED=7 CHAOS_RUNS=1` runs one seed again; more runs dig deeper. */
const first = Number(process.env.CHAOS_SEED ?? 1);
const runs = Number(process.env.CHAOS_RUNS ?? 4);

/** Seeds that found something once. */
const regressions: Record<string, number[]> = {
  'broken connections': [1007, 1034],
  'broken connections and a tiny queue': [1012, 1014],
};

const scenarios: Record<string, Omit<ChaosOptions, 'seed'>> = {
  'kills, stops and changes': { durationMs: 45_000, jobs: 12, brokenLinks: false, freezes: false },
  'processes that stand still': { durationMs: 45_000, jobs: 12, brokenLinks: false, freezes: true },
  'broken connections': { durationMs: 45_000, jobs: 12, brokenLinks: true, freezes: true },
  'clocks that are wrong': { durationMs: 45_000, jobs: 12, brokenLinks: false, freezes: false, wrongClocks: true },
  'broken connections and a tiny queue': {
    durationMs: 45_000,
    jobs: 12,
    brokenLinks: true,
    freezes: false,
    maxQueueBytes: 1500,
  },
};

for (const [name, scenario] of Object.entries(scenarios)) {
  test(`every slot of every span is counted exactly once: ${name}`, async (t) => {
    const seeds = Array.from({ length: runs }, (_, index) => first + index);
    for (const seed of [...seeds, ...(regressions[name] ?? [])]) {
      const report = await runChaos({ ...scenario, seed });
      const counted = [...report.counted.values()].reduce((sum, slots) => sum + slots.size, 0);
      t.ok(counted > 50, `seed ${seed}: ${counted} slots counted`);
      const ok = t.strictSame(report.differences.slice(0, 10), [], `seed ${seed}: no difference`);
      if (!ok) t.comment(report.story.join('\n'));
      const results: string[] = [];
      for (const [jobId, slots] of report.counted) {
        for (const [slot, { outcome }] of slots) if (outcome !== 'missed') results.push(`${jobId}/${slot}`);
      }
      t.strictSame(
        results.filter((slot) => !report.served.has(slot)),
        [],
        `seed ${seed}: every result was served`,
      );
      if (scenario.brokenLinks || scenario.wrongClocks) continue;
      t.strictSame(
        [...report.served].filter(([, times]) => times > 1),
        [],
        `seed ${seed}: no slot was checked twice`,
      );
      t.ok(results.length > counted / 4, `seed ${seed}: ${results.length} results`);
    }
  });
}
