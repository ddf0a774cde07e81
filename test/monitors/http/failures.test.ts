import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'tap';
import { answering, check, type Site, serve, serveRaw } from '../support.ts';

const HEAD = 'HTTP/1.1 200 OK\r\n';

test('what a server may do instead of answering: each has its reason', async (t) => {
  for (const [name, answer, expected] of [
    ['closes', '', { reason: 'connect', detail: 'connection closed without a response' }],
    ['is no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n', { reason: 'protocol', detail: /Expected HTTP/ }],
    ['has a bad status line', 'HTTP/1.1 9x9 No\r\n\r\n', { reason: 'protocol', detail: /Invalid status code/ }],
    ['has a bad header', `${HEAD}a b: c\r\n\r\n`, { reason: 'protocol', detail: /Invalid header token/ }],
    [
      'has two lengths',
      `${HEAD}content-length: 1\r\ncontent-length: 2\r\n\r\nab`,
      { reason: 'protocol', detail: /malformed/ },
    ],
    ['ends within the headers', `${HEAD}content-le`, { reason: 'connect' }],
    [
      'ends within the body',
      `${HEAD}content-length: 10\r\n\r\nhalf`,
      {
        reason: 'body',
        status: '200',
        responseTime: null,
        bytes: 4,
        detail: 'connection closed in the middle of the body',
      },
    ],
    [
      'ends within a chunk',
      `${HEAD}transfer-encoding: chunked\r\n\r\n5\r\nab`,
      { reason: 'body', status: '200', detail: 'connection closed in the middle of the body' },
    ],
    ['has a bad chunk', `${HEAD}transfer-encoding: chunked\r\n\r\nxyz\r\n`, { reason: 'protocol', status: '200' }],
    [
      'upgrades unasked',
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
      { reason: 'protocol', status: null },
    ],
    [
      'has endless headers',
      `${HEAD}${`x-filler: ${'a'.repeat(1000)}\r\n`.repeat(100)}`,
      { reason: 'too_large', status: null, detail: 'headers of the response are too large' },
    ],
    [
      'never comes to the point',
      'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'.repeat(30),
      { reason: 'protocol', detail: 'too many interim responses' },
    ],
  ] as const) {
    const site = await answering(t, answer);
    t.match(await check({ uri: site.uri }), { outcome: 'down', ...expected }, `a server that ${name}`);
    await site.quiet();
  }
});

test('interim responses before the answer are fine', async (t) => {
  const site = await answering(t, `HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${HEAD}content-length: 2\r\n\r\nok`);
  t.match(await check({ uri: site.uri }), { outcome: 'up', status: '200', bytes: 2 });
});

test('resets, before and within the answer', async (t) => {
  const before = await serveRaw(t, (socket) => socket.once('data', () => socket.resetAndDestroy()));
  t.match(await check({ uri: before.uri }), {
    outcome: 'down',
    reason: 'connect',
    status: null,
    detail: 'ECONNRESET: connection broke before a response',
  });
  const within = await serveRaw(t, (socket) =>
    socket.once('data', () =>
      socket.write(`${HEAD}content-length: 9\r\n\r\nhalf`, () => setTimeout(() => socket.resetAndDestroy(), 20)),
    ),
  );
  t.match(await check({ uri: within.uri }), {
    outcome: 'down',
    reason: 'body',
    status: '200',
    responseTime: null,
    detail: 'ECONNRESET: connection broke in the middle of the body',
  });
});

test('a closed port, a name that does not exist, a second address', async (t) => {
  t.match(await check({ uri: 'http://127.0.0.1:1/' }), {
    outcome: 'down',
    reason: 'connect',
    timings: {},
    detail: 'connect ECONNREFUSED 127.0.0.1:1',
  });
  const names = {
    resolve: async (name: string) => {
      if (name === 'two.test') return ['127.0.0.99', '127.0.0.1'];
      throw Object.assign(new Error(`queryA ENOTFOUND ${name}`), { code: 'ENOTFOUND' });
    },
  };
  const missing = await check({ uri: 'http://no.test/' }, { names });
  t.match(missing, { outcome: 'down', reason: 'dns', detail: 'ENOTFOUND: there is no such name' });
  const site = await serve(t, (_request, response) => response.end());
  const second = await check({ uri: `http://two.test:${site.port}/` }, { names });
  t.match(
    second,
    { outcome: 'up', timings: { dns: Number }, facts: { remote_address: '127.0.0.1' } },
    'the next address',
  );
});

test('a name server that never answers costs no more than the time', async (t) => {
  const names = { resolve: () => new Promise<string[]>(() => {}) };
  t.match(await check({ uri: 'http://slow.test/' }, { names, timeoutMs: 30 }), {
    outcome: 'down',
    reason: 'timeout',
    status: null,
    timings: {},
    detail: 'no answer within 30 ms',
  });
});

test('whatever it waits for, an abort or the time ends it at once and leaves nothing open', async (t) => {
  const silent = () => {};
  const headers = (socket: Socket) => socket.write(`${HEAD}content-length: 9\r\n\r\n`);
  const drip = (socket: Socket) => {
    headers(socket);
    const timer = setInterval(() => socket.write('x'), 100);
    socket.on('close', () => clearInterval(timer));
  };
  const halfHeaders = (socket: Socket) => socket.write(`${HEAD}x-a: `);
  const halfClosed = (socket: Socket) => {
    headers(socket);
    socket.on('end', () => {});
  };
  for (const [name, behaviour] of Object.entries({ silent, headers, drip, halfHeaders, halfClosed })) {
    const site = await serveRaw(t, (socket) => socket.once('data', () => behaviour(socket)));
    const options = { uri: site.uri };
    t.match(await check(options, { timeoutMs: 50 }), { outcome: 'down', reason: 'timeout' }, `${name}, time`);
    await site.quiet();
    const controller = new AbortController();
    const aborted = check(options, { signal: controller.signal });
    await taken(site, 2);
    controller.abort();
    t.match(await aborted, { outcome: 'down', reason: 'stopped', detail: 'the check was aborted' }, `${name}, abort`);
    await site.quiet();
  }
  const site = await serve(t, (_request, response) => response.end());
  t.match(await check({ uri: site.uri }, { signal: AbortSignal.abort() }), { reason: 'stopped' });
  t.equal(site.taken, 0, 'aborted before it began');
});

test('hundreds of checks that end in every way leave no socket and no timer', async (t) => {
  let count = 0;
  const site = await serveRaw(t, (socket) =>
    socket.once('data', () => {
      const turn = count++ % 4;
      if (turn === 0) socket.end(`${HEAD}content-length: 0\r\n\r\n`);
      if (turn === 1) socket.resetAndDestroy();
      if (turn === 2) socket.write(`${HEAD}content-length: 100\r\n\r\n`);
    }),
  );
  const before = sockets();
  const results = await Promise.all(Array.from({ length: 200 }, () => check({ uri: site.uri }, { timeoutMs: 500 })));
  await site.quiet();
  t.equal(results.length, 200);
  await new Promise((resolve) => setImmediate(resolve));
  t.ok(sockets() <= before, `${sockets()} sockets are open, ${before} before`);
});

function sockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
}

async function taken(site: Site, count: number): Promise<void> {
  while (site.taken < count) await new Promise((resolve) => setImmediate(resolve));
  // Its request is on the way too.
  const socket = connect(site.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
}
