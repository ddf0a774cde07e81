import { test } from 'tap';
import { createHttpPlan } from '../../../src/monitors/http/plan.ts';
import type { HttpRequest } from '../../../src/monitors/http/transport/exchange.ts';
import { SocketTransport } from '../../../src/monitors/http/transport/socket.ts';
import { StrictTransport } from '../../../src/monitors/http/transport/strict.ts';
import { WaitingConnections } from '../../../src/monitors/http/transport/waiting-connections.ts';
import { createGate } from '../../../src/monitors/net/gate.ts';
import { TimeLimit } from '../../../src/monitors/net/time-limit.ts';
import { check, prepare, serve, serveRaw } from '../support.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const run = (probe: ReturnType<typeof prepare>, timeoutMs = 5_000) =>
  probe({ timeoutMs, signal: new AbortController().signal });

test('a kept connection is left when its name leads elsewhere, or the gate has closed', async (t) => {
  for (const strict of [false, true]) {
    let address = '127.0.0.1';
    const names = { resolve: async () => [address] };
    const first = await serve(t, (_request, response) => response.end('first'));
    const uri = `http://moving.test:${first.port}/`;
    const gate = createGate({ mode: 'off' });
    let refusal: string | null = null;
    const closing = { refusal: (given: string) => refusal ?? gate.refusal(given) };
    const probe = prepare({ uri, keep_alive: true, strict }, { names, gate: closing });
    t.teardown(() => probe.close?.());
    t.match(await run(probe), { outcome: 'up', facts: { connection: 'fresh' } });
    t.match(await run(probe), { outcome: 'up', facts: { connection: 'kept alive' } });
    address = '127.0.0.9';
    t.match(await run(probe), { outcome: 'down', reason: 'connect' }, 'nobody listens there');
    address = '127.0.0.1';
    t.match(await run(probe), { outcome: 'up', facts: { connection: 'fresh' } });
    refusal = 'closed';
    t.match(await run(probe), { outcome: 'down', reason: 'forbidden_address' });
  }
});

test('a connection is used until its greatest age, and for as long as its site allows', async (t) => {
  const request: HttpRequest = { ...createHttpPlan({ uri: 'http://127.0.0.1/' }, 'test').request };
  const exchange = async (lane: SocketTransport, port: number) => {
    const limit = new TimeLimit({ timeoutMs: 5_000, signal: new AbortController().signal });
    const target = { ...request.target, port };
    const { response } = await lane.exchange({ ...request, target, origin: `http://127.0.0.1:${port}` }, limit);
    limit.dispose();
    return response?.isReused;
  };
  const context = { names: { resolve: async () => [] }, gate: createGate({ mode: 'off' }) };
  const site = await serveRaw(t, (socket) => socket.on('data', () => socket.write(OK)));
  const lane = new SocketTransport(context, true, 60);
  t.equal(await exchange(lane, site.port), false);
  t.equal(await exchange(lane, site.port), true);
  await pause(80);
  t.equal(await exchange(lane, site.port), false, 'too old');
  lane.close();
  await site.quiet();
  const brief = await serveRaw(t, (socket) =>
    socket.on('data', () => socket.write(OK.replace('\r\n\r\n', '\r\nkeep-alive: timeout=0\r\n\r\n'))),
  );
  const second = new SocketTransport(context, true);
  t.equal(await exchange(second, brief.port), false);
  t.equal(await exchange(second, brief.port), false, 'the site allows no time');
  second.close();
  await brief.quiet();
});

