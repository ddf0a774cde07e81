import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import { test } from 'tap';
import { formatProblem } from '../../../src/core/validation.ts';
import { createPrepare } from '../../../src/jobs/prepare.ts';
import { createJobRules } from '../../../src/jobs/rules.ts';
import { monitors } from '../../../src/monitors/index.ts';
import { createGate } from '../../../src/monitors/net/gate.ts';
import { checkBy, context, listen, pem, type Site, serveRaw } from '../support.ts';
import { answer, framed, SERVING, serveStreams, startHealth } from './servers.ts';

const ca = pem('ca');
const check = (options: object, more: Parameters<typeof checkBy>[2] = {}) => checkBy('grpc', options, more);
const rules = createJobRules({ monitors, context, cronProblem: () => null });

test('the health service of a real server, without TLS and with it', async (t) => {
  const { health, plain, secure } = await startHealth(t);
  const uri = `grpc://127.0.0.1:${plain}`;
  const up = await check({ uri });
  t.match(up, { outcome: 'up', status: 'SERVING', responseTime: Number, bytes: 7, values: undefined });
  t.match(up.facts, { remote_address: '127.0.0.1', http_version: '2' });
  t.strictSame(Object.keys(up.timings).sort(), ['connect', 'transfer', 'ttfb']);
  for (const [options, found] of [
    [{ service: 'shop.Orders' }, { outcome: 'down', reason: 'status', status: 'NOT_SERVING', responseTime: Number }],
    [
      { service: 'shop.Orders', expected_status: 'NOT_SERVING' },
      { outcome: 'up', status: 'NOT_SERVING' },
    ],
    [
      { service: 'shop.Stock' },
      { reason: 'status', status: 'UNKNOWN', detail: 'the service is UNKNOWN, accepted: SERVING' },
    ],
    [
      { service: 'shop.Øther' },
      { outcome: 'down', reason: 'status', status: 'NOT_FOUND', detail: /^the answer is NOT_FOUND/ },
    ],
    [{ max_response_time_seconds: 1e-9 }, { outcome: 'degraded', reason: 'latency', status: 'SERVING' }],
  ] as const) {
    t.match(await check({ uri, ...options }), found, JSON.stringify(options));
  }
  health.setStatus('', 'NOT_SERVING');
  t.match(await check({ uri }), { outcome: 'down', status: 'NOT_SERVING' });
  health.setStatus('', 'SERVING');

  const secured = `grpcs://127.0.0.1:${secure}`;
  t.match(await check({ uri: secured, tls: { ca } }), {
    ...{ outcome: 'up', timings: { tls: Number }, values: { days_left: Number } },
    facts: { certificate: { trusted: true }, http_version: '2' },
  });
  t.match(await check({ uri: secured }), { outcome: 'down', reason: 'tls' });
  t.match(await check({ uri: secured, tls: { ca, expiry_warning_days: 36_500 } }), {
    ...{ outcome: 'degraded', reason: 'tls', status: 'SERVING' },
  });
  t.match(
    await check({ uri: `grpcs://127.0.0.1:${plain}` }),
    { outcome: 'down', reason: 'tls' },
    'TLS to a plain port',
  );
  t.match(await check({ uri: `grpc://127.0.0.1:${secure}` }), { outcome: 'down' }, 'plain text to a port of TLS');
});

test('what is sent: metadata, the authority, the deadline, the slot', async (t) => {
  const calls: Array<{ headers: IncomingHttpHeaders; body: Buffer }> = [];
  const site = await serveStreams(t, async (stream, headers) => {
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part as Buffer);
    calls.push({ headers, body: Buffer.concat(parts) });
    answer(stream, {});
  });
  const options = {
    uri: site.uri,
    service: 'a.B',
    metadata: { 'X-Tenant': 'probe' },
    authority: 'orders.internal:8443',
  };
  t.match(await check(options, { slotTag: '7/1000', timeoutMs: 4_321 }), { outcome: 'up', facts: undefined });
  t.match(calls[0].headers, {
    ...{ ':method': 'POST', ':scheme': 'http', ':path': '/grpc.health.v1.Health/Check' },
    ...{ ':authority': 'orders.internal:8443', 'content-type': 'application/grpc', te: 'trailers' },
    ...{ 'x-tenant': 'probe', 'grpc-timeout': /^4\d{3}m$/, 'vedette-slot': '7/1000', 'user-agent': 'vedette-test' },
  });
  t.strictSame(calls[0].body, framed(Buffer.from('\x0a\x03a.B')));
  const { port } = site;
  t.match(await check({ uri: site.uri, metadata: { 'user-agent': 'mine' } }), { outcome: 'up' });
  t.match(calls[1].headers, { ':authority': `127.0.0.1:${port}`, 'user-agent': 'mine', 'vedette-slot': undefined });
  t.strictSame(calls[1].body, Buffer.alloc(5), 'the server as a whole has no name');
  const names = { resolve: () => delay(300, ['127.0.0.1']) };
  await check({ uri: `grpc://api.test:${port}` }, { names, timeoutMs: 60_000 });
  t.ok(Number.parseInt(String(calls[2].headers['grpc-timeout']), 10) <= 59_701, 'the deadline is what is left');
  const service = 's'.repeat(1_000);
  await check({ uri: site.uri, service });
  t.strictSame(calls[3].body, framed(Buffer.concat([Buffer.from([0x0a, 0xe8, 0x07]), Buffer.from(service)])));
});

