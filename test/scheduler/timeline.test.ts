import { test } from 'tap';
import { Timeline } from '../../src/scheduler/timeline.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

function setUp() {
  const clock = createFakeClock();
  const steps: number[] = [];
  const behind: number[] = [];
  const timeline = new Timeline({
    clock,
    onStep: (fromMs, toMs) => steps.push(toMs - fromMs),
    onBehind: (byMs) => behind.push(byMs),
  });
  const run = async (seconds: number) => {
    let last = timeline.now();
    for (let second = 0; second < seconds; second++) {
      await clock.advance(1000);
      timeline.adjust();
      if (timeline.now() < last) throw new Error('time went back');
      last = timeline.now();
    }
  };
  return { clock, timeline, steps, behind, run };
}

test('it keeps the wall time', async (t) => {
  const { clock, timeline, steps, behind, run } = setUp();
  await run(60);
  t.equal(timeline.now(), clock.wallMs());
  t.strictSame([steps, behind], [[], []]);
});

test('a lasting jump ahead is followed by one step; a short one is not', async (t) => {
  const { clock, timeline, steps, run } = setUp();
  clock.setWall(clock.wallMs() + 3_600_000);
  await run(2);
  clock.setWall(clock.wallMs() - 3_600_000);
  await run(10);
  t.strictSame(steps, [], 'it was put right again');
  clock.setWall(clock.wallMs() + 3_600_000);
  await run(3);
  t.strictSame(steps, []);
  await run(2);
  t.equal(steps.length, 1);
  t.equal(timeline.now(), clock.wallMs());
});

test('a clock that is put back: time goes on, a little slower, and one warning is given', async (t) => {
  const { clock, timeline, behind, run } = setUp();
  const before = timeline.now();
  clock.setWall(clock.wallMs() - 3_600_000);
  await run(100);
  const passed = timeline.now() - before;
  t.ok(passed >= 99_400 && passed < 100_000, `${passed} ms in 100 s`);
  t.equal(behind.length, 1);
  clock.setWall(timeline.now());
  await run(5);
  clock.setWall(clock.wallMs() - 60_000);
  await run(5);
  t.equal(behind.length, 2, 'a second time, a second warning');
});

test('small differences are made good by running a little faster or slower', async (t) => {
  for (const difference of [300, -300]) {
    const { clock, timeline, steps, behind, run } = setUp();
    clock.setWall(clock.wallMs() + difference);
    await run(1);
    t.ok(Math.abs(timeline.now() - clock.wallMs()) > 200, 'not at once');
    await run(120);
    t.ok(Math.abs(timeline.now() - clock.wallMs()) < 5);
    t.strictSame([steps, behind], [[], []]);
  }
});

test('it is raised to what is stored as done, never lowered', async (t) => {
  const { clock, timeline } = setUp();
  timeline.raise(clock.wallMs() + 5000);
  t.equal(timeline.now(), clock.wallMs() + 5000);
  timeline.raise(clock.wallMs());
  t.equal(timeline.now(), clock.wallMs() + 5000);
});