test('connections that wait are bounded: the one that waited longest makes room, and its job connects again', async (t) => {
  const { request } = createHttpPlan({ uri: 'http://127.0.0.1/' }, 'test');
  for (const Lane of [SocketTransport, StrictTransport]) {
    const site = await serveRaw(t, (socket) => {
      open++;
      socket.on('data', () => socket.write(OK)).on('close', () => open--);
    });
    let open = 0;
    const waiting = new WaitingConnections(50);
    const context = { names: { resolve: async () => [] }, gate: createGate({ mode: 'off' }), waiting };
    const target = { ...request.target, port: site.port };
    const lanes = Array.from({ length: 80 }, () =>
      Lane === StrictTransport ? new StrictTransport(site.uri, context, true) : new SocketTransport(context, true),
    );
    const isReused = async (lane: SocketTransport | StrictTransport) => {
      const limit = new TimeLimit({ timeoutMs: 5_000, signal: new AbortController().signal });
      const { response, error } = await lane.exchange({ ...request, target, origin: site.uri }, limit);
      limit.dispose();
      t.notOk(error);
      return response?.isReused;
    };
    for (const lane of lanes) t.equal(await isReused(lane), false);
    t.equal(waiting.size, 50, Lane.name);
    while (open > 50) await pause(5);
    // From the last to the first: those that wait are used before they have to make room.
    const reused: Array<boolean | undefined> = [];
    for (const lane of lanes.toReversed()) reused.push(await isReused(lane));
    t.equal(reused.filter(Boolean).length, 50, Lane.name);
    t.ok(reused.slice(0, 50).every(Boolean));
    t.equal(waiting.size, 50);
    for (const lane of lanes) lane.close();
    t.equal(waiting.size, 0);
    await site.quiet();
  }
  const brief = await serveRaw(t, (socket) => {
    socket.on('data', () => socket.write(OK));
    setTimeout(() => socket.end(), 100);
  });
  for (const strict of [false, true]) {
    const waiting = new WaitingConnections();
    const context = { names: { resolve: async () => [] }, gate: createGate({ mode: 'off' }), waiting };
    const lane = strict ? new StrictTransport(brief.uri, context, true) : new SocketTransport(context, true);
    const limit = new TimeLimit({ timeoutMs: 5_000, signal: new AbortController().signal });
    await lane.exchange({ ...request, target: { ...request.target, port: brief.port }, origin: brief.uri }, limit);
    limit.dispose();
    t.equal(waiting.size, 1);
    await brief.quiet();
    while (waiting.size > 0) await pause(5);
    lane.close();
  }
});

test('POST and PATCH are sent once, on a fresh connection; what comes unasked closes one that waits', async (t) => {
  let requests = 0;
  const site = await serveRaw(t, (socket) =>
    socket.on('data', () => {
      requests++;
      socket.write(OK);
    }),
  );
  for (const method of ['POST', 'PATCH']) {
    const probe = prepare({ uri: site.uri, method, keep_alive: true });
    await run(probe);
    t.match(await run(probe), { outcome: 'up', facts: { connection: 'fresh' } }, method);
  }
  t.equal(requests, 4);
  await site.quiet();
  const talkative = await serveRaw(t, (socket) =>
    socket.on('data', () => {
      socket.write(OK);
      setTimeout(() => socket.write(OK), 20);
    }),
  );
  const probe = prepare({ uri: talkative.uri, keep_alive: true });
  await run(probe);
  await talkative.quiet();
  t.match(await run(probe), { outcome: 'up', facts: { connection: 'fresh' } }, 'an answer that nobody asked for');
  probe.close?.();
});

test('cookies of a redirect are kept until the end of the check, by the rules of browsers', async (t) => {
  const seen: Array<string | undefined> = [];
  const names = { resolve: async () => ['127.0.0.1'] };
  const site = await serve(t, (request, response) => {
    seen.push(`${request.url} ${request.headers.cookie ?? '-'}`);
    if (/\ba=1/.test(request.headers.cookie ?? '') || request.url === '/end') return response.end('in');
    response.writeHead(302, {
      location: request.url,
      'set-cookie': ['a=1; Path=/', 'b=2; Path=/other', 'c=3; Secure', 'd=4; Domain=example.com', 'f=6'],
    });
    response.end();
  });
  t.match(
    await check(
      { uri: `http://shop.test:${site.port}/login`, headers: { Cookie: 'own=0' }, pattern: '^in$' },
      { names },
    ),
    { outcome: 'up' },
  );
  t.strictSame(seen, ['/login own=0', '/login own=0; a=1; f=6']);
  const other = await serve(
    t,
    (_request, response) => response.writeHead(302, { location: `${site.uri}/end`, 'set-cookie': 'x=1' }).end(),
    '127.0.0.2',
  );
  await check({ uri: other.uri, headers: { cookie: 'own=0' } });
  t.equal(seen.at(-1), '/end -', 'neither leaves its site');
});

