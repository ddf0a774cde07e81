import { createSecureServer } from 'node:http2';
import type { Socket } from 'node:net';
import { type Test, test } from 'tap';
import { createGate } from '../../../src/monitors/net/gate.ts';
import { check, listen, pem, serve, serveRaw, serveTls } from '../support.ts';
import { serveProxy, serveSocks } from './proxies.ts';

const ca = pem('ca');
const served = { key: pem('server'), cert: pem('server') };
const withLogin = (uri: string, login: string) => uri.replace('://', `://${login}@`);

async function createSites(t: Test) {
  const seen: Array<Record<string, unknown>> = [];
  const plain = await serve(t, (request, response) => {
    seen.push(request.headers);
    const [, location] = /^\/to\?(.*)$/.exec(request.url as string) ?? [];
    if (location) response.writeHead(302, { location: decodeURIComponent(location) });
    response.end('plain');
  });
  const secure = await serveTls(t, served, (request, response) => {
    seen.push(request.headers);
    response.end('secure');
  });
  return { seen, plain, secure };
}

test('http and https through an HTTP proxy: requests are forwarded, or go through a tunnel', async (t) => {
  for (const isTls of [false, true]) {
    const proxy = await serveProxy(t, { isTls });
    const { plain, secure, seen } = await createSites(t);
    const tls = { ca };
    const uri = `http://no.such.name.test:${plain.port}/p?q#f`;
    t.match(await check({ uri, proxy: proxy.uri, tls, pattern: 'plain' }), {
      ...{ outcome: 'up', timings: { dns: undefined, connect: Number, tls: undefined, ttfb: Number } },
      facts: { remote_address: '127.0.0.1', connection: 'fresh', http_version: '1.1' },
    });
    t.match(seen, [{ host: `no.such.name.test:${plain.port}`, connection: 'close' }]);
    const tunnelled = { uri: `https://localhost:${secure.port}/`, proxy: proxy.uri, tls, pattern: 'secure' };
    t.match(await check(tunnelled, { slotTag: '1/1' }), {
      ...{ outcome: 'up', timings: { connect: Number, tls: Number, ttfb: Number } },
    });
    t.match(await check({ ...tunnelled, tls: { ca, server_name: 'other.test' } }), { outcome: 'down', reason: 'tls' });
    const pins = [`sha256/${'A'.repeat(43)}=`];
    t.match(await check({ ...tunnelled, tls: { ca, pins } }), { outcome: 'down', reason: 'tls', detail: /not pinned/ });
    t.match(await check({ ...tunnelled, uri: secure.uri }), {
      outcome: 'up',
      facts: { certificate: { trusted: true } },
    });
    t.strictSame(proxy.asked.slice(0, 2), [
      `GET http://no.such.name.test:${plain.port}/p?q HTTP/1.1`,
      `CONNECT localhost:${secure.port} HTTP/1.1`,
    ]);
    t.notOk(proxy.headers.some((headers) => 'proxy-authorization' in headers));
    await proxy.quiet();
    await Promise.all([plain.quiet(), secure.quiet()]);
  }
});

test('http and https through a SOCKS5 proxy, which resolves the names', async (t) => {
  const proxy = await serveSocks(t);
  const { plain, secure } = await createSites(t);
  const tls = { ca, server_name: 'localhost' };
  for (const [uri, pattern] of [
    [`http://no.such.name.test:${plain.port}/`, 'plain'],
    [plain.uri, 'plain'],
    [`https://no.such.name.test:${secure.port}/`, 'secure'],
    [secure.uri, 'secure'],
  ] as const) {
    const result = await check({ uri, proxy: proxy.uri, tls, pattern });
    t.match(result, { outcome: 'up', timings: { connect: Number, ttfb: Number } }, `${uri} ${result.detail}`);
  }
  t.strictSame(proxy.asked, [
    `no.such.name.test:${plain.port}`,
    `127.0.0.1:${plain.port}`,
    `no.such.name.test:${secure.port}`,
    `127.0.0.1:${secure.port}`,
  ]);
  await proxy.quiet();
});

