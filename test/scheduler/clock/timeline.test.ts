import { test } from 'tap';
import { Timeline } from '../../../src/scheduler/clock/timeline.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';

function setUp() {
  const clock = createFakeClock();
  const steps: number[] = [];
  const problems: Array<string | null> = [];
  const timeline = new Timeline({
    clock,
    onStep: (fromMs, toMs) => steps.push(Math.round((toMs - fromMs) / 1000)),
    onStepBack: (fromMs, toMs) => steps.push(Math.round((toMs - fromMs) / 1000)),
    onProblem: (problem) => problems.push(problem),
  });
  /** What the database's clock shows minus the monotonic clock; null while the database is away. */
  const database = { offsetMs: null as number | null };
  const run = async (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      await clock.advance(1000);
      timeline.adjust();
      if (database.offsetMs === null) continue;
      const asked = clock.monotonicMs();
      await clock.advance(10);
      timeline.compare(database.offsetMs + clock.monotonicMs(), asked);
    }
  };
  const jump = (byMs: number) => clock.setWall(clock.wallMs() + byMs);
  const right = clock.wallMs() - clock.monotonicMs();
  return { clock, timeline, steps, problems, database, run, jump, right };
}

test('it keeps the wall time', async (t) => {
  const { clock, timeline, steps, problems, run } = setUp();
  await run(60);
  t.equal(timeline.now(), clock.wallMs());
  t.strictSame([steps, problems], [[], []]);
});

test('a lasting jump ahead is followed by one step; a short one is not', async (t) => {
  const { clock, timeline, steps, problems, run, jump } = setUp();
  for (const [seconds, lasting] of [
    [10, 2],
    [3600, 12],
  ]) {
    jump(seconds * 1000);
    await run(lasting);
    jump(-seconds * 1000);
    await run(10);
  }
  t.strictSame(steps, [], 'it was put right again');
  t.match(problems, [/jumped 3600 s ahead/, null]);
  jump(10_000);
  await run(5);
  t.strictSame(steps, [10]);
  jump(3_600_000);
  await run(10);
  t.ok(timeline.unsettled, 'nothing is checked meanwhile');
  t.strictSame(steps, [10]);
  await run(10);
  t.notOk(timeline.unsettled);
  t.strictSame(steps, [10, 3600]);
  t.equal(timeline.now(), clock.wallMs());
});

test('a clock that is put back by little: time goes on at half its pace until it is right', async (t) => {
  const { clock, timeline, steps, problems, run, jump } = setUp();
  let last = timeline.now();
  jump(-20_000);
  for (let second = 0; second < 60; second++) {
    await run(1);
    t.ok(timeline.now() > last);
    last = timeline.now();
  }
  t.ok(Math.abs(timeline.now() - clock.wallMs()) < 2500);
  t.strictSame(steps, []);
  t.match(problems, [/slots are 20 s ahead of the clock/, null]);
});

test('a clock that is put back by much: time follows by a step, and it is said until it is where it was', async (t) => {
  const { clock, timeline, steps, problems, run, jump } = setUp();
  const before = timeline.now();
  jump(-1_800_000);
  await run(3);
  t.strictSame(steps, [], 'not at once');
  await run(2);
  t.strictSame(steps, [-1800]);
  t.equal(timeline.now(), clock.wallMs());
  t.match(timeline.problem(), /was put back: what was due until .* is counted already/);
  await run(1790);
  t.ok(timeline.now() < before + 4000);
  await run(20);
  t.equal(timeline.problem(), null);
  t.match(problems, [/put back/, null]);
});