test('Location: equal ones are one, different ones are a fault, an empty one leads nowhere, /p? keeps its ?', async (t) => {
  const redirect = (lines: string) => `HTTP/1.1 302 Found\r\n${lines}content-length: 0\r\n\r\n`;
  const paths: string[] = [];
  const site = await serveRaw(t, (socket) =>
    socket.once('data', (data) => {
      const path = String(data).split(' ')[1] as string;
      paths.push(path);
      const answer = {
        '/same': redirect('location: /p?\r\nLocation: /p?\r\n'),
        '/two': redirect('location: /a\r\nlocation: /b\r\n'),
        '/empty': redirect('location:\r\n'),
      }[path];
      socket.end(answer ?? OK);
    }),
  );
  t.match(await check({ uri: `${site.uri}/same` }), { outcome: 'up', status: '200' });
  t.equal(paths.at(-1), '/p?');
  t.match(await check({ uri: `${site.uri}/two` }), {
    outcome: 'down',
    reason: 'redirect',
    detail: 'redirected to different addresses at once: /a and /b',
  });
  t.match(await check({ uri: `${site.uri}/empty` }), { outcome: 'up', status: '302' });
  t.match(await check({ uri: `${site.uri}/p?` }), { outcome: 'up' });
  t.equal(paths.at(-1), '/p?');
});

test('2,000 sites that send their headers or bodies drop by drop end in time, and leave no socket', async (t) => {
  const open = new Set<object>();
  const site = await serveRaw(t, (socket) => {
    open.add(socket);
    socket.once('data', () => socket.write(open.size % 2 ? 'HTTP/1.1 200 OK\r\nx: ' : `HTTP/1.1 200 OK\r\n\r\n`));
    const timer = setInterval(() => socket.write('x'), 300);
    socket.on('close', () => {
      clearInterval(timer);
      open.delete(socket);
    });
  });
  const begun = performance.now();
  const results = await Promise.all(
    Array.from({ length: 2_000 }, () => check({ uri: site.uri }, { timeoutMs: 3_000 })),
  );
  const tookMs = performance.now() - begun;
  t.ok(results.every(({ outcome }) => outcome === 'down'));
  t.ok(results.filter(({ reason }) => reason === 'timeout').length > 1_900, JSON.stringify(results[0]));
  await site.quiet();
  t.ok(tookMs < 15_000, `${tookMs} ms`);
  const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
  while (sockets() > 0) await pause(10);
});

test('a fault of our own is missed(internal), never down', async (t) => {
  const failing = (code: string) => ({
    names: { resolve: () => Promise.reject(Object.assign(new Error(`socket ${code}`), { code })) },
  });
  for (const code of ['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM']) {
    const result = await check({ uri: 'http://any.test/' }, failing(code));
    t.match(result, { outcome: 'missed', reason: 'internal', status: null, detail: `socket ${code}` }, code);
  }
  const site = await serve(t, (_request, response) => response.end('ok'));
  // A header that validation would have refused stands for any defect in what makes the request.
  t.match(await check({ uri: site.uri, headers: { 'x\r\ny': 'z' } }), { outcome: 'missed', reason: 'internal' });
});

test('a site that was asked to close its connection closes it first, or we do soon after', async (t) => {
  const polite = await serve(t, (_request, response) => response.end('ok'));
  t.match(await check({ uri: polite.uri }), { outcome: 'up' });
  await polite.quiet();
  let endedBy = '';
  const asks = await serveRaw(t, (socket) => {
    socket.on('data', () => socket.write(OK));
    socket.on('end', () => {
      endedBy = 'us';
    });
  });
  t.match(await check({ uri: asks.uri }), { outcome: 'up' });
  t.equal(endedBy, '', 'it has a moment');
  await asks.quiet();
  t.equal(endedBy, 'us');
  const chatty = await serveRaw(t, (socket) => {
    socket.once('data', () => socket.write(OK));
    socket.once('data', () => setTimeout(() => socket.write('more'), 20));
  });
  const begunMs = performance.now();
  t.match(await check({ uri: chatty.uri }), { outcome: 'up' });
  await chatty.quiet();
  t.ok(performance.now() - begunMs < 240, 'one that sends more gets none');
});
