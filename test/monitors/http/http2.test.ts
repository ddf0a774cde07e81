import { createSecureServer, type Http2ServerRequest, type ServerHttp2Stream } from 'node:http2';
import { createServer as createTlsServer } from 'node:tls';
import type { Test } from 'tap';
import { test } from 'tap';
import { check, listen, pem, type Site, serve, serveTls } from '../support.ts';

const ca = pem('ca');
const served = { key: pem('server'), cert: pem('server') };
const h2 = { http_version: '2', tls: { ca } };

/** A site that speaks HTTP/2, and HTTP/1.1 if `allowHTTP1`. */
function serveHttp2(
  t: Test,
  onStream: (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void,
  { allowHTTP1 = false } = {},
): Promise<Site> {
  const server = createSecureServer({ ...served, allowHTTP1, maxSendHeaderBlockLength: 1_000_000 });
  server.on('sessionError', ignore).on('session', (session) => session.on('error', ignore));
  server.on('stream', (stream, headers) => {
    stream.on('error', ignore);
    onStream(stream, headers);
  });
  if (allowHTTP1) {
    server.on('request', (request: Http2ServerRequest, response) => {
      if (request.httpVersion === '1.1') response.end('one');
    });
  }
  return listen(t, server, 'https', '127.0.0.1');
}

const ignore = () => {};

test('the version is agreed on in the handshake, and shown', async (t) => {
  const both = await serveHttp2(t, (stream) => stream.end('two'), { allowHTTP1: true });
  const two = await serveHttp2(t, (stream) => stream.end('two'));
  const one = await serveTls(t, served, (_request, response) => response.end('one'));
  const silent = await listen(
    t,
    createTlsServer({ ...served }, (socket) => socket.resume().end('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none')),
    'https',
    '127.0.0.1',
  );
  const plain = await serve(t, (_request, response) => response.end('one'));
  const spoken = (version: string) => ({ outcome: 'up', status: '200', bytes: 3, facts: { http_version: version } });
  const refused = {
    outcome: 'down',
    reason: 'protocol',
    status: null,
    timings: { connect: Number },
    detail: 'the site does not agree to HTTP/2 in the handshake (ALPN)',
  };
  for (const [name, site, version, expected] of [
    ['both', both, undefined, spoken('1.1')],
    ['both', both, '1.1', spoken('1.1')],
    ['both', both, 1.1, spoken('1.1')],
    ['both', both, 'auto', spoken('2')],
    ['both', both, '2', spoken('2')],
    ['both', both, 2, spoken('2')],
    ['only 2', two, 'auto', spoken('2')],
    ['only 2', two, '2', spoken('2')],
    ['only 2', two, '1.1', { outcome: 'down' }],
    ['only 1.1', one, 'auto', spoken('1.1')],
    ['only 1.1', one, '2', refused],
    ['no ALPN', silent, 'auto', spoken('1.1')],
    ['no ALPN', silent, '2', refused],
    ['no TLS', plain, 'auto', spoken('1.1')],
  ] as const) {
    const options = { uri: site.uri, tls: { ca }, ...(version === undefined ? {} : { http_version: version }) };
    t.match(await check(options), expected, `${name}, asked for ${JSON.stringify(version)}`);
    await site.quiet();
  }
});

test('a check by HTTP/2: what is sent, and what is read', async (t) => {
  const seen: Array<Record<string, unknown>> = [];
  const site = await serveHttp2(t, (stream, headers) => {
    let text = '';
    stream.setEncoding('utf8').on('data', (chunk) => (text += chunk));
    stream.on('end', () => {
      seen.push({ ...headers, text });
      stream.additionalHeaders({ ':status': 103, link: '</a>' });
      stream.respond({ ':status': 201, 'x-two': ['a', 'b'], 'set-cookie': ['c=1', 'd=2'] }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-trailer': 'c' }));
      stream.end('{"ok": true}');
    });
  });
  const options = {
    ...{ ...h2, uri: `${site.uri}/p?q=1`, method: 'POST', body: 'söme' },
    headers: { Host: 'shop.test', 'X-A': ' b ', __proto__x: '1' },
    auth: { type: 'basic', username: 'a', password: 'b' },
    expected_headers: { 'x-two': '^a, b$', 'set-cookie': '^d=2$' },
    json_condition: 'json.ok',
  };
  t.match(await check(options, { slotTag: '7/1' }), {
    ...{ outcome: 'up', status: '201', bytes: 12, responseTime: Number },
    timings: { connect: Number, tls: Number, ttfb: Number, transfer: Number },
  });
  t.match(seen, [
    {
      ...{ ':method': 'POST', ':path': '/p?q=1', ':authority': 'shop.test', ':scheme': 'https', text: 'söme' },
      ...{ 'x-a': 'b', 'content-length': '5', 'vedette-slot': '7/1', authorization: 'Basic YTpi' },
      ...{ 'user-agent': 'vedette-test', __proto__x: '1' },
    },
  ]);
  await site.quiet();
});

test('bodies: none, long ones, and those that are cut', async (t) => {
  const MIB = 1_048_576;
  const site = await serveHttp2(t, (stream, { ':path': path, ':method': method }) => {
    const [, status, length] = String(path).split('/').map(Number);
    stream.respond({ ':status': status as number, ...(method === 'HEAD' ? { 'content-length': 9 } : {}) });
    stream.end(length ? Buffer.alloc(length, 'x') : undefined);
  });
  for (const [path, more, expected] of [
    ['/200/0', {}, { outcome: 'up', bytes: 0 }],
    ['/200/0', { method: 'HEAD' }, { outcome: 'up', bytes: 0 }],
    ['/204/0', {}, { outcome: 'up', status: '204', bytes: 0 }],
    ['/304/0', {}, { outcome: 'up', status: '304', bytes: 0 }],
    [`/200/${8 * MIB}`, { max_body_bytes: 16 * MIB }, { outcome: 'up', bytes: 8 * MIB }],
    [`/200/${8 * MIB}`, {}, { outcome: 'up', bytes: MIB, facts: { body_truncated: true } }],
    [`/200/${8 * MIB}`, { pattern: 'y' }, { outcome: 'down', reason: 'too_large' }],
    ['/200/9', { pattern: '^x{9}$' }, { outcome: 'up' }],
    ['/500/9', {}, { outcome: 'down', reason: 'status', status: '500' }],
  ] as const) {
    t.match(await check({ uri: site.uri + path, ...h2, ...more }), expected, `${path} ${JSON.stringify(more)}`);
    await site.quiet();
  }
});

test('redirects keep to the version, also to another origin', async (t) => {
  const end = await serveHttp2(t, (stream) => stream.end('end'), { allowHTTP1: true });
  const plain = await serve(t, (_request, response) => response.end('end'));
  const site = await serveHttp2(t, (stream, { ':path': path }) => {
    stream.respond({ ':status': 302, location: path === '/down' ? plain.uri : path === '/' ? '/next' : end.uri });
    stream.end('moved');
  });
  for (const http_version of ['2', 'auto']) {
    const followed = { uri: `${site.uri}/`, tls: { ca }, http_version, pattern: 'end' };
    t.match(await check(followed), { outcome: 'up', facts: { http_version: '2', redirects: { length: 2 } } });
    await site.quiet();
  }
  const downgrade = { uri: `${site.uri}/down`, tls: { ca }, redirects: { allow_downgrade: true } };
  t.match(await check({ ...downgrade, http_version: 'auto' }), { outcome: 'up', facts: { http_version: '1.1' } });
  t.match(await check({ ...downgrade, http_version: '2' }), {
    outcome: 'down',
    reason: 'protocol',
    detail: /needs https/,
  });
});

test('pins and certificates are those of the handshake', async (t) => {
  const site = await serveHttp2(t, (stream) => stream.end('ok'));
  t.match(await check({ uri: site.uri, http_version: '2' }), { outcome: 'down', reason: 'tls' });
  const pins = [`sha256/${'A'.repeat(43)}=`];
  t.match(await check({ ...h2, uri: site.uri, tls: { ca, pins } }), { outcome: 'down', reason: 'tls' });
  t.match(await check({ ...h2, uri: site.uri, tls: { ca, expiry_warning_days: 36_500 } }), { outcome: 'degraded' });
});