test('a closed port, a name that is none, and an address that the gate refuses', async (t) => {
  t.match(await check({ uri: 'grpc://127.0.0.99:9' }), { outcome: 'down', reason: 'connect', status: null });
  const names = { resolve: async () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })) };
  t.match(await check({ uri: 'grpc://api.invalid:1' }, { names }), { outcome: 'down', reason: 'dns' });
  const gate = createGate({ mode: 'deny_internal' });
  const { plain } = await startHealth(t);
  t.match(await check({ uri: `grpc://127.0.0.1:${plain}` }, { gate }), { reason: 'forbidden_address' });
  const server = createTlsServer({ key: pem('server'), cert: pem('server'), ALPNProtocols: ['http/1.1'] });
  const site = await listen(
    t,
    server.on('tlsClientError', () => {}),
    'grpcs',
    '127.0.0.1',
  );
  t.match(await check({ uri: site.uri, tls: { ca } }), {
    ...{ outcome: 'down', reason: 'protocol', detail: /does not agree to HTTP\/2/ },
  });
});

test('metadata that a server repeats is masked', async (t) => {
  const site = await serveStreams(t, (stream, headers) =>
    answer(stream, { trailers: { 'grpc-status': '16', 'grpc-message': `no ${headers['x-token']}` } }),
  );
  const job = rules.toJob({ uri: site.uri, metadata: { 'x-token': 'open:sesame' } }, 1);
  const probe = createPrepare(monitors, context)(job);
  t.match(await probe({ timeoutMs: 5_000, signal: new AbortController().signal }), {
    ...{ outcome: 'down', status: 'UNAUTHENTICATED', detail: 'the answer is UNAUTHENTICATED: no ********' },
  });
});

type HostileStream = readonly [name: string, onStream: (stream: ServerHttp2Stream) => void, found: object];

const protocol = (detail: RegExp | string) => ({ reason: 'protocol', detail });
const says = (given: Parameters<typeof answer>[1]) => (stream: ServerHttp2Stream) => answer(stream, given);

const STREAMS: readonly HostileStream[] = [
  ['is silent', () => {}, { reason: 'timeout', detail: 'no answer within 700 ms' }],
  ['resets the stream', (stream) => stream.close(2), { reason: 'protocol', detail: /INTERNAL_ERROR/ }],
  ['ends the session', (stream) => stream.session?.destroy(), { reason: 'connect' }],
  ['does not know the call', says({ head: { ':status': 404 }, trailers: null }), { reason: 'status', status: '404' }],
  ['is a website', says({ head: { 'content-type': 'text/html' } }), protocol(/content type is text\/html$/)],
  ['has no code', says({ trailers: null }), protocol(/without a code of gRPC/)],
  ['has a code of letters', says({ trailers: { 'grpc-status': 'OK' } }), protocol('the code of the answer is "OK"')],
  [
    'has a code that is none',
    says({ trailers: { 'grpc-status': '99', 'grpc-message': '%zz' } }),
    { reason: 'status', status: 'CODE_99', detail: 'the answer is CODE_99: %zz' },
  ],
  [
    'refuses at once',
    (stream) =>
      stream.respond(
        { 'content-type': 'application/grpc', 'grpc-status': '12', 'grpc-message': 'no%20such%20method' },
        { endStream: true },
      ),
    { reason: 'status', status: 'UNIMPLEMENTED', detail: 'the answer is UNIMPLEMENTED: no such method' },
  ],
  ['has no message', says({ body: Buffer.alloc(0) }), protocol(/is missing$/)],
  ['compresses', says({ body: framed(SERVING, { flag: 1 }) }), protocol(/is compressed/)],
  ['is longer than it says', says({ body: framed(SERVING, { length: 1 }) }), protocol(/not as long as it says$/)],
  ['is shorter than it says', says({ body: framed(SERVING, { length: 2 ** 31 }) }), protocol(/not as long/)],
  ['sends a number without an end', says({ body: framed(Buffer.alloc(20, 0xff)) }), protocol(/HealthCheckResponse$/)],
  ['sends a field without an end', says({ body: framed(Buffer.from([0x12, 9, 1])) }), protocol(/HealthCheckResponse$/)],
  ['sends a type that is none', says({ body: framed(Buffer.from([0x0b, 0])) }), protocol(/HealthCheckResponse$/)],
  [
    'sends a status that is none',
    says({ body: framed(Buffer.from([8, 77])) }),
    { reason: 'status', status: 'STATUS_77', responseTime: Number },
  ],
  ['sends too much', says({ body: Buffer.alloc(70_000) }), { reason: 'too_large' }],
  [
    'sends without an end',
    (stream) => {
      stream.respond({ 'content-type': 'application/grpc' });
      const more = () => {
        while (!stream.destroyed && stream.write(Buffer.alloc(16_384)));
      };
      stream.on('drain', more);
      more();
    },
    { reason: 'too_large' },
  ],
  [
    'stops within the message',
    (stream) => {
      stream.respond({ 'content-type': 'application/grpc' });
      stream.write(framed(SERVING).subarray(0, 3));
    },
    { reason: 'timeout' },
  ],
];

