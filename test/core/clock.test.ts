import { test } from 'tap';
import { inStep } from '../../src/core/clock.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

/** When something that comes every `periodMs` comes, from `startMs` on. */
async function timesOf(periodMs: number, startMs: number, count: number): Promise<number[]> {
  const clock = createFakeClock();
  await clock.advance(startMs);
  const times = [];
  for (let round = 0; round < count; round++) {
    await clock.advance(inStep(clock, periodMs));
    times.push(clock.monotonicMs());
    // What it does takes a moment.
    await clock.advance(1.5);
  }
  return times;
}

for (const periodMs of [1_000, 2_000, 2_500, 5_000]) {
  test(`whatever comes every ${periodMs} ms soon comes at the same whole seconds`, async (t) => {
    const stepMs = Math.floor(periodMs / 1_000) * 1_000;
    for (const startMs of [0, 0.25, 333, 600.5, 999, 1_250, 4_999.9]) {
      const times = await timesOf(periodMs, startMs, 20);
      for (const [index, time] of times.entries()) {
        const waitedMs = time - (index === 0 ? startMs : (times[index - 1] as number) + 1.5);
        t.ok(waitedMs <= periodMs && waitedMs >= 0.75 * periodMs, `${startMs}: ${waitedMs} ms`);
      }
      if (periodMs % 1_000 === 0)
        t.strictSame([...new Set(times.slice(8).map((time) => Math.floor(time % stepMs)))], [0]);
    }
  });
}

test('periods below a second are as they are', async (t) => {
  const clock = createFakeClock();
  await clock.advance(700);
  t.equal(inStep(clock, 999), 999);
  t.equal(inStep(clock, 40), 40);
});