test('HTTP/2 through a tunnel', async (t) => {
  const server = createSecureServer(served);
  server.on('session', (session) => session.on('error', () => {}));
  server.on('stream', (stream) => stream.end('two'));
  const site = await listen(t, server, 'https', '127.0.0.1');
  for (const proxy of [await serveProxy(t), await serveSocks(t)]) {
    const options = { uri: site.uri, proxy: proxy.uri, tls: { ca }, http_version: 'auto', pattern: 'two' };
    t.match(await check(options), { outcome: 'up', facts: { http_version: '2' } });
  }
});

test('credentials are for the proxy alone, and redirects go through it, too', async (t) => {
  const login = 'user:p@ss wörd';
  const encoded = 'user:p%40ss%20w%C3%B6rd';
  for (const create of [serveProxy, serveSocks]) {
    const proxy = await create(t, { login });
    const { plain, secure, seen } = await createSites(t);
    const end = `https://localhost:${secure.port}/`;
    const uri = `http://a.test:${plain.port}/to?${encodeURIComponent(end)}`;
    const options = { uri, proxy: withLogin(proxy.uri, encoded), tls: { ca }, pattern: 'secure' };
    t.match(await check(options), { outcome: 'up', facts: { redirects: [end] } });
    t.equal(proxy.asked.length, 2);
    t.notOk(seen.some((headers) => JSON.stringify(headers).includes('proxy')));
    for (const [given, expected] of [
      [proxy.uri, /asks for a user name and a password \(407\)|NoAcceptableAuth|no accepted authentication/i],
      [withLogin(proxy.uri, 'user:wrong'), /refuses the credentials \(407\)|Authentication failed/i],
    ] as const) {
      for (const target of [plain.uri, secure.uri]) {
        const result = await check({ uri: target, proxy: given, tls: { ca }, expected_status: 407 });
        t.match(result, { outcome: 'down', reason: 'connect', status: null, detail: expected }, `${result.detail}`);
        t.match(result.detail, `proxy 127.0.0.1:${proxy.port}: `);
        t.notMatch(result.detail, 'wrong');
      }
    }
  }
});

test('the gate is asked about the proxy, and about a site that is given by its address', async (t) => {
  const proxy = await serveProxy(t);
  const { plain, secure } = await createSites(t);
  const closed = createGate({ mode: 'deny_internal' });
  const open = createGate({ mode: 'deny_internal', allow: ['127.0.0.1'] });
  const forbidden = { outcome: 'down', reason: 'forbidden_address' };
  const names = { resolve: async () => ['127.0.0.1'] };
  const uri = `http://a.test:${plain.port}/`;
  t.match(await check({ uri, proxy: proxy.uri }, { gate: closed, names }), { ...forbidden, detail: /^proxy 127/ });
  const named = `http://proxy.test:${proxy.port}`;
  t.match(await check({ uri, proxy: named }, { gate: closed, names }), { ...forbidden, detail: /^proxy proxy\.test/ });
  t.match(await check({ uri, proxy: named }, { gate: open, names }), { outcome: 'up', timings: { dns: Number } });
  const taken = proxy.taken;
  for (const target of [
    'http://10.0.0.1/',
    'https://10.0.0.1/',
    'http://[::1]/',
    'http://0x0a.1/',
    'http://10.0.0.1./',
  ]) {
    t.match(await check({ uri: target, proxy: proxy.uri }, { gate: open }), forbidden, target);
  }
  t.equal(proxy.taken, taken, 'the proxy was not asked');
  for (const end of ['http://10.0.0.1/', 'https://169.254.169.254/']) {
    const redirecting = `http://a.test:${plain.port}/to?${encodeURIComponent(end)}`;
    t.match(await check({ uri: redirecting, proxy: proxy.uri }, { gate: open }), forbidden, `redirected to ${end}`);
  }
  t.match(await check({ uri: secure.uri, proxy: proxy.uri, tls: { ca } }, { gate: open }), { outcome: 'up' });
});

