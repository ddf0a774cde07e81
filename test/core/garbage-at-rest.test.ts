import { setTimeout as sleep } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';
import { test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { collectAtRest } from '../../src/core/garbage-at-rest.ts';
import { until } from '../helpers/until.ts';

const MB = 2 ** 20;

/** Objects that live long enough to be taken for old ones, and then nobody needs. */
async function leaveGarbage(): Promise<void> {
  for (let round = 0; round < 10; round++) {
    const kept = Array.from({ length: 20_000 }, (_, index) => ({ index, text: [index] }));
    await sleep(1);
    kept.length = 0;
  }
}

test('a process at rest gives back what nothing needs, and only then', async (t) => {
  const garbage = collectAtRest(systemClock, 200);
  t.teardown(() => garbage.stop());
  await until('the first collection', async () => garbage.collections > 0);
  await leaveGarbage();
  const before = getHeapStatistics().used_heap_size;
  const collections = garbage.collections;
  await until('garbage is collected', async () => garbage.collections > collections);
  t.ok(getHeapStatistics().used_heap_size < before - 2 * MB, 'less memory');
  const settled = garbage.collections;
  await sleep(700);
  t.equal(garbage.collections, settled, 'nothing is collected where there is nothing');
});

test('a busy process is left alone', async (t) => {
  const garbage = collectAtRest(systemClock, 50);
  t.teardown(() => garbage.stop());
  for (const until = performance.now() + 400; performance.now() < until; await sleep(0)) {
    for (const busy = performance.now() + 20; performance.now() < busy; );
  }
  t.equal(garbage.collections, 0);
});
