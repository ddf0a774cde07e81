import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { test } from 'tap';
import { formatProblem } from '../../../src/core/validation.ts';
import { createPrepare } from '../../../src/jobs/prepare.ts';
import { createJobRules } from '../../../src/jobs/rules.ts';
import { monitors } from '../../../src/monitors/index.ts';
import { createGate } from '../../../src/monitors/net/gate.ts';
import { answering, checkBy, context, pem, serve, serveRaw } from '../support.ts';
import { accepting, flooding, frame, serveWebSockets } from './peers.ts';

const ca = pem('ca');
const check = (options: object, more: Parameters<typeof checkBy>[2] = {}) => checkBy('websocket', options, more);
const rules = createJobRules({ monitors, context, cronProblem: () => null });

test('the handshake, a ping, and the end in order', async (t) => {
  const closes: number[] = [];
  const pings: number[] = [];
  const seen: Array<{ url: string | undefined; headers: IncomingHttpHeaders }> = [];
  const site = await serveWebSockets(t, (socket, { url, headers }) => {
    seen.push({ url, headers });
    socket.on('ping', (data) => pings.push(data.length)).on('close', (code) => closes.push(code));
  });
  const up = await check({ uri: `${site.uri}/live?room=1`, headers: { Origin: 'https://a.test' } }, { slotTag: '1/2' });
  t.match(up, { outcome: 'up', status: '101', responseTime: Number, values: undefined, facts: undefined });
  t.strictSame(Object.keys(up.timings), ['connect', 'ttfb', 'transfer']);
  await site.quiet();
  t.strictSame([closes, pings], [[1000], [8]]);
  t.match(seen, [
    {
      url: '/live?room=1',
      headers: {
        ...{ host: `127.0.0.1:${site.port}`, origin: 'https://a.test', 'user-agent': 'vedette-test' },
        ...{ 'vedette-slot': '1/2', 'sec-websocket-extensions': undefined },
      },
    },
  ]);
  const quiet = await check({ uri: site.uri, ping: false, headers: { 'User-Agent': 'mine' } });
  t.match(quiet, { outcome: 'up', facts: { remote_address: '127.0.0.1' } });
  t.equal(quiet.timings.transfer, undefined);
  await site.quiet();
  t.equal(pings.length, 1);
  t.match(seen[1], { url: '/', headers: { 'user-agent': 'mine' } });
  t.match(await check({ uri: site.uri, max_response_time_seconds: 1e-9 }), { outcome: 'degraded', reason: 'latency' });
});

test('a subprotocol that is chosen, another one, and none', async (t) => {
  const site = await serveWebSockets(t, () => {}, { handleProtocols: (offered) => offered.has('chat') && 'chat' });
  t.match(await check({ uri: site.uri, subprotocols: ['mqtt', 'chat'] }), {
    outcome: 'up',
    facts: { subprotocol: 'chat' },
  });
  t.match(await check({ uri: site.uri, subprotocols: ['mqtt', 'soap'] }), {
    ...{ outcome: 'down', reason: 'header', status: '101', responseTime: Number },
    detail: 'the answer has no subprotocol, accepted: mqtt, soap',
  });
  const other = await serveRaw(
    t,
    accepting(() => {}, 'Sec-WebSocket-Protocol: soap\r\n'),
    'ws',
  );
  t.match(await check({ uri: other.uri, subprotocols: ['chat'] }), {
    ...{ reason: 'header', detail: 'the answer has an invalid subprotocol, accepted: chat' },
  });
  t.match(await check({ uri: other.uri }), { reason: 'protocol', detail: /subprotocol but none was requested/ });
});

