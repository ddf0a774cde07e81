import type { Socket } from 'node:net';
import { test } from 'tap';
import { formatProblem } from '../../../src/core/validation.ts';
import { createPrepare } from '../../../src/jobs/prepare.ts';
import { createJobRules } from '../../../src/jobs/rules.ts';
import { monitors } from '../../../src/monitors/index.ts';
import { createGate } from '../../../src/monitors/net/gate.ts';
import { checkBy, context, pem, serveRaw } from '../support.ts';
import { PASSWORD, SERVERS } from './servers.ts';

const ca = pem('ca');
const check = (options: object, more: Parameters<typeof checkBy>[2] = {}) => checkBy('redis', options, more);
const rules = createJobRules({ monitors, context, cronProblem: () => null });
const password = encodeURIComponent(PASSWORD);

for (const { name, start, lacks } of SERVERS) {
  test(`log in, PING and a command: ${name}`, { skip: lacks }, async (t) => {
    const { plain, secure } = await start(t);
    const uri = `redis://:${password}@127.0.0.1:${plain}/0`;
    const up = await check({ uri });
    t.match(up, { outcome: 'up', status: 'OK', responseTime: Number, bytes: Number, values: undefined });
    t.match(up.facts, { remote_address: '127.0.0.1' });
    t.strictSame(Object.keys(up.timings).sort(), ['connect', 'transfer', 'ttfb']);
    t.match(await check({ uri: `redis://probe:of%20the%20probe@127.0.0.1:${plain}` }), { outcome: 'up' });

    t.match(await check({ uri: `redis://127.0.0.1:${plain}` }), {
      ...{ outcome: 'down', reason: 'status', status: 'NOAUTH', responseTime: Number },
      detail: /^the answer to PING is an error: NOAUTH /,
    });
    t.match(await check({ uri: `redis://:wrong@127.0.0.1:${plain}` }), { reason: 'status', status: 'WRONGPASS' });
    t.match(await check({ uri: `redis://:${password}@127.0.0.1:${plain}/99` }), {
      ...{ reason: 'status', status: 'ERR', detail: /^the answer to SELECT is an error: ERR DB index/ },
    });

    const query = (command: string[], expect?: string) => ({ uri, query: { command, ...(expect ? { expect } : {}) } });
    t.match(await check(query(['SET', 'a', '1 500\r\nPING'])), { outcome: 'up' });
    t.match(await check(query(['STRLEN', 'none'], '^0$')), { outcome: 'up', values: { result: 0 } });
    t.match(await check(query(['GET', 'none'], '^\\(nil\\)$')), { outcome: 'up', values: undefined });
    t.match(await check(query(['EVAL', "return {'one', {2}}", '0'], '^one\n2$')), { outcome: 'up' });
    t.match(await check(query(['EVAL', "return 'x€'", '0'], '^y')), {
      ...{ outcome: 'down', reason: 'body', responseTime: Number },
      detail: 'pattern not found in the result of the query, which is "x€"',
    });
    t.match(await check(query(['NONE'])), {
      status: 'ERR',
      detail: /^the answer to the query is an error: ERR unknown/,
    });

    const secured = `rediss://:${password}@127.0.0.1:${secure}`;
    t.match(await check({ uri: secured, tls: { ca } }), {
      ...{ outcome: 'up', timings: { tls: Number }, values: { days_left: Number } },
      facts: { certificate: { trusted: true } },
    });
    t.match(await check({ uri: secured }), { outcome: 'down', reason: 'tls' });
    t.match(await check({ uri: secured, tls: { ca, expiry_warning_days: 36_500 } }), {
      ...{ outcome: 'degraded', reason: 'tls' },
    });
    t.match(await check({ uri: `rediss://127.0.0.1:${plain}` }), { outcome: 'down' }, 'TLS where none is spoken');
    t.match(await check({ uri, max_response_time_seconds: 1e-9 }), { outcome: 'degraded', reason: 'latency' });
  });
}

test('a closed port, a name that is none, and an address that the gate refuses', async (t) => {
  t.match(await check({ uri: 'redis://127.0.0.99:9' }), { outcome: 'down', reason: 'connect', status: null });
  const names = { resolve: async () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })) };
  t.match(await check({ uri: 'redis://cache.invalid' }, { names }), { outcome: 'down', reason: 'dns' });
  const gate = createGate({ mode: 'deny_internal' });
  t.match(await check({ uri: 'redis://127.0.0.1' }, { gate }), { outcome: 'down', reason: 'forbidden_address' });
});

test('a password that a server repeats is masked', async (t) => {
  const site = await serveRaw(t, (socket) => socket.on('data', () => socket.write(`-ERR no ${PASSWORD}\r\n`)), 'redis');
  const job = rules.toJob({ uri: `redis://:${password}@127.0.0.1:${site.port}` }, 1);
  const probe = createPrepare(monitors, context)(job);
  t.match(await probe({ timeoutMs: 5_000, signal: new AbortController().signal }), {
    detail: 'the answer to AUTH is an error: ERR no ********',
  });
});

type Hostile = readonly [name: string, onSocket: (socket: Socket) => void, found: object];

const says = (text: string) => (socket: Socket) => void socket.once('data', () => socket.write(text));
const nested = '*1\r\n';