test('hostile servers of HTTP/2 end as their own failure, and leave nothing open', async (t) => {
  // Each has a moment to close, all at the same time.
  const sites: Site[] = [];
  for (const [name, onStream, found] of STREAMS) {
    const site = await serveStreams(t, (stream) => onStream(stream.resume()));
    t.match(await check({ uri: site.uri }, { timeoutMs: 700 }), { outcome: 'down', ...found }, name);
    sites.push(site);
  }
  for (const site of sites) await site.quiet();
  const further = Buffer.from([0x12, 1, 0x78, 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4, 8, 1]);
  const site = await serveStreams(t, says({ body: framed(further) }));
  t.match(await check({ uri: site.uri }), { outcome: 'up' }, 'fields that are not known are passed over');
});

const SOCKETS: ReadonlyArray<readonly [name: string, onSocket: (socket: Socket) => void, found: object]> = [
  ['closes at once', (socket) => socket.end(), { reason: 'connect' }],
  ['resets', (socket) => socket.resetAndDestroy(), { reason: 'connect' }],
  ['says nothing', () => {}, { reason: 'timeout' }],
  ['speaks HTTP/1.1', (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'), { reason: 'protocol' }],
  ['speaks no HTTP', (socket) => socket.write(Buffer.alloc(1_000, 0xff)), { reason: 'protocol' }],
];

test('hostile servers of something else do, too', async (t) => {
  for (const [name, onSocket, found] of SOCKETS) {
    const site = await serveRaw(t, (socket) => onSocket(socket.resume()), 'grpc');
    t.match(await check({ uri: site.uri }, { timeoutMs: 700 }), { outcome: 'down', ...found }, name);
    await site.quiet();
  }
});

const ACCEPTED = 'a grpc:// or grpcs:// address of a host and its port';
const uri = 'grpc://a.test:1';
const PROBLEMS: ReadonlyArray<readonly [options: object, ...problems: string[]]> = [
  [{ uri: 'grpc://a.test' }, `uri: given "grpc://a.test", accepted: ${ACCEPTED}`],
  [{ uri: 'grpc://a.test:1/x' }, `uri: given "grpc://a.test:1/x", accepted: ${ACCEPTED}, without a path`],
  [{ uri, tls: {} }, 'tls: given "********", accepted: nothing without TLS: a grpcs:// address'],
  [
    { uri, metadata: { 'grpc-timeout': '1S', 'a b': '', ok: 'x\n' } },
    'metadata.a...: given "********", accepted: a header name',
    'metadata.grpc-timeout: given "1S", accepted: no such header, it is set by Vedette',
    'metadata.ok: given "x\\n", accepted: a header value: one line, no characters above U+00FF',
  ],
];

test('what is wrong with a grpc job', async (t) => {
  for (const [definition, ...problems] of PROBLEMS) {
    const result = rules.validate(definition);
    t.strictSame(result.ok ? [] : result.problems.map(formatProblem).sort(), problems, JSON.stringify(definition));
  }
  for (const given of [{ expected_status: 'FINE' }, { authority: 'a b' }, { authority: 'a.test/' }]) {
    t.match(rules.validate({ uri, ...given }), { ok: false, problems: [{ path: Object.keys(given)[0] }] });
  }
  for (const address of ['grpc://a.test:50051', 'GRPCS://[::1]:443', 'grpcs://a.test:80'])
    t.match(rules.validate({ uri: address, metadata: { 'x-key': `$\{secret:KEY}` } }), { ok: true }, address);
});
