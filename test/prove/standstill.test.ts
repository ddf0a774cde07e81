import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { type Position, watchStandstill } from '../faults/standstill.ts';

const at = (partition: string, next: number, end: number): Position => ({ partition, next, end });

test('a standstill is time in which records wait and nothing moves', async (t) => {
  let positions = [at('a', 1, 1), at('b', 1, 9)];
  const watch = watchStandstill(t, async () => positions);
  await sleep(700);
  positions = [at('a', 1, 1), at('b', 2, 9)];
  await sleep(100);
  t.ok(watch.longest().ms >= 250 && watch.longest().ms < 2_000, `both stood: ${watch.longest().ms}`);

  // Partition a moves on, b does not.
  for (let next = 2; next < 12; next++) {
    positions = [at('a', next, 99), at('b', 2, 9)];
    await sleep(300);
  }
  await watch.stop();
  t.ok(watch.longestOfPartition().ms > 2_500, `one stood longer: ${watch.longestOfPartition().ms}`);
  t.match(watch.longestOfPartition(), { where: 'b', waiting: 7 });
  t.ok(watch.longest().ms < 2_000, 'counting as a whole did not');
});

test('with nothing to count there is no standstill, and a time in which nobody could look is one', async (t) => {
  const still = watchStandstill(t, async () => [at('a', 5, 5)]);
  await sleep(800);
  await still.stop();
  t.equal(still.longest().ms, 0);

  let reads = 0;
  const blind = watchStandstill(t, async () => {
    if (++reads > 1 && reads < 5) throw new Error('nobody can look');
    return [at('a', 5, 9)];
  });
  await sleep(1_500);
  await blind.stop();
  t.ok(blind.longest().ms > 700, `it counts: ${blind.longest().ms}`);
  t.ok(blind.longestGapMs() > 700, 'and is told');
});