const HOSTILE: readonly Hostile[] = [
  [
    'closes at once',
    (socket) => socket.end(),
    { reason: 'connect', detail: /^connection closed before the answer to/ },
  ],
  ['resets', (socket) => socket.resetAndDestroy(), { reason: 'connect' }],
  ['is silent', () => {}, { reason: 'timeout', detail: 'no answer to PING within 700 ms' }],
  ['drips', drip, { reason: 'timeout' }],
  ['floods without a line', flood('+x'), { reason: 'too_large' }],
  ['floods with elements', flood(':1\r\n', '*10000\r\n'), { reason: 'protocol', detail: /^the answer to PING is / }],
  ['is a website', says('HTTP/1.1 400 Bad\r\n\r\n'), { reason: 'protocol', detail: /^no reply of Redis: "HTTP\/1.1/ }],
  ['says another thing', says('+NO\r\n'), { reason: 'protocol', detail: 'the answer to PING is "NO"' }],
  ['promises too much', says('$99999999999\r\nx'), { reason: 'too_large', detail: /99999999999 bytes/ }],
  ['has too many elements', says('*99999999\r\n'), { reason: 'too_large', detail: /over 10000 elements/ }],
  ['has many in all', says(`*2\r\n*9999\r\n${':1\r\n'.repeat(9_999)}*9999\r\n`), { reason: 'too_large' }],
  ['nests without end', says(nested.repeat(1_000)), { reason: 'protocol', detail: /nested more than 8 deep/ }],
  ['has a length of letters', says('$x\r\n'), { reason: 'protocol', detail: 'no reply of Redis: "$x"' }],
  ['has a negative length', says('*-2\r\n'), { reason: 'protocol' }],
  ['has a number that is none', says(':1e9\r\n'), { reason: 'protocol' }],
  ['is longer than it said', says('$2\r\nPONG\r\n'), { reason: 'protocol', detail: 'no reply of Redis: "NG\\r\\n"' }],
  [
    'ends within a reply',
    (socket) => void socket.once('data', () => socket.end('$4\r\nPO')),
    { reason: 'protocol', detail: 'connection closed in the middle of the answer to PING' },
  ],
  ['has no status', says('-\u202eno good\r\n'), { reason: 'status', status: 'ERR' }],
  ['has a long status', says(`-${'A'.repeat(40)} x\r\n`), { reason: 'status', status: 'ERR' }],
  ['is loading', says('-LOADING Redis is loading\r\n'), { reason: 'status', status: 'LOADING' }],
];

function flood(text: string, before = '') {
  return (socket: Socket): void => {
    const more = () => {
      while (!socket.destroyed && socket.write(text.repeat(10_000)));
    };
    if (before !== '') socket.write(before);
    socket.on('drain', more);
    more();
  };
}

function drip(socket: Socket): void {
  const timer = setInterval(() => socket.write('+'), 1);
  socket.on('close', () => clearInterval(timer));
}

test('hostile servers end as their own failure, and leave nothing open', async (t) => {
  for (const [name, onSocket, found] of HOSTILE) {
    const site = await serveRaw(t, (socket) => onSocket(socket.resume()), 'redis');
    t.match(await check({ uri: site.uri }, { timeoutMs: 700 }), { outcome: 'down', ...found }, name);
    await site.quiet();
  }
});

const ACCEPTED =
  'a redis:// or rediss:// address of a host, perhaps with a port, credentials and the number of a database';
const PROBLEMS: ReadonlyArray<readonly [options: object, ...problems: string[]]> = [
  [{ uri: 'redis://a.test:0' }, `uri: given "redis://a.test:0", accepted: ${ACCEPTED}, a port 1 to 65535`],
  [{ uri: 'redis://a.test?x=1' }, `uri: given "redis://a.test?x=1", accepted: ${ACCEPTED}, without a query`],
  [
    { uri: 'redis://a.test/x' },
    'uri: given "redis://a.test/x", accepted: an address of a host whose path is the number of a database, such as /2, or nothing',
  ],
  [
    { uri: 'redis://me@a.test' },
    'uri: given "redis://********@a.test", accepted: an address of a host with a password beside the user name',
  ],
  [{ uri: 'redis://a.test', tls: {} }, 'tls: given "********", accepted: nothing without TLS: a rediss:// address'],
  [
    { uri: 'redis://a.test', query: { command: [] } },
    'query.command: given [], accepted: must NOT have fewer than 1 items',
  ],
  [
    { uri: 'redis://a.test', query: { command: ['PING'], expect: '(' } },
    'query.expect: given "(", accepted: a regular expression of RE2: missing closing ): `(`',
  ],
];

test('what is wrong with a redis job', async (t) => {
  for (const [definition, ...problems] of PROBLEMS) {
    const result = rules.validate(definition);
    t.strictSame(result.ok ? [] : result.problems.map(formatProblem), problems, JSON.stringify(definition));
  }
  for (const uri of [
    'redis://a.test',
    'REDISS://[::1]:443/15',
    'redis://:x%2Fy@a.test',
    `redis://:$\{secret:KEY}@a.test`,
  ])
    t.match(rules.validate({ uri }), { ok: true }, uri);
});
