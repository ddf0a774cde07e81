import fc from 'fast-check';
import { test } from 'tap';
import { limits, requests, worlds } from './arbitraries.ts';
import { createComparison } from './comparison.ts';
import { createPair } from './worlds.ts';

/** `npm run test:slow` runs many more, each time others; a seed that failed is tried again with REACH_SEED. */
const { REACH_RUNS, REACH_SEED = REACH_RUNS === undefined ? '13' : undefined } = process.env;
const numRuns = Number(REACH_RUNS ?? 15);

test('a key that is limited to tags gets what a server would answer that has its jobs alone', async (t) => {
  const pair = await createPair(t);
  const comparison = createComparison(pair);
  await fc.assert(
    fc.asyncProperty(worlds, limits, requests, async (world, tags, asked) => {
      await comparison.begin(world, tags);
      for (const request of asked) {
        await comparison.ask(request).catch((cause: unknown) => {
          throw new Error(JSON.stringify(request), { cause });
        });
      }
    }),
    { numRuns, endOnFailure: true, ...(REACH_SEED ? { seed: Number(REACH_SEED) } : {}) },
  );
  const { seen } = comparison;
  t.comment(JSON.stringify(Object.fromEntries(Object.entries(seen).sort())));
  for (const kind of ['200', '201', '204', '304', '403', '404', '409', 'outside', 'taken', 'next page'])
    t.ok(seen[kind], `some were ${kind}`);
});
