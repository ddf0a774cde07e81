import { test } from 'tap';
import { systemClock } from '../../../src/core/clock.ts';
import type { ProbeResult } from '../../../src/monitors/monitor.ts';
import { CheckRun, type Lack, type SlotResult } from '../../../src/scheduler/checks/check-run.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { prepare, serve } from '../../monitors/support.ts';
import { startProcess } from '../support/process.ts';
import { setUp } from '../support/set-up.ts';

interface Limits {
  retries: number;
  retryPauseMs: number | null;
  timeoutMs?: number;
  /** From now to the end of the slot. */
  leftMs?: number;
}

/** One slot's check of a real site, in real time. */
function startRun(uri: string, { retries, retryPauseMs, timeoutMs = 2_000, leftMs = 20_000 }: Limits) {
  const probe = prepare({ uri });
  let run: CheckRun | undefined;
  const settled = new Promise<void>((onSettled) => {
    run = new CheckRun({
      probe,
      slotTag: '1/0',
      timeoutMs,
      retries,
      retryPauseMs,
      deadline: Date.now() + leftMs,
      clock: systemClock,
      now: () => Date.now(),
      stalledMs: () => 0,
      onConcluded: (result) => void results.push(result),
      onDefect: () => {},
      onSettled,
    });
  });
  const results: Array<SlotResult | Lack> = [];
  run!.begin();
  return { run: run!, settled, results };
}

test('a check pauses before each further try, as long as its job says', async (t) => {
  const at: number[] = [];
  const site = await serve(t, (_request, response) => {
    at.push(performance.now());
    response.statusCode = at.length < 3 ? 503 : 200;
    response.end();
  });
  const { settled, results } = startRun(site.uri, { retries: 5, retryPauseMs: 400 });
  // A real timer may hold nothing alive: the test itself does.
  const alive = setInterval(() => {}, 1_000);
  await settled;
  clearInterval(alive);
  t.match(results, [{ outcome: 'up', attempt: 3 }]);
  t.equal(at.length, 3);
  const pauses = at.slice(1).map((time, index) => time - at[index]!);
  t.ok(
    pauses.every((pause) => pause >= 398),
    String(pauses),
  );
});

test('tries and pauses end with the slot: none begins that would have less than half of its time', async (t) => {
  let asked = 0;
  const site = await serve(t, (_request, response) => {
    asked++;
    response.writeHead(503).end();
  });
  const begun = performance.now();
  const { settled, results } = startRun(site.uri, { retries: 10, retryPauseMs: 300, timeoutMs: 1_000, leftMs: 1_500 });
  const alive = setInterval(() => {}, 1_000);
  await settled;
  clearInterval(alive);
  const tookMs = performance.now() - begun;
  // Tries at 0, 300, 600 and 900 ms at most; at 1,200 ms 300 of 1,000 would be left.
  t.ok(asked >= 2 && asked <= 4, `${asked} tries`);
  t.ok(tookMs < 1_500, `${tookMs} ms`);
  t.match(results, [{ outcome: 'down', status: '503', attempt: asked }]);
  asked = 0;
  const long = startRun(site.uri, { retries: 3, retryPauseMs: 60_000, timeoutMs: 1_000, leftMs: 2_000 });
  await long.settled;
  t.equal(asked, 1, 'no time for a pause: the result is there at once');
});

test('a check that is aborted in its pause ends at once and leaves no timer', async (t) => {
  const clock = createFakeClock();
  let tries = 0;
  let settled = 0;
  const results: unknown[] = [];
  const run = new CheckRun({
    probe: async () => {
      tries++;
      return { outcome: 'down', reason: 'connect', status: null, responseTime: null, timings: {} };
    },
    ...{ slotTag: '1/0', timeoutMs: 1_000, retries: 3, retryPauseMs: 3_000_000, deadline: clock.wallMs() + 7_000_000 },
    ...{ clock, now: () => clock.wallMs(), stalledMs: () => 0 },
    onConcluded: (result) => void results.push(result),
    onDefect: () => {},
    onSettled: () => void settled++,
  });
  run.begin();
  await clock.advance(10);
  t.equal(clock.pending, 1);
  t.ok(run.pausedUntil !== null && run.pausedUntil > clock.wallMs());
  run.abort();
  t.equal(settled, 1);
  t.equal(clock.pending, 0, 'nothing is held in memory until the pause would have ended');
  await clock.advance(4_000_000);
  t.same([tries, results], [1, []]);
});

test('what could not be checked is a defect for the log, unless that was to be expected', async (t) => {
  for (const isExpected of [undefined, true]) {
    const clock = createFakeClock();
    const defects: unknown[] = [];
    const results: unknown[] = [];
    const missed: ProbeResult = {
      ...{ outcome: 'missed', reason: 'internal', status: null, responseTime: null, timings: {}, detail: 'not known' },
      ...(isExpected === undefined ? {} : { isExpected }),
    };
    const run = new CheckRun({
      probe: async () => missed,
      ...{ slotTag: '1/0', timeoutMs: 100, retries: 0, retryPauseMs: null, deadline: clock.wallMs() + 1_000, clock },
      ...{ now: () => clock.wallMs(), stalledMs: () => 0 },
      onConcluded: (result, detail) => void results.push([result, detail]),
      onDefect: (error) => void defects.push((error as Error).message),
      onSettled: () => {},
    });
    run.begin();
    await clock.advance(10);
    t.strictSame(results, [['internal', 'not known']]);
    t.strictSame(defects, isExpected ? [] : ['not known']);
  }
});

test('a stop does not wait for a pause that outlasts its grace', async (t) => {
  const { clock, world, log, tally } = setUp(0);
  world.setJob(1, { periodMs: 60_000, timeoutMs: 1_000, retries: 3, retryPauseMs: 15_000 });
  const site = () => ({ result: { outcome: 'down' as const, reason: 'connect' as const, status: null } });
  const a = startProcess({ world, log, name: 'a', site, stopGraceMs: 3_000 });
  while (a.served.length === 0) await clock.advance(100);
  const startedAt = clock.monotonicMs();
  let stoppedAt = 0;
  void a.scheduler.stop().then(() => {
    stoppedAt = clock.monotonicMs();
  });
  await clock.advance(5_000);
  t.ok(stoppedAt > 0 && stoppedAt - startedAt < 1_000, `${stoppedAt - startedAt} ms`);
  t.same(tally(), { stopped: 1 }, 'what a further try would have said is not known');
});

test('a result that came during a stall of our own, beyond the end of the slot, is that of the slot', async (t) => {
  for (const isThere of [true, false]) {
    const clock = createFakeClock();
    const results: Array<SlotResult | Lack> = [];
    let stalledMs = 0;
    let answer = (_result: ProbeResult) => {};
    const run = new CheckRun({
      ...{ slotTag: '1/0', timeoutMs: 800, retries: 0, retryPauseMs: null, deadline: clock.wallMs() + 950, clock },
      probe: () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
      now: () => clock.wallMs(),
      stalledMs: () => stalledMs,
      onConcluded: (result) => void results.push(result),
      onDefect: (error) => t.fail(String(error)),
      onSettled: () => {},
    });
    run.begin();
    await clock.advance(1_200);
    stalledMs = 900;
    // Timers run before messages of other threads are read.
    run.expire();
    if (isThere) answer({ outcome: 'up', status: '200', responseTime: 0.3, timings: {} });
    await clock.advance(5);
    t.match(results, isThere ? [{ outcome: 'up', responseTime: 0.3 }] : ['stalled']);
  }
});
