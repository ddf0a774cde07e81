import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { type Test, test } from 'tap';
import type { CheckThreadsOptions } from '../../../../src/scheduler/checks/threads/check-threads.ts';
import { ThreadLost } from '../../../../src/scheduler/checks/threads/thread-lost.ts';
import { createFakeClock } from '../../../helpers/fake-clock.ts';
import { until } from '../../../helpers/until.ts';
import { serve } from '../../../monitors/support.ts';
import { ask, jobOf, recordingLogger, startThreads } from './support.ts';

const program = new URL('odd-program.ts', import.meta.url);

function startOddThreads(t: Test, options: Partial<CheckThreadsOptions> = {}) {
  const prepare = () => Object.assign(() => Promise.reject(new Error('not here')), {});
  return startThreads(t, { program, prepare, ...options });
}

test('what a probe throws is its own defect, not the end of its thread', async (t) => {
  const threads = await startOddThreads(t);
  await t.rejects(ask(threads.prepare(jobOf({ does: 'throw' }))), { message: /this probe is broken/ });
  await t.rejects(ask(threads.prepare(jobOf({ does: 'not prepare' }))), { message: /cannot be prepared/ });
  t.same(threads.problem(), null);
  t.match(threads.stats(), [{ underWay: 0, restarts: 0 }]);
});

test('jobs that are not checked any more are not kept', async (t) => {
  const threads = await startOddThreads(t);
  for (let id = 1; id <= 50; id++) {
    const probe = threads.prepare(jobOf({ does: 'count the prepared' }, id));
    t.match(await ask(probe), { detail: '1' });
    probe.close?.();
    probe.close?.();
  }
});

for (const { does, cause } of [
  { does: 'exit', cause: /ended by itself/ },
  { does: 'throw outside', cause: /nobody catches this/ },
  { does: 'use up the memory', cause: /memory/ },
  { does: 'never return', cause: /did nothing for 1500 ms/ },
]) {
  test(`a thread that ends (${does}) is started again; its checks end at once, and the log says so once`, async (t) => {
    const { logger, lines } = recordingLogger();
    const threads = await startOddThreads(t, {
      ...{ logger, count: 2, silenceMs: 1_500, resourceLimits: { maxOldGenerationSizeMb: 32 } },
    });
    const [bad, same, other] = [1, 1, 2].map((id, at) => jobOf({ does: at === 0 ? does : 'never answer' }, id));
    const elsewhere = ask(threads.prepare(other!)).catch((error: unknown) => error);
    const waiting = ask(threads.prepare(same!)).catch((error: unknown) => error);
    await delay(20);
    await t.rejects(ask(threads.prepare(bad!)), { name: 'ThreadLost', message: cause });
    t.type(await waiting, ThreadLost);
    t.match(threads.problem(), cause);
    const count = threads.prepare(jobOf({ does: 'count the prepared' }, 1));
    await until('the thread runs again', async () => (await ask(count).catch(() => null)) !== null);
    t.match(threads.stats(), [
      { restarts: 1, underWay: 0 },
      { restarts: 0, underWay: 1 },
    ]);
    t.equal(lines.filter(({ level }) => level === 'warn').length, 1);
    await threads.close();
    t.type(await elsewhere, ThreadLost);
  });
}

test('a job that ends its thread again and again: the pauses double, and the others are checked in between', async (t) => {
  const clock = createFakeClock();
  const { logger, lines } = recordingLogger();
  const threads = await startOddThreads(t, { clock, logger });
  const [bad, good] = ['exit', 'count the prepared'].map((does) => threads.prepare(jobOf({ does })));
  const pauses: number[] = [];
  for (let times = 0; times < 9; times++) {
    await t.rejects(ask(bad!), ThreadLost);
    let pauseMs = 0;
    for (; ; pauseMs += 500) {
      await clock.advance(pauseMs === 0 ? 1 : 500);
      if ((await ask(good!).catch(() => null)) !== null) break;
    }
    pauses.push(pauseMs / 1_000);
  }
  t.same(pauses, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
  t.match(threads.problem(), /^check thread 1 ended 9 times in a row \(it ended by itself\); it runs again$/);
  t.equal(lines.filter(({ level }) => level === 'warn').length, 1);
  await clock.advance(61_000);
  t.equal(threads.problem(), null);
});

test('checks under way reject when the threads are closed', async (t) => {
  const threads = await startOddThreads(t);
  const waiting = ask(threads.prepare(jobOf({ does: 'never return' }))).catch((error: unknown) => error);
  await delay(50);
  await threads.close();
  t.type(await waiting, ThreadLost);
  await t.rejects(ask(threads.prepare(jobOf({ does: 'exit' }))), ThreadLost);
});

test('threads do not keep the process alive, checks under way do', async (t) => {
  const site = await serve(t, (_request, response) => setTimeout(() => response.end('ok'), 300));
  const text = `
    import { ask, jobOf, startThreads } from './test/scheduler/checks/threads/support.ts';
    const threads = await startThreads({ teardown() {} }, { count: 2 });
    console.log((await ask(threads.prepare(jobOf({ uri: '${site.uri}' })))).outcome);`;
  const child = spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', text], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let printed = '';
  child.stdout.on('data', (data: Buffer) => {
    printed += data;
  });
  t.same(await once(child, 'exit'), [0, null]);
  t.equal(printed, 'up\n');
});
