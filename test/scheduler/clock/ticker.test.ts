import { type Test, test } from 'tap';
import type { Clock } from '../../../src/core/clock.ts';
import { Ticker } from '../../../src/scheduler/clock/ticker.ts';
import { Timeline } from '../../../src/scheduler/clock/timeline.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';

function setUp(t: Test) {
  const fake = createFakeClock();
  const state = { isIdle: true, sleeps: [] as number[], fired: [] as number[] };
  const clock: Clock = {
    ...fake,
    after: (delayMs, callback) => {
      state.sleeps.push(delayMs);
      return fake.after(delayMs, callback);
    },
  };
  const timeline = new Timeline({ clock });
  const onDue = () => void state.fired.push(timeline.now());
  const ticker = new Ticker({ clock, timeline, onDue, isIdle: () => state.isIdle });
  ticker.start();
  t.teardown(() => ticker.stop());
  return { fake, timeline, ticker, state };
}

test('with nothing to do it wakes about once a second, and every 50 ms while a check is under way', async (t) => {
  const { fake, state } = setUp(t);
  await fake.advance(10_000);
  t.ok(state.sleeps.length <= 12, `${state.sleeps.length} times in ten seconds`);
  state.isIdle = false;
  await fake.advance(1_000);
  state.sleeps.length = 0;
  await fake.advance(1_000);
  t.ok(state.sleeps.length >= 20 && Math.max(...state.sleeps) <= 50, `${state.sleeps.length} times in a second`);
});

test('a timer fires on time after a long sleep, also where the timeline runs faster than the clock', async (t) => {
  const { fake, timeline, ticker, state } = setUp(t);
  // A second behind: it is caught up with at the highest rate.
  fake.setWall(fake.wallMs() + 1_000);
  timeline.adjust();
  for (let timer = 1; timer <= 5; timer++) {
    const due = timeline.now() + 1_500;
    ticker.set(1, due);
    await fake.advance(1_600);
    t.ok((state.fired[timer - 1] as number) - due < 6, `${(state.fired[timer - 1] as number) - due} ms late`);
  }
});

test('a jump of the timeline wakes it', async (t) => {
  const { fake, timeline, ticker, state } = setUp(t);
  await fake.advance(5_000);
  ticker.set(1, timeline.now() + 20_000);
  await fake.advance(10);
  timeline.raise(timeline.now() + 30_000);
  ticker.wake();
  await fake.advance(0);
  t.equal(state.fired.length, 1);
});
