import { test } from 'tap';
import { retry } from '../../src/core/retry.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

test('a streak of failures is reported at its beginning, again while it lasts, and at its end', async (t) => {
  const clock = createFakeClock();
  const said: Array<number | 'over'> = [];
  let heals = false;
  const done = retry(async () => (heals ? 'there' : Promise.reject(new Error('away'))), {
    clock,
    maxDelayMs: 1_000,
    remindMs: 30_000,
    onTransition: (state) => said.push(state.failing ? Math.floor(state.forMs / 10_000) : 'over'),
  });
  await clock.advance(70_000);
  heals = true;
  await clock.advance(2_000);
  t.equal(await done, 'there');
  t.same(said, [0, 3, 6, 'over']);
});
