import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'tap';
import type { ProbeResult } from '../../../src/monitors/monitor.ts';
import { stall, startSite } from '../apart-site.ts';
import { prepare } from '../support.ts';

/** Tries once; `graceMs` as a scheduler with a long period gives it. */
function tryOnce(
  uri: string,
  more: { timeoutMs?: number; graceMs?: number; slow?: number } = {},
): Promise<ProbeResult> {
  const { timeoutMs = 5_000, graceMs = 5_000, slow } = more;
  const probe = prepare({ uri, ...(slow === undefined ? {} : { max_response_time_seconds: slow }) });
  return probe({ timeoutMs, graceMs, slotTag: '1/0', signal: new AbortController().signal });
}

test('a stall while the answer comes: the response time is wrong by half of it at most', async (t) => {
  const { site, lastDelayMs } = await startSite(t);
  await tryOnce(`${site}/0`);
  for (const into of [10, 60, 110, 160]) {
    const errors: number[] = [];
    // The middle one of three: whatever else the machine does may hold one of them up.
    for (let times = 0; times < 3; times++) {
      const checking = tryOnce(`${site}/100`);
      await delay(into);
      stall(80);
      const { responseTime, outcome } = await checking;
      t.equal(outcome, 'up');
      await delay(20);
      errors.push((responseTime as number) * 1000 - lastDelayMs());
    }
    const [, error] = errors.sort((one, other) => one - other) as [number, number];
    t.ok(error > -42 && error < 42 + 15, `after ${into} ms: ${errors.map((ms) => Math.round(ms))} ms`);
  }
});

test('a stall before the request is sent is not booked as time of the site', async (t) => {
  const { site } = await startSite(t);
  await tryOnce(`${site}/0`);
  const checking = tryOnce(`${site}/100`);
  // Within the same turn of the loop: the connection is made meanwhile, and noticed 300 ms later.
  await Promise.resolve();
  stall(300);
  const { responseTime, heldMs } = await checking;
  t.ok(Math.abs((responseTime as number) * 1000 - 100 - 150) < 160, `${responseTime} s: half of the stall at most`);
  t.ok((heldMs as number) >= 290, `${heldMs} ms held`);
});

test('an answer that was there in time is read, however late we look', async (t) => {
  const { site } = await startSite(t);
  await tryOnce(`${site}/0`);
  const checking = tryOnce(`${site}/100`, { timeoutMs: 200 });
  await delay(50);
  stall(300);
  t.match(await checking, { outcome: 'up' });
});

test('the site has its whole time: what we held up is added, or the slot is stalled', async (t) => {
  const { site } = await startSite(t);
  await tryOnce(`${site}/0`);
  const held = (more: { timeoutMs: number; graceMs: number }, ms: number) => {
    const checking = tryOnce(`${site}/${ms}`, more);
    stall(250);
    return checking;
  };
  t.match(await held({ timeoutMs: 300, graceMs: 1_000 }, 150), { outcome: 'up' }, 'it answered 400 ms after the start');
  t.match(await held({ timeoutMs: 300, graceMs: 1_000 }, 900), { outcome: 'down', reason: 'timeout' });
  t.match(await held({ timeoutMs: 300, graceMs: 0 }, 900), {
    outcome: 'missed',
    reason: 'stalled',
    detail: /^no answer within 300 ms, of which we held it up for \d+ ms$/,
  });
});

test('true time-outs and slow answers survive stalls as often as fast answers; none is taken for another', async (t) => {
  const { site } = await startSite(t);
  await tryOnce(`${site}/0`);
  const kinds = [
    { ms: 20, outcome: 'up' },
    { ms: 400, outcome: 'degraded' },
    { ms: 2_000, outcome: 'down' },
  ];
  let isOver = false;
  // Held up for half of the time, in stalls of up to 60 ms.
  const stalling = (async () => {
    for (let n = 0; !isOver; n++) {
      const ms = 10 + ((n * 37) % 50);
      stall(ms);
      await delay(ms);
    }
  })();
  const survived: Record<string, number> = {};
  const EACH = 30;
  for (let n = 0; n < EACH; n += 10) {
    const batch = Array.from({ length: 10 }, () => kinds).flat();
    await Promise.all(
      batch.map(async ({ ms, outcome }, index) => {
        await delay(index * 23);
        const result = await tryOnce(`${site}/${ms}`, { timeoutMs: 1_000, graceMs: 500, slow: 0.2 });
        if (result.outcome === outcome) survived[outcome] = (survived[outcome] ?? 0) + 1;
        else t.match(result, { outcome: 'missed', reason: 'stalled' }, `${outcome} taken for ${result.outcome}`);
      }),
    );
  }
  isOver = true;
  await stalling;
  t.comment(survived);
  for (const { outcome } of kinds) t.ok((survived[outcome] ?? 0) >= EACH * 0.9, `${outcome}: ${survived[outcome]}`);
});