test('a proxy that cannot be reached is told from a site that cannot', async (t) => {
  const fails = { outcome: 'down', reason: 'connect', status: null };
  for (const scheme of ['http', 'https', 'socks5']) {
    for (const uri of ['http://127.0.0.1:9/', 'https://127.0.0.1:9/']) {
      const refused = await check({ uri, proxy: `${scheme}://127.0.0.1:1` });
      t.match(refused, { ...fails, detail: /^proxy 127\.0\.0\.1:1: connect ECONNREFUSED/ });
    }
    const names = { resolve: () => Promise.reject(Object.assign(new Error('x'), { code: 'ENOTFOUND' })) };
    const missing = await check({ uri: 'http://127.0.0.1:9/', proxy: `${scheme}://no.test:9` }, { names });
    t.match(missing, { ...fails, detail: 'proxy no.test:9: ENOTFOUND: there is no such name' });
  }
  const [http, socks] = [await serveProxy(t), await serveSocks(t)];
  for (const [proxy, uri, expected] of [
    [http.uri, 'https://127.0.0.1:9/', { ...fails, detail: /^proxy .*: it answers CONNECT with 502$/ }],
    [http.uri, 'http://127.0.0.1:9/', { outcome: 'down', reason: 'status', status: '502' }],
    [socks.uri, 'https://127.0.0.1:9/', { ...fails, detail: /^proxy .*ConnectionRefused/ }],
    [socks.uri, 'http://127.0.0.1:9/', { ...fails, detail: /^proxy .*ConnectionRefused/ }],
    [
      http.uri.replace('http', 'https'),
      'http://a.test/',
      { ...fails, detail: /^proxy .*(wrong version|packet length)/ },
    ],
    [socks.uri, `http://${'a'.repeat(250)}.${'b'.repeat(50)}/`, { ...fails, detail: /^proxy / }],
  ] as const) {
    const result = await check({ uri, proxy });
    t.match(result, expected, `${uri} through ${proxy}: ${result.detail}`);
  }
});

const SOCKS_OK = Buffer.from([5, 0]);
const SOCKS_REPLY = Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);

