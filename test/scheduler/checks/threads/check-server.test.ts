import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { type Test, test } from 'tap';
import type { Probe, ProbeRequest, ProbeResult } from '../../../../src/monitors/monitor.ts';
import { tryAfter } from '../../../../src/monitors/waited.ts';
import { CheckServer } from '../../../../src/scheduler/checks/threads/check-server.ts';
import { type Answers, type Requests, threadsMs } from '../../../../src/scheduler/checks/threads/messages.ts';
import { until } from '../../../helpers/until.ts';
import { stall } from '../../../monitors/apart-site.ts';
import { ask, jobOf } from './support.ts';

const UP: ProbeResult = { outcome: 'up', status: '200', responseTime: 0.01, timings: {} };
const TIMEOUT: ProbeResult = { outcome: 'down', reason: 'timeout', status: null, responseTime: null, timings: {} };

/** A server of checks on this thread, with the messages that it sends. */
function startServer(t: Test, probe: Probe): { send(requests: Partial<Requests>): void; answers: Answers[] } {
  const { port1, port2 } = new MessageChannel();
  t.teardown(() => port1.close());
  const answers: Answers[] = [];
  port1.on('message', (each: Answers) => answers.push(each));
  new CheckServer(port2 as MessagePort).serve(() => probe);
  return {
    answers,
    send: (requests) => port1.postMessage({ jobs: [], checks: [], aborted: [], dropped: [], ...requests }),
  };
}

const checks = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ id: index + 1, key: 1, askedAt: threadsMs(), timeoutMs: 1_000 }));

test('checks that end together are one message', async (t) => {
  const { send, answers } = startServer(t, async () => ({ ...UP, facts: { never: () => 'sent' } }));
  await until('a first message', async () => answers.length > 0);
  t.same(answers, [{ results: [], failures: [] }], 'it has begun');
  send({ jobs: [{ key: 1, job: jobOf({}) }], checks: checks(20) });
  await until('the results', async () => answers.length > 1);
  t.same(
    answers[1]?.results.map(([id, result]) => [id, result.outcome, result.facts]),
    Array.from({ length: 20 }, (_, index) => [index + 1, 'up', undefined]),
  );
});

test('a crowd of checks does not hold up the event loop; one that waits can be aborted', async (t) => {
  let begun = 0;
  const { send, answers } = startServer(t, async () => {
    begun++;
    stall(4);
    return UP;
  });
  send({ jobs: [{ key: 1, job: jobOf({}) }], checks: checks(50) });
  let longestMs = 0;
  let lastAt = performance.now();
  let isAborted = false;
  while ((answers.at(-1)?.results.at(-1)?.[0] ?? 0) < 49) {
    await new Promise((resolve) => setImmediate(resolve));
    longestMs = Math.max(longestMs, performance.now() - lastAt);
    lastAt = performance.now();
    if (!isAborted && begun > 0) send({ aborted: [50] });
    isAborted ||= begun > 0;
  }
  t.ok(longestMs < 100, `${longestMs} ms of 200 at once`);
  t.equal(begun, 49);
  const aborted = answers.flatMap(({ results }) => results).find(([id]) => id === 50);
  t.match(aborted, [50, { outcome: 'missed', reason: 'stopped' }]);
});

test('a check of a job that is not known fails, and is not left without an answer', async (t) => {
  const { send, answers } = startServer(t, async () => UP);
  send({ checks: checks(1), wantsSign: true });
  const failures = () => answers.flatMap((each) => each.failures);
  await until('the failure', async () => failures().length > 0);
  t.match(failures(), [[1, /is not known/]]);
});

test('what a check has waited for its thread is taken from our own time, then from that of the site', async (t) => {
  const table: ReadonlyArray<[waitedMs: number, given: object, got: object | null, result: ProbeResult, seen: object]> =
    [
      [30, { timeoutMs: 1_000, graceMs: 500 }, { timeoutMs: 1_000, graceMs: 470 }, TIMEOUT, { reason: 'timeout' }],
      [600, { timeoutMs: 1_000, graceMs: 500 }, { timeoutMs: 900, graceMs: 0 }, TIMEOUT, { reason: 'stalled' }],
      [600, { timeoutMs: 1_000, graceMs: 500 }, { timeoutMs: 900, graceMs: 0 }, UP, { outcome: 'up' }],
      [9, { timeoutMs: 1_000, graceMs: 0 }, { timeoutMs: 991, graceMs: 0 }, TIMEOUT, { reason: 'timeout' }],
      [1_500, { timeoutMs: 1_000, graceMs: 500 }, null, UP, { outcome: 'missed', reason: 'stalled' }],
      [9_999, { timeoutMs: 1_000, graceMs: undefined }, { timeoutMs: 1_000 }, TIMEOUT, { reason: 'timeout' }],
    ];
  for (const [waitedMs, given, got, result, seen] of table) {
    const asked: ProbeRequest[] = [];
    const probe: Probe = async (request) => {
      asked.push(request);
      return result;
    };
    t.match(await ask((request) => tryAfter(waitedMs, probe, request), given), seen, `after ${waitedMs} ms`);
    t.match(asked, got === null ? [] : [got]);
    t.equal(asked.length, got === null ? 0 : 1);
  }
});
