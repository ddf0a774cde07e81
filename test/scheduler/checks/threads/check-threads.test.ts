import { Worker } from 'node:worker_threads';
import { type Test, test } from 'tap';
import { createPrepare } from '../../../../src/jobs/prepare.ts';
import { shardOf } from '../../../../src/jobs/shard.ts';
import type { ReadMembers } from '../../../../src/monitors/group/members.ts';
import { monitors } from '../../../../src/monitors/index.ts';
import type { ProbeResult } from '../../../../src/monitors/monitor.ts';
import { Stop } from '../../../../src/scheduler/checks/stop.ts';
import { threadOf } from '../../../../src/scheduler/checks/threads/check-threads.ts';
import { threadCount } from '../../../../src/scheduler/checks/threads/thread-count.ts';
import { stall, startSite } from '../../../monitors/apart-site.ts';
import { answering, context, pem, serve, serveRaw, serveTls } from '../../../monitors/support.ts';
import { ask, jobOf, NO_PLACES, prepareHere, startThreads } from './support.ts';

/** Without what differs from one check to the next. */
function lasting({ responseTime, timings, heldMs: _heldMs, ...result }: ProbeResult): object {
  const detail = result.detail?.replace(/\d+\.\d+ s/, 'TIME');
  return { ...result, detail, hasTime: responseTime !== null, phases: Object.keys(timings).sort() };
}

test('results on a thread are those of the main thread', async (t) => {
  const site = await serve(t, (incoming, response) => {
    if (incoming.url === '/slow') return;
    if (incoming.url === '/moved') response.writeHead(302, { location: '/' });
    else response.statusCode = Number(incoming.url?.slice(1)) || 200;
    response.end(`{"slot":"${incoming.headers['vedette-slot']}"}`);
  });
  const tls = await serveTls(t, { cert: pem('server'), key: pem('server') }, (_, response) => response.end('ok'));
  const broken = await answering(t, 'no HTTP\r\n\r\n');
  const threads = await startThreads(t);
  const table: ReadonlyArray<[name: string, options: object, outcome: string, more?: object]> = [
    ['up', { uri: site.uri, json_condition: 'json.slot == "1/0"' }, 'up'],
    ['down', { uri: `${site.uri}/500` }, 'down'],
    ['degraded', { uri: site.uri, max_response_time_seconds: 0.000_001 }, 'degraded'],
    ['redirected', { uri: `${site.uri}/moved`, pattern: 'slot' }, 'up'],
    ['without its text', { uri: site.uri, pattern: 'a+bsent|[0-9]{9}' }, 'down'],
    ['timed out', { uri: `${site.uri}/slow` }, 'down', { timeoutMs: 60 }],
    ['not HTTP', { uri: broken.uri }, 'down'],
    ['refused', { uri: 'http://127.0.0.1:1/' }, 'down'],
    ['an untrusted certificate', { uri: tls.uri }, 'down'],
    ['a trusted certificate', { uri: tls.uri, tls: { ca: pem('ca') } }, 'up'],
    ['a secret in the detail', { uri: 'http://127.0.0.1:1/?token=hush' }, 'down'],
    ['strict', { uri: site.uri, strict: true }, 'up'],
  ];
  for (const [name, options, outcome, more] of table) {
    const here = await ask(prepareHere(jobOf(options)), more);
    const there = await ask(threads.prepare(jobOf(options)), more);
    t.equal(there.outcome, outcome, `${name}: ${there.detail}`);
    t.same(lasting(there), lasting(here), name);
  }
  t.throws(() => threads.prepare({ ...jobOf({}), type: 'gopher' }), { code: 'VED_VALIDATION' });
});

test('a job stays on its thread: its connection is kept, until the job is dropped or the threads end', async (t) => {
  const site = await serve(t, (_request, response) => response.end('ok'));
  const threads = await startThreads(t, { count: 3 });
  const probes = Array.from({ length: 9 }, (_, id) =>
    threads.prepare(jobOf({ uri: site.uri, keep_alive: true }, id + 1)),
  );
  t.ok(probes.every(({ keeps }) => keeps));
  for (let times = 0; times < 3; times++) await Promise.all(probes.map((probe) => ask(probe)));
  t.equal(site.taken, 9);
  for (const probe of probes.slice(1)) probe.close?.();
  await ask(probes[0]!);
  t.equal(site.taken, 9, 'the connection of another job is kept');
  t.match(await ask(probes[1]!), { outcome: 'up' }, 'a dropped job can be checked again');
  t.equal(site.taken, 10);
  await threads.close();
  await site.quiet();
});

