import { test } from 'tap';
import { mockAnswer, seededMockAnswer } from '../../src/api/routes/website-mock.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { createTestServer } from './test-server.ts';

test('by default 70 % 200, 20 % 404, 10 % 500; 30 % of the good ones say error', async (t) => {
  const seen = new Map<string, number>();
  for (let i = 0; i < 10_000; i++) {
    for (const bodyThrow of [0, 6_999, 7_000, 9_999]) {
      const { status } = mockAnswer(i, bodyThrow);
      seen.set(String(status), (seen.get(String(status)) ?? 0) + 1);
    }
  }
  t.same(Object.fromEntries(seen), { 200: 28_000, 404: 8_000, 500: 4_000 });
  t.same(
    [0, 6_999, 7_000, 9_999].map((bodyThrow) => mockAnswer(0, bodyThrow).body),
    ['ok', 'ok', 'error', 'error'],
  );

  const app = await createTestServer(t);
  const counts: Record<string, number> = {};
  for (let i = 0; i < 1_000; i++) {
    const { statusCode, body } = await app.inject('/website_mock');
    counts[statusCode] = (counts[statusCode] ?? 0) + 1;
    if (statusCode === 200) counts[body] = (counts[body] ?? 0) + 1;
  }
  // Six standard deviations of a binomial distribution of 1,000 either way.
  const near = (count: number | undefined, share: number) =>
    Math.abs((count ?? 0) - 1_000 * share) < 6 * Math.sqrt(1_000 * share * (1 - share));
  t.ok(near(counts[200], 0.7) && near(counts[404], 0.2) && near(counts[500], 0.1), JSON.stringify(counts));
  t.ok(near(counts.ok, 0.49) && near(counts.error, 0.21), JSON.stringify(counts));
  t.equal((counts.ok ?? 0) + (counts.error ?? 0), counts[200]);
});

test('a seed makes it predictable, slot by slot', async (t) => {
  const app = await createTestServer(t);
  const counts: Record<number, number> = {};
  for (let slot = 0; slot < 2_000; slot++) {
    const { status } = seededMockAnswer('s', `1/${slot}`);
    counts[status] = (counts[status] ?? 0) + 1;
  }
  t.ok(Math.abs((counts[200] ?? 0) - 1_400) < 125 && Math.abs((counts[404] ?? 0) - 400) < 110, JSON.stringify(counts));
  for (let slot = 0; slot < 20; slot++) {
    const expected = seededMockAnswer('s', `1/${slot}`);
    for (let again = 0; again < 2; again++) {
      const answer = await app.inject({ url: '/website_mock?seed=s', headers: { 'vedette-slot': `1/${slot}` } });
      t.same([answer.statusCode, answer.body], [expected.status, expected.body]);
    }
  }
  t.not(
    new Set(
      ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'].map((seed) => JSON.stringify(seededMockAnswer(seed, ''))),
    ).size,
    1,
  );
});

test('status and body as asked for', async (t) => {
  const app = await createTestServer(t);
  for (const [query, statusCode, body] of [
    ['status=200', 200, 'ok'],
    ['status=404', 404, 'error'],
    ['status=503', 503, 'error'],
    ['status=204', 204, ''],
    ['status=200&body=hello', 200, 'hello'],
    ['status=418&body=', 418, ''],
    ['status=301', 301, 'ok'],
  ] as const) {
    const answer = await app.inject(`/website_mock?${query}`);
    t.equal(answer.statusCode, statusCode, query);
    t.equal(answer.body, body, query);
    if (statusCode !== 204) t.match(answer.headers['content-type'], /^text\/plain/);
  }
  for (const query of ['status=100', 'status=600', 'status=x', 'delay_ms=-1', 'delay_ms=60001', 'colour=red']) {
    t.equal((await app.inject(`/website_mock?${query}`)).json().code, 'VED_VALIDATION', query);
  }
});

test('a delay is waited for, and given up when the client goes away', async (t) => {
  const clock = createFakeClock();
  const app = await createTestServer(t, { clock });
  let answered = false;
  const waiting = app.inject('/website_mock?status=200&delay_ms=5000').then((answer) => {
    answered = true;
    return answer;
  });
  await app.inject('/health/live');
  await clock.advance(4_999);
  t.equal(answered, false);
  await clock.advance(1);
  t.equal((await waiting).statusCode, 200);

  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as { port: number };
  const client = new AbortController();
  const gone = fetch(`http://127.0.0.1:${port}/website_mock?delay_ms=60000`, { signal: client.signal });
  while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
  client.abort();
  await t.rejects(gone);
  while (clock.pending > 0) await new Promise((resolve) => setImmediate(resolve));
  t.equal(clock.pending, 0);
});
