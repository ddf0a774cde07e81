import { decode, encode } from 'dns-packet';
import { test } from 'tap';
import { formatProblem } from '../../../src/core/validation.ts';
import { createJobRules } from '../../../src/jobs/rules.ts';
import { monitors } from '../../../src/monitors/index.ts';
import { createGate } from '../../../src/monitors/net/gate.ts';
import { checkBy, context, pem } from '../support.ts';
import { createHttpsResolver, type HttpsAnswer, type HttpsRequest } from './name-server.ts';

const tls = { ca: pem('ca') };
const check = (options: object, more: Parameters<typeof checkBy>[2] = {}) => checkBy('dns', { tls, ...options }, more);
const rules = createJobRules({ monitors, context, cronProblem: () => null });

const ZONES = {
  'a.test': { answers: [{ type: 'A', name: 'a.test', ttl: 300, data: '192.0.2.1' }], isAuthenticated: true },
} as const;

test('a resolver is asked by HTTPS, in each way', async (t) => {
  const resolver = await createHttpsResolver(t, ZONES as never);
  const uri = `${resolver.uri}/a.test`;
  for (const [options, version, method] of [
    [{}, '2.0', 'POST'],
    [{ method: 'GET' }, '2.0', 'GET'],
    [{ http_version: '2' }, '2.0', 'POST'],
    [{ http_version: 1.1 }, '1.1', 'POST'],
    [{ http_version: '1.1', method: 'GET' }, '1.1', 'GET'],
  ] as const) {
    const found = await check({ uri, expected: ['192.0.2.1'], authenticated: true, ...options });
    t.match(found, {
      ...{ outcome: 'up', status: 'NOERROR', timings: { connect: Number, tls: Number, ttfb: Number } },
      values: { answers: 1, authenticated: 1, ttl: 300, days_left: Number },
      facts: { transport: 'https', http_version: version.slice(0, 3) === '1.1' ? '1.1' : '2', certificate: Object },
    });
    t.match(resolver.asked.at(-1), { version, method, headers: { accept: 'application/dns-message' } });
  }
  const [post, get] = resolver.asked as [HttpsRequest, HttpsRequest];
  t.match(post, { path: '/dns-query', headers: { 'content-type': 'application/dns-message' } });
  t.match(get, { path: /^\/dns-query\?dns=[\w-]+$/, headers: { 'content-type': undefined } });
  for (const { query } of [post, get]) {
    t.match(decode(query), { id: 0, questions: [{ type: 'A', name: 'a.test' }] }, 'the same for all, for caches');
  }
  await check({ uri, path: '/of?me=1', method: 'GET' }, { slotTag: '7/1000' });
  t.match(resolver.asked.at(-1), { path: /^\/of\?me=1&dns=/, headers: { 'vedette-slot': '7/1000' } });
  await resolver.quiet();
});

test('what goes wrong on the way', async (t) => {
  const resolver = await createHttpsResolver(t, ZONES as never);
  const uri = `${resolver.uri}/a.test`;
  t.match(await check({ uri, tls: undefined }), { outcome: 'down', reason: 'tls' });
  t.match(await check({ uri }, { gate: createGate({ mode: 'deny_internal' }) }), { reason: 'forbidden_address' });
  t.match(await check({ uri: 'dns+https://127.0.0.99:9/a.test' }), { reason: 'connect' });
  t.match(await check({ uri: `${resolver.uri}/b.test` }), { reason: 'status', status: 'NXDOMAIN' });
  t.match(await check({ uri, max_response_time_seconds: 1e-9 }), { outcome: 'degraded', reason: 'latency' });
  t.match(await check({ uri, tls: { ...tls, expiry_warning_days: 36_500 } }), { outcome: 'degraded', reason: 'tls' });
});

const reply = ({ query }: HttpsRequest, more: object) =>
  encode({ ...decode(query), type: 'response', additionals: [], ...more });

const HOSTILE: ReadonlyArray<readonly [name: string, change: (request: HttpsRequest) => HttpsAnswer, found: object]> = [
  [
    'is no resolver',
    () => ({ status: 404, body: Buffer.from('no') }),
    { reason: 'status', status: '404', responseTime: Number, detail: /HTTP status 404, accepted: 200$/ },
  ],
  [
    'leads elsewhere',
    () => ({ status: 302, headers: { location: 'https://127.0.0.1/' }, body: Buffer.alloc(0) }),
    { reason: 'status', status: '302' },
  ],
  [
    'answers in JSON',
    () => ({ headers: { 'content-type': 'application/dns-json' }, body: Buffer.from('{}') }),
    { reason: 'header', detail: /content type of the answer is application\/dns-json/ },
  ],
  ['does not say what it answers', () => ({ headers: {} }), { reason: 'header', detail: /answer is none/ }],
  ['answers nothing', () => ({ body: Buffer.alloc(0) }), { reason: 'protocol', detail: /another question/ }],
  ['answers with letters', () => ({ body: Buffer.from('x'.repeat(40)) }), { reason: 'protocol' }],
  ['is cut off', (request) => ({ body: reply(request, {}).subarray(0, -3) }), { reason: 'protocol' }],
  [
    'answers another question',
    (request) => ({ body: reply(request, { questions: [{ type: 'A', name: 'b.test' }] }) }),
    { reason: 'protocol', detail: 'the answer is one to another question' },
  ],
  ['answers with another id', (request) => ({ body: reply(request, { id: 7 }) }), { reason: 'protocol' }],
  ['answers too much', () => ({ body: Buffer.alloc(70_000) }), { reason: 'too_large' }],
];

test('hostile resolvers end as their own failure, and leave nothing open', async (t) => {
  for (const [name, change, found] of HOSTILE) {
    const resolver = await createHttpsResolver(t, {}, change);
    for (const version of ['1.1', '2']) {
      const result = await check({ uri: `${resolver.uri}/a.test`, http_version: version }, { timeoutMs: 2_000 });
      t.match(result, { outcome: 'down', ...found }, `${name}, HTTP/${version}`);
    }
    await resolver.quiet();
  }
});

test('what is wrong with a job that asks by HTTPS', async (t) => {
  for (const [definition, problem] of [
    [{ uri: 'dns+https:///a.test' }, /with a resolver for TLS$/],
    [{ uri: 'dns+tls://ns.test/a.test', path: '/x' }, /^path: given "\/x", accepted: nothing without HTTPS/],
    [{ uri: 'dns:///a.test', method: 'GET' }, /^method: given "GET", accepted: nothing without HTTPS/],
    [{ uri: 'dns://9.9.9.9/a.test', http_version: 2 }, /^http_version: given 2, accepted: nothing without HTTPS/],
    [{ uri: 'dns+https://ns.test/a.test', path: 'x' }, /^path: given "x", accepted: a path/],
    [{ uri: 'dns+https://ns.test/a.test', path: '/#x' }, /^path: /],
    [{ uri: 'dns+https://ns.test/a.test', method: 'PUT' }, /^method: /],
  ] as const) {
    const result = rules.validate(definition);
    t.match(result.ok ? ['no problem'] : result.problems.map(formatProblem), [problem]);
  }
  for (const uri of ['dns+https://ns.test/a.test?type=HTTPS', 'DNS+HTTPS://[::1]:8443/a.test']) {
    t.match(rules.validate({ uri, path: '/dns-query?me', tls: {} }), { ok: true }, uri);
  }
});