test('what a proxy may do instead of its work: each ends, says that it was the proxy, and leaves nothing open', async (t) => {
  const once =
    (bytes: string | Buffer, isEnd = true) =>
    (socket: Socket) => {
      socket.once('data', () => (isEnd ? socket.end(bytes) : socket.write(bytes)));
    };
  const flood = (first: string, more: string) => (socket: Socket) => {
    socket.write(first);
    const go = () => {
      while (!socket.destroyed && socket.write(more.repeat(1_000)));
    };
    socket.on('drain', go).resume();
    go();
  };
  const drip = (text: string | Buffer) => (socket: Socket) => {
    const bytes = Buffer.from(text);
    let at = 0;
    const timer = setInterval(() => socket.write(bytes.subarray(at, ++at)), 10);
    socket.on('close', () => clearInterval(timer)).resume();
  };
  const steps =
    (...answers: Buffer[]) =>
    (socket: Socket) => {
      socket.on('data', () => socket.write(answers.shift() ?? ''));
    };
  const reply = (code: number) => steps(SOCKS_OK, Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]));
  const ok = 'HTTP/1.1 200 OK\r\n\r\n';
  const [byProxy, late] = [{ reason: 'connect', detail: /^proxy 127/ }, { reason: 'timeout' }];
  for (const [scheme, name, behaviour, expected] of [
    ['http', 'closes at once', (socket: Socket) => socket.destroy(), { reason: 'connect' }],
    ['http', 'closes when asked', once(''), byProxy],
    ['http', 'resets', (socket: Socket) => socket.once('data', () => socket.resetAndDestroy()), byProxy],
    ['http', 'is silent', (socket: Socket) => socket.resume(), { ...late, detail: /^no connection through proxy 127/ }],
    ['http', 'is no HTTP', once('SSH-2.0-OpenSSH_9.2\r\n'), byProxy],
    ['http', 'forbids', once('HTTP/1.1 403 Forbidden\r\n\r\nno'), { reason: 'connect', detail: /CONNECT with 403$/ }],
    ['http', 'redirects', once('HTTP/1.1 302 Found\r\nlocation: http://a.test/\r\n\r\n'), byProxy],
    ['http', 'upgrades', once('HTTP/1.1 101 Switching\r\n\r\n', false), byProxy],
    ['http', 'answers half', once('HTTP/1.1 200 OK\r\nx-a:'), byProxy],
    ['http', 'answers half and waits', once('HTTP/1.1 200 OK\r\nx-a:', false), late],
    ['http', 'has an endless header', flood('HTTP/1.1 200 OK\r\n', 'x-a: b\r\n'), byProxy],
    ['http', 'has an endless line', flood('HTTP/1.1 200 OK\r\nx: ', 'b'), byProxy],
    ['http', 'hints for ever', flood('', 'HTTP/1.1 103 Early Hints\r\n\r\n'), byProxy],
    ['http', 'drips', drip(`HTTP/1.1 200 OK\r\nx: ${'b'.repeat(1_000)}\r\n\r\n`), late],
    ['http', 'sends more than an answer', once(`${ok}more`, false), { reason: 'connect', detail: /before the tunnel/ }],
    ['http', 'opens a tunnel that is closed', once(ok), { reason: 'tls' }],
    ['http', 'opens a tunnel to nowhere', once(ok, false), late],
    ['http', 'is no site behind the tunnel', steps(Buffer.from(ok), Buffer.from('no TLS here')), { reason: 'tls' }],
    ['socks5', 'closes at once', (socket: Socket) => socket.destroy(), byProxy],
    ['socks5', 'closes when asked', once(''), byProxy],
    ['socks5', 'resets', (socket: Socket) => socket.once('data', () => socket.resetAndDestroy()), byProxy],
    ['socks5', 'is silent', (socket: Socket) => socket.resume(), late],
    ['socks5', 'speaks HTTP', once('HTTP/1.1 400 Bad Request\r\n\r\n'), byProxy],
    ['socks5', 'speaks SOCKS4', once(Buffer.from([0, 90])), byProxy],
    ['socks5', 'wants another login', once(Buffer.from([5, 1])), byProxy],
    ['socks5', 'says half', once(Buffer.from([5]), false), late],
    ['socks5', 'closes after half', once(Buffer.from([5])), byProxy],
    ...[1, 2, 3, 4, 5, 6, 7, 8, 99].map((code) => ['socks5', `replies ${code}`, reply(code), byProxy] as const),
    ['socks5', 'replies half', steps(SOCKS_OK, SOCKS_REPLY.subarray(0, 6)), late],
    ['socks5', 'has a long name', steps(SOCKS_OK, Buffer.from([5, 0, 0, 3, 255, 65])), late],
    ['socks5', 'drips', drip(Buffer.alloc(1_000, 5)), { reason: /connect|timeout/ }],
    ['socks5', 'floods', flood('', '\x05'), { reason: /connect|timeout/ }],
    ['socks5', 'says all at once', once(Buffer.concat([SOCKS_OK, SOCKS_REPLY]), false), { reason: /connect|timeout/ }],
    ['socks5', 'opens a tunnel to nowhere', steps(SOCKS_OK, SOCKS_REPLY), late],
    ['socks5', 'has an unknown address', steps(SOCKS_OK, Buffer.from([5, 0, 0, 9, 0, 0, 0, 0, 0, 0])), late],
    ['socks5', 'is no site behind', steps(SOCKS_OK, SOCKS_REPLY, Buffer.from('no TLS here')), { reason: 'tls' }],
  ] as const) {
    const site = await serveRaw(t, behaviour);
    const proxy = site.uri.replace('http', scheme);
    const result = await check({ uri: 'https://a.test/', proxy }, { timeoutMs: 250 });
    t.match(result, { outcome: 'down', status: null, ...expected }, `${scheme} ${name}: ${result.detail}`);
    await site.quiet();
    const plain = await check({ uri: 'http://a.test/', proxy }, { timeoutMs: 250 });
    t.match(plain.outcome, /up|down/, `${scheme} ${name}, http: ${plain.reason} ${plain.detail}`);
    await site.quiet();
    const controller = new AbortController();
    const aborted = check({ uri: 'https://a.test/', proxy }, { signal: controller.signal, timeoutMs: 1_000 });
    setTimeout(() => controller.abort(), 20);
    t.equal((await aborted).outcome, 'down', `${scheme} ${name}, aborted`);
    await site.quiet();
  }
});