test('jobs are spread evenly over the threads, also those of every second shard', (t) => {
  for (const count of [2, 3, 4, 7, 16]) {
    for (const owned of [(_id: number) => true, (id: number) => shardOf(id) % 2 === 0]) {
      const jobs = new Array<number>(count).fill(0);
      const ids = Array.from({ length: 20_000 }, (_, id) => id + 1).filter(owned);
      for (const id of ids) jobs[threadOf(id, count)]!++;
      const fair = ids.length / count;
      t.ok(
        jobs.every((n) => Math.abs(n - fair) < fair * 0.15),
        `${count} threads: ${jobs}`,
      );
    }
  }
  t.same(
    [1, 2, 3, 8, 64].map((cores) => threadCount('auto', cores)),
    [0, 0, 2, 4, 4],
  );
  t.equal(threadCount('5', 2), 5);
  t.end();
});

test('an aborted check ends at once and leaves nothing open; the others go on', async (t) => {
  const site = await serveRaw(t, (socket) => socket.resume());
  const other = await serve(t, (_request, response) => setTimeout(() => response.end('ok'), 150));
  const threads = await startThreads(t);
  const signal = new Stop();
  const aborted = ask(threads.prepare(jobOf({ uri: site.uri })), { timeoutMs: 20_000, signal });
  const going = ask(threads.prepare(jobOf({ uri: other.uri })));
  while (site.taken === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  signal.abort();
  t.match(await aborted, { outcome: 'down', reason: 'stopped' });
  await site.quiet();
  t.match(await going, { outcome: 'up' });
  const early = new Stop();
  const begun = ask(threads.prepare(jobOf({ uri: site.uri })), { timeoutMs: 20_000, signal: early });
  early.abort();
  t.match(await begun, { reason: 'stopped' }, 'aborted before the thread knew of it');
  t.same(threads.stats()[0]?.underWay, 0);
});

/** Counts what is sent to threads. */
function countMessages(t: Test): { jobs: number; checks: number }[] {
  const sent: { jobs: number; checks: number }[] = [];
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function (message, ...rest) {
    // Others want a sign of life.
    if (message.checks.length > 0) sent.push({ jobs: message.jobs.length, checks: message.checks.length });
    return postMessage.call(this, message, ...rest);
  };
  t.teardown(() => {
    Worker.prototype.postMessage = postMessage;
  });
  return sent;
}

test('checks that begin together are one message, and a job is sent once', async (t) => {
  const site = await serve(t, (_request, response) => response.end('ok'));
  const threads = await startThreads(t);
  const probes = Array.from({ length: 20 }, (_, id) => threads.prepare(jobOf({ uri: site.uri }, id + 1)));
  const sent = countMessages(t);
  await Promise.all(probes.map((probe) => ask(probe)));
  t.same(sent, [{ jobs: 20, checks: 20 }]);
  await Promise.all(probes.map((probe) => ask(probe)));
  t.same(sent, [
    { jobs: 20, checks: 20 },
    { jobs: 0, checks: 20 },
  ]);
});

test('a gate in auto is closed until the thread is told that nobody else has access, and closes again', async (t) => {
  const site = await serve(t, (_request, response) => response.end('ok'));
  let isPublic = true;
  const monitors = { gate: 'auto' as const, allow: [], userAgent: 'test', secrets: NO_PLACES };
  const threads = await startThreads(t, { monitors, isPublic: () => isPublic });
  const probe = threads.prepare(jobOf({ uri: site.uri }));
  t.match(await ask(probe), { reason: 'forbidden_address' });
  isPublic = false;
  t.match(await ask(probe), { outcome: 'up' });
  isPublic = true;
  t.match(await ask(probe), { reason: 'forbidden_address' });
});

test('the practice site is found by asking the main thread, once for checks that begin together', async (t) => {
  const site = await serve(t, (_request, response) => response.end('ok'));
  let asked = 0;
  const threads = await startThreads(t, {
    findSelf: async () => {
      asked++;
      return { address: '127.0.0.1', port: site.port };
    },
  });
  const probe = threads.prepare(jobOf({ uri: 'http://vedette.self/website_mock' }));
  t.match(await Promise.all([ask(probe), ask(probe)]), [{ outcome: 'up' }, { outcome: 'up' }]);
  t.equal(asked, 1);
  t.match(await ask(probe), { outcome: 'up' });
  t.equal(asked, 2);
});

test('a stall of the main thread touches neither verdicts nor response times of checks on a thread', async (t) => {
  const { site } = await startSite(t);
  const threads = await startThreads(t);
  const options = { uri: `${site}/200`, max_response_time_seconds: 0.4 };
  const table = [
    ['main', prepareHere(jobOf(options))],
    ['thread', threads.prepare(jobOf(options))],
  ] as const;
  for (const [place, probe] of table) {
    await ask(probe);
    const checks = Array.from({ length: 10 }, () => ask(probe, { timeoutMs: 450, graceMs: 0 }));
    await new Promise((resolve) => setTimeout(resolve, 30));
    stall(500);
    const results = await Promise.all(checks);
    const errors = results.map(({ responseTime }) => Math.abs((responseTime ?? 0) - 0.2));
    const held = Math.max(...results.map(({ heldMs = 1_000 }) => heldMs));
    const seen = `${place}: ${errors.map((error) => Math.round(error * 1_000))} ms wrong, ${Math.round(held)} ms held`;
    if (place === 'thread') {
      t.ok(
        results.every(({ outcome }) => outcome === 'up'),
        seen,
      );
      t.ok(Math.max(...errors) < 0.1 && held < 100, seen);
    } else t.ok(held > 300, seen);
  }
});

test('a thread reads the secrets of its jobs itself: it is sent the references, and its answers tell no value', async (t) => {
  const seen: unknown[] = [];
  const site = await serve(t, (incoming, response) => {
    seen.push(incoming.headers['x-a']);
    response.writeHead(200, { 'x-b': incoming.headers['x-a'] ?? '' }).end();
  });
  const folder = t.testdir({ token: 'of-the-folder\n' });
  const secrets = { ...NO_PLACES, folder, variables: { VEDETTE_SECRET_OTHER: 'of-the-environment' } };
  const monitors = { gate: 'off' as const, allow: [], userAgent: 'test', secrets };
  const threads = await startThreads(t, { monitors, prepare: prepareHere });
  const headers = { 'x-a': '$' + '{secret:token} $' + '{secret:other}' };
  const job = jobOf({ uri: site.uri, headers, forbidden_headers: { 'x-b': '' } });
  const result = await ask(threads.prepare(job));
  t.match(result, { outcome: 'down', detail: 'header x-b is ******** ********, which is forbidden' });
  t.strictSame(seen, ['of-the-folder of-the-environment']);
  t.match(job.options, { headers });
  const lacking = await ask(threads.prepare(jobOf({ uri: site.uri, body: '$' + '{secret:gone}', method: 'POST' })));
  t.match(lacking, {
    outcome: 'missed',
    reason: 'internal',
    detail: /^secret gone: it is not in /,
  });
  t.equal(seen.length, 1);
});

test('a job that needs the main thread is checked there', async (t) => {
  const asked: unknown[] = [];
  const readMembers: ReadMembers = async (jobs) => {
    asked.push(jobs);
    return [{ jobId: 2, name: 'front', state: 'up' }];
  };
  const threads = await startThreads(t, { prepare: createPrepare(monitors, { ...context, readMembers }) });
  const probe = threads.prepare({ jobId: 1, type: 'group', options: { jobs: [2] }, secrets: [] });
  t.match(await ask(probe), { outcome: 'up', values: { jobs_up: 1 } });
  t.strictSame(asked, [{ jobIds: [2], tag: null }]);
});