test('steps: messages that are sent, and those that must come', async (t) => {
  const site = await serveWebSockets(t, (socket) => {
    socket.send('welcome');
    socket.on('message', (data) => {
      if (data.toString() === 'bye') socket.close(1008, 'go \u202eaway');
      else for (const word of data.toString().split(' ')) socket.send(word);
    });
  });
  const steps = [{ expect: '^welcome$' }, { send: 'a b', expect: '^b$' }, { expect: '^a$' }];
  t.match(await check({ uri: site.uri, steps }), { outcome: 'up', bytes: 9, timings: { transfer: Number } });
  t.match(await check({ uri: site.uri, steps: [{ send: 'a' }, { expect: 'welcome' }] }, { timeoutMs: 300 }), {
    ...{ outcome: 'down', reason: 'timeout', detail: 'no expected message of step 2 within 300 ms' },
  });
  t.match(await check({ uri: site.uri, steps: [{ expect: 'welcome' }, { send: 'bye', expect: 'x' }] }), {
    ...{ reason: 'body', detail: 'step 2: connection closed (1008 "go  away") without a message' },
  });
  t.match(await check({ uri: site.uri, steps: [{ expect: 'welcome' }, { send: 'bye' }] }), {
    ...{ reason: 'connect', detail: 'connection closed (1008 "go  away") before the pong' },
  });
  const leaving = await serveRaw(
    t,
    accepting((socket) => socket.end(frame(0x82, 'so long'))),
    'ws',
  );
  t.match(await check({ uri: leaving.uri, steps: [{ expect: 'hello' }] }), {
    ...{ reason: 'body' },
    detail: 'step 1: pattern not found before the connection closed, last received "so long"',
  });
  t.match(await check({ uri: leaving.uri, steps: [{ expect: 'long' }], ping: false }), { outcome: 'up' });
});

test('TLS', async (t) => {
  const site = await serveWebSockets(t, (socket) => socket.send('secret'), { tls: true });
  const steps = [{ expect: '^secret$' }];
  const up = await check({ uri: site.uri, tls: { ca }, steps });
  t.match(up, { outcome: 'up', timings: { tls: Number, ttfb: Number }, facts: { certificate: { trusted: true } } });
  t.ok((up.values?.days_left ?? 0) > 1_000);
  t.match(await check({ uri: site.uri }), { outcome: 'down', reason: 'tls' });
  t.match(await check({ uri: site.uri, tls: { ca, expiry_warning_days: 36_500 } }), {
    ...{ outcome: 'degraded', reason: 'tls' },
  });
  t.match(await check({ uri: site.uri.replace('wss:', 'ws:') }), { outcome: 'down' }, 'none where TLS is spoken');
});

test('nothing is dialled past the gate, and no redirect is followed', async (t) => {
  t.match(await check({ uri: 'ws://127.0.0.99:9' }), { outcome: 'down', reason: 'connect', status: null });
  const names = { resolve: async () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })) };
  t.match(await check({ uri: 'wss://live.invalid' }, { names }), { outcome: 'down', reason: 'dns' });
  const target = await serveWebSockets(t, () => {});
  const gate = createGate({ mode: 'deny_internal' });
  t.match(await check({ uri: target.uri }, { gate }), { outcome: 'down', reason: 'forbidden_address' });
  const site = await serve(t, (_request, response) => response.writeHead(302, { location: target.uri }).end());
  t.match(await check({ uri: site.uri.replace('http:', 'ws:') }), {
    ...{ outcome: 'down', reason: 'status', status: '302', responseTime: Number },
    detail: `the answer to the handshake is 302, accepted: 101; a redirect to ${target.uri} is not followed`,
  });
  t.equal(target.taken, 0);
  const named = { resolve: async () => ['127.0.0.1'] };
  t.match(await check({ uri: `ws://live.test:${target.port}` }, { names: named }), { outcome: 'up' }, 'our own names');
});

test('a token that a server repeats is masked', async (t) => {
  const site = await serveWebSockets(t, (socket, { headers }) => socket.close(1008, `no ${headers.authorization}`));
  const job = rules.toJob({ uri: site.uri, headers: { Authorization: 'of the probe' }, steps: [{ expect: 'x' }] }, 1);
  const probe = createPrepare(monitors, context)(job);
  t.match(await probe({ timeoutMs: 5_000, signal: new AbortController().signal }), {
    detail: 'step 1: connection closed (1008 "no ********") without a message',
  });
});

type Hostile = readonly [name: string, onSocket: (socket: Socket) => void, found: object, options?: object];

const says = (data: string | Buffer) => (socket: Socket) => void socket.once('data', () => socket.write(data));
const sends = (...data: Buffer[]) => accepting((socket) => socket.write(Buffer.concat(data)));
const wants = { steps: [{ expect: 'none' }] };
const protocol = (detail: RegExp) => ({ reason: 'protocol', detail });
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\n';