test("a clock that is far from the database's is not followed", async (t) => {
  for (const byMs of [1_800_000, -1_800_000]) {
    const { clock, timeline, steps, problems, database, run, jump, right } = setUp();
    database.offsetMs = right;
    await run(10);
    jump(byMs);
    await run(60);
    t.ok(Math.abs(timeline.now() - (right + clock.monotonicMs())) < 50, 'time goes on as before');
    t.ok(Math.abs((timeline.aheadMs() as number) - byMs) < 50);
    t.match(timeline.problem(), byMs > 0 ? /1800 s ahead of that of PostgreSQL/ : /1800 s behind that of PostgreSQL/);
    database.offsetMs = null;
    await run(60);
    t.ok(Math.abs(timeline.now() - (right + clock.monotonicMs())) < 50, 'also while the database is away');
    jump(-byMs);
    database.offsetMs = right;
    await run(5);
    t.equal(timeline.problem(), null);
    t.strictSame(steps, []);
    t.equal(problems.length, 2);
  }
});

test('a clock that is wrong from the start is set right before anything depends on it', async (t) => {
  const { clock, timeline, steps, right, jump } = setUp();
  jump(1_800_000);
  const wrong = new Timeline({ clock, onStepBack: (from, to) => steps.push(Math.round((to - from) / 1000)) });
  wrong.compare(right + clock.monotonicMs(), clock.monotonicMs(), true);
  t.strictSame(steps, [-1800]);
  t.equal(wrong.now(), right + clock.monotonicMs());
  t.match(wrong.problem(), /1800 s ahead of that of PostgreSQL/);
  t.ok(timeline.now() < wrong.now() + 1);
});

test("it is never more than 30 s ahead of the database's clock, whatever that does", async (t) => {
  const { clock, timeline, steps, database, run, jump, right } = setUp();
  database.offsetMs = right;
  const shown = () => (database.offsetMs as number) + clock.monotonicMs();
  jump(29_000);
  await run(40);
  t.ok(timeline.now() - shown() < 30_000);
  jump(2000);
  await run(10);
  t.ok(timeline.now() - shown() <= 30_000);
  jump(-31_000);
  await run(90);
  steps.length = 0;
  database.offsetMs = right - 600_000;
  await run(2);
  t.ok(Math.abs(timeline.now() - shown()) < 1000, 'the database was put back: it is followed at once');
  database.offsetMs = right;
  await run(30);
  t.equal(steps.length, 2);
  t.ok(Math.abs(steps[0] + 600) < 4 && Math.abs(steps[1] - 600) < 4, `${steps}`);
  t.ok(Math.abs(timeline.now() - clock.wallMs()) < 50);
});

test('a machine that slept hears from the database how late it is', async (t) => {
  const { clock, timeline, steps, problems, database, run, jump, right } = setUp();
  database.offsetMs = right;
  await run(10);
  // Monotonic time stands still in sleep.
  jump(8 * 3_600_000);
  database.offsetMs = right + 8 * 3_600_000;
  await run(20);
  t.strictSame(steps, [8 * 3600]);
  t.match(problems, [/jumped 28800 s ahead/, null]);
  t.ok(Math.abs(timeline.now() - clock.wallMs()) < 50);
});

test('small differences are made good by running a little faster or slower', async (t) => {
  for (const difference of [300, -300]) {
    const { clock, timeline, steps, problems, run, jump } = setUp();
    jump(difference);
    await run(1);
    t.ok(Math.abs(timeline.now() - clock.wallMs()) > 200, 'not at once');
    await run(120);
    t.ok(Math.abs(timeline.now() - clock.wallMs()) < 5);
    t.strictSame([steps, problems], [[], []]);
  }
});

test('it is raised to what is stored as done, never lowered', async (t) => {
  const { clock, timeline } = setUp();
  timeline.raise(clock.wallMs() + 5000);
  t.equal(timeline.now(), clock.wallMs() + 5000);
  timeline.raise(clock.wallMs());
  t.equal(timeline.now(), clock.wallMs() + 5000);
  timeline.compare(clock.wallMs(), clock.monotonicMs());
  timeline.raise(clock.wallMs() + 1_800_000);
  t.equal(timeline.now(), clock.wallMs() + 5000, 'nor to what a wrong clock has stored');
});