const HOSTILE: readonly Hostile[] = [
  ['closes at once', (socket) => socket.end(), { reason: 'connect', status: null }],
  ['resets', (socket) => socket.resetAndDestroy(), { reason: 'connect', status: null }],
  ['is silent', () => {}, { reason: 'timeout', detail: 'no answer to the handshake within 700 ms' }],
  ['is a website', says('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'), { reason: 'status', status: '200' }],
  ['is no website', says('220 mail.test ready\r\n'), { reason: 'protocol' }],
  ['has endless headers', says(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}`), { reason: 'too_large' }],
  [
    'has endless interim answers',
    says('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(1_000)),
    protocol(/more than 10 interim/),
  ],
  ['switches to nothing', says(`${SWITCH}\r\n`), { status: '101' }],
  ['switches to another', says(`${SWITCH}Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n`), protocol(/Upgrade header/)],
  [
    'has another key',
    says(`${SWITCH}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n`),
    protocol(/Sec-WebSocket-Accept/),
  ],
  [
    'compresses unasked',
    accepting(() => {}, 'Sec-WebSocket-Extensions: permessage-deflate\r\n'),
    protocol(/no extension was requested/),
  ],
  ['closes after the handshake', accepting((socket) => socket.end()), { reason: 'connect', status: '101' }],
  ['resets for a ping', accepting(resetting), { reason: 'connect', detail: /^ECONNRESET: connection broke/ }],
  [
    'resets for a message',
    accepting(resetting),
    { reason: 'connect', detail: /^ECONNRESET: connection broke/ },
    { steps: [{ send: 'x', expect: 'y' }] },
  ],
  ['never pongs', accepting(() => {}), { reason: 'timeout', detail: 'no pong within 700 ms' }],
  [
    'pongs another thing',
    accepting(says(frame(0x8a, '12345678'))),
    { reason: 'timeout', detail: 'no pong within 700 ms' },
  ],
  ['masks', sends(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 120])), protocol(/MASK must be clear/), wants],
  ['sends a reserved opcode', sends(frame(0x83)), protocol(/invalid opcode 3/), wants],
  ['sends reserved bits', sends(frame(0xf1, 'x')), protocol(/RSV/), wants],
  ['sends no text', sends(frame(0x81, Buffer.from([0xff, 0xfe]))), protocol(/UTF-8/), wants],
  ['sends a half ping', sends(frame(0x09, 'x')), protocol(/FIN must be set/), wants],
  ['sends a code of no close', sends(frame(0x88, Buffer.from([0, 1]))), protocol(/status code 1/), wants],
  ['continues nothing', sends(frame(0x80, 'x')), protocol(/invalid opcode 0/), wants],
  [
    'promises too much',
    sends(Buffer.from([0x81, 127, 0, 0, 0, 0, 0, 1, 0, 1])),
    { reason: 'too_large', detail: 'Max payload size exceeded' },
    wants,
  ],
  ['promises more than there are numbers', sends(Buffer.from([0x81, 127, ...Buffer.alloc(8, 0xff)])), {}, wants],
  ['floods with fragments', accepting(flooding(frame(0x01, 'x'))), { reason: 'protocol' }, wants],
  ['floods with empty fragments', sends(frame(0x01), ...Array.from({ length: 20_000 }, () => frame(0))), {}, wants],
  [
    'floods with messages',
    accepting(flooding(frame(0x81, 'x'))),
    { reason: 'too_large', detail: 'no expected message of step 1 in the first 1000 messages' },
    wants,
  ],
  [
    'floods with large messages',
    accepting(flooding(frame(0x82, 'x'.repeat(125)))),
    { reason: 'too_large', detail: 'no expected message of step 1 in the first 10000 bytes' },
    { ...wants, max_bytes: 10_000 },
  ],
  ['floods in place of a pong', accepting(flooding(frame(0x81))), { reason: 'too_large', detail: /^no pong in the/ }],
  ['floods with pings', accepting(flooding(frame(0x89))), {}, wants],
  ['floods with pongs', accepting(flooding(frame(0x8a))), { reason: 'too_large' }, wants],
  ['drips', accepting(drip), { reason: 'timeout' }, wants],
];

function resetting(socket: Socket): void {
  socket.once('data', () => socket.resetAndDestroy());
}

function drip(socket: Socket): void {
  socket.write(Buffer.from([0x81, 126, 0xff, 0xff]));
  const timer = setInterval(() => socket.write('x'), 1);
  socket.on('close', () => clearInterval(timer));
}

test('hostile servers end as their own failure, and leave nothing open', async (t) => {
  for (const [name, onSocket, found, options = {}] of HOSTILE) {
    const site = await serveRaw(t, (socket) => onSocket(socket.resume()), 'ws');
    t.match(await check({ uri: site.uri, ...options }, { timeoutMs: 700 }), { outcome: 'down', ...found }, name);
    await site.quiet();
  }
});

test('random bytes in place of frames end as a failure of the server', async (t) => {
  let state = 20_261_130;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  };
  let bytes = Buffer.alloc(0);
  const site = await serveRaw(
    t,
    accepting((socket) => socket.end(bytes)),
    'ws',
  );
  for (let round = 0; round < 100; round++) {
    // Half of them begin as the frames do that a client takes.
    bytes = Buffer.from(Array.from({ length: 1 + random() }, random));
    if (round % 2 === 0) bytes.set([0x80 | (random() & 0x0f), random() & 0x7f].slice(0, bytes.length));
    const { outcome, reason, detail } = await check({ uri: site.uri, ...(round % 4 < 2 ? wants : {}) });
    const isTheirs = outcome === 'down' && ['protocol', 'too_large', 'body', 'connect'].includes(reason ?? '');
    t.ok(isTheirs, `${bytes.toString('hex')}: ${reason}, ${detail}`);
  }
  await site.quiet();
});

test('a server that does not close, and one that floods meanwhile, are up and left', async (t) => {
  for (const onOpen of [() => {}, flooding(frame(0x81, 'x'))]) {
    const site = await serveRaw(t, accepting(onOpen), 'ws');
    t.match(await check({ uri: site.uri, ping: false }), { outcome: 'up', status: '101' });
    await site.quiet();
  }
  const site = await answering(t, 'HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n');
  t.match(await check({ uri: site.uri.replace('http:', 'ws:') }), { reason: 'status', status: '401' });
});

const ACCEPTED = 'a ws:// or wss:// address of a host';
const PROBLEMS: ReadonlyArray<readonly [options: object, ...problems: string[]]> = [
  [{ uri: 'ws://a.test:0' }, `uri: given "ws://a.test:0", accepted: ${ACCEPTED}, a port 1 to 65535`],
  [
    { uri: 'ws://me:it@a.test' },
    `uri: given "ws://me:********@a.test", accepted: ${ACCEPTED}, without a user name and password`,
  ],
  [{ uri: 'ws://a.test/#x' }, `uri: given "ws://a.test/#x", accepted: ${ACCEPTED}, without a fragment`],
  [{ uri: 'ws://a.test', tls: {} }, 'tls: given "********", accepted: nothing without TLS: a wss:// address'],
  [
    { uri: 'ws://a.test', headers: { 'Sec-WebSocket-Protocol': 'chat' } },
    'headers.Sec-WebSocket-Protocol: given "chat", accepted: no such header, it is set by Vedette',
  ],
  [
    { uri: 'ws://a.test', headers: { 'x-a': 'b\r\nc: d' } },
    'headers.x-a: given "b\\r\\nc: d", accepted: a header value: one line, no characters above U+00FF',
  ],
  [
    { uri: 'ws://a.test', subprotocols: ['a b'] },
    'subprotocols[0]: given "a b", accepted: a name of a subprotocol, such as mqtt',
  ],
  [
    { uri: 'ws://a.test', steps: [{ expect: '(' }] },
    'steps[0].expect: given "(", accepted: a regular expression of RE2: missing closing ): `(`',
  ],
];

test('what is wrong with a websocket job', async (t) => {
  for (const [definition, ...problems] of PROBLEMS) {
    const result = rules.validate(definition);
    t.strictSame(result.ok ? [] : result.problems.map(formatProblem), problems, JSON.stringify(definition));
  }
  for (const uri of ['ws://a.test', 'WSS://[::1]:443/a/b?c=d&e', `wss://bücher.example/\${secret:PATH}`])
    t.match(rules.validate({ uri }), { ok: true }, uri);
});
