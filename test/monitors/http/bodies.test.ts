import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { test } from 'tap';
import { answering, check, serve, serveRaw } from '../support.ts';

const MIB = 1_048_576;

test('a body is read up to its limit, and the connection is closed there', async (t) => {
  const site = await serve(t, (_request, response) => {
    response.write(Buffer.alloc(3 * MIB, 'a'));
    response.end('needle');
  });
  const whole = await check({ uri: site.uri, max_body_bytes: 4 * MIB, pattern: 'needle' });
  t.match(whole, { outcome: 'up', bytes: 3 * MIB + 6, facts: { body_truncated: false } });
  const cut = await check({ uri: site.uri });
  t.match(cut, { outcome: 'up', bytes: MIB, responseTime: Number, facts: { body_truncated: true } });
  t.match(await check({ uri: site.uri, pattern: 'aaa' }), { outcome: 'up' }, 'what was read decides it');
  t.match(await check({ uri: site.uri, pattern: 'needle' }), {
    outcome: 'down',
    reason: 'too_large',
    status: '200',
    detail: 'pattern not found in the first 1048576 bytes of the body',
  });
  t.match(await check({ uri: site.uri, forbidden_pattern: 'aaa' }), {
    outcome: 'down',
    reason: 'body',
    detail: 'forbidden pattern found in the body',
  });
  t.match(
    await check({ uri: site.uri, pattern: 'aaa', forbidden_pattern: 'needle' }),
    {
      outcome: 'down',
      reason: 'too_large',
      detail: 'forbidden pattern not found in the first 1048576 bytes of the body',
    },
    'it may follow in the rest',
  );
  t.match(await check({ uri: site.uri, max_body_bytes: 0 }), { outcome: 'up', bytes: 0 });
  await site.quiet();
});

test('a body of a gigabyte is neither read nor kept', async (t) => {
  let sent = 0;
  const site = await serveRaw(t, (socket) => {
    const block = Buffer.alloc(MIB);
    const pump = () => {
      while (sent < 1024 * MIB && !socket.destroyed) {
        sent += block.length;
        if (!socket.write(block)) return socket.once('drain', pump);
      }
    };
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${1024 * MIB}\r\n\r\n`);
      pump();
    });
  });
  const before = process.memoryUsage().rss;
  t.match(await check({ uri: site.uri }), { outcome: 'up', bytes: MIB });
  await site.quiet();
  t.ok(sent < 64 * MIB, `${sent} bytes were sent`);
  t.ok(process.memoryUsage().rss - before < 200 * MIB);
});

test('bodies are inflated where a pattern needs it, whatever their encoding', async (t) => {
  const text = 'the needle in it';
  for (const [encoding, body] of [
    ['gzip', gzipSync(text)],
    ['x-gzip', gzipSync(text)],
    ['GZIP', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['deflate', deflateRawSync(text)],
    ['br', brotliCompressSync(text)],
    ['gzip, br', brotliCompressSync(gzipSync(text))],
    ['identity', Buffer.from(text)],
  ] as const) {
    const site = await serve(t, (_request, response) => {
      response.setHeader('content-encoding', encoding);
      response.end(body);
    });
    t.match(await check({ uri: site.uri, pattern: 'n[e]edle' }), { outcome: 'up', bytes: body.length }, encoding);
  }
  for (const [encoding, body, detail] of [
    ['gzip', Buffer.from('plain'), 'body is no valid gzip'],
    ['br', Buffer.from('plain'), 'body is no valid br'],
    ['compress', Buffer.from('x'), 'content-encoding compress is not known'],
    ['gzip, gzip, gzip, gzip', Buffer.from('x'), 'body is encoded 4 times'],
  ] as const) {
    const site = await serve(t, (_request, response) => {
      response.setHeader('content-encoding', encoding);
      response.end(body);
    });
    t.match(await check({ uri: site.uri, pattern: 'x' }), { outcome: 'down', reason: 'body', status: '200', detail });
    t.match(await check({ uri: site.uri }), { outcome: 'up' }, 'nobody needs it');
  }
});

test('a small body that inflates to a large one costs no memory', async (t) => {
  const bomb = gzipSync(Buffer.alloc(512 * MIB), { level: 9 });
  t.ok(bomb.length < MIB);
  const site = await serve(t, (_request, response) => {
    response.setHeader('content-encoding', 'gzip');
    response.end(bomb);
  });
  const before = process.memoryUsage().rss;
  t.match(await check({ uri: site.uri, pattern: 'needle' }), {
    outcome: 'down',
    reason: 'too_large',
    detail: 'pattern not found in the first 1048576 bytes of the body',
  });
  t.ok(process.memoryUsage().rss - before < 100 * MIB);
});

test('no condition holds the process up, whatever it asks of the body', async (t) => {
  const list = JSON.stringify(Array.from({ length: 2_000 }, (_, index) => index));
  const site = await serve(t, (_request, response) => response.end(list));
  let [ticks, longestMs, lastMs] = [0, 0, performance.now()];
  const timer = setInterval(() => {
    ticks++;
    longestMs = Math.max(longestMs, performance.now() - lastMs);
    lastMs = performance.now();
  }, 10);
  t.teardown(() => clearInterval(timer));
  const endless = 'json.all(a, json.all(b, json.all(c, a + b + c >= 0.0)))';
  const [never, after] = await Promise.all([
    check({ uri: site.uri, json_condition: endless }, { timeoutMs: 20_000 }),
    check({ uri: site.uri, json_condition: 'size(json) == 2000' }, { timeoutMs: 20_000 }),
  ]);
  t.match(never, { outcome: 'down', reason: 'body', detail: 'json_condition could not be decided within 2000 ms' });
  t.match(after, { outcome: 'up' }, 'others are decided afterwards');
  t.ok(ticks > 20 && longestMs < 1_000, `${ticks} ticks, the longest pause ${Math.round(longestMs)} ms`);
});

test('no pattern holds the process up, whatever the body', async (t) => {
  let seed = 1;
  const ab = Buffer.from(
    Array.from({ length: MIB }, () => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return seed & 0x10000 ? 97 : 98;
    }),
  );
  const bodies: Record<string, Buffer> = { '/a': Buffer.from(`${'a'.repeat(MIB - 1)}!`), '/ab': ab };
  const site = await serve(t, (request, response) => response.end(bodies[request.url as string]));
  let longestMs = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longestMs = Math.max(longestMs, performance.now() - last);
    last = performance.now();
  }, 5);
  t.teardown(() => clearInterval(timer));
  const results = await Promise.all([
    check({ uri: `${site.uri}/a`, pattern: '(a+)+$' }, { timeoutMs: 20_000 }),
    check({ uri: `${site.uri}/a`, pattern: '(a|aa)+$' }, { timeoutMs: 20_000 }),
    check({ uri: `${site.uri}/ab`, pattern: '[ab]*a[ab]{300}c?$' }, { timeoutMs: 20_000 }),
    check({ uri: `${site.uri}/a`, pattern: 'a[!]$' }, { timeoutMs: 20_000 }),
  ]);
  t.match(results, [
    { outcome: 'down', reason: 'body', detail: 'pattern not found in the body' },
    { outcome: 'down', reason: 'body', detail: 'pattern not found in the body' },
    {
      outcome: 'down',
      reason: 'body',
      detail: /^pattern (could not be decided within 2000 ms|not found in the body)$/,
    },
    { outcome: 'up' },
  ]);
  t.ok(longestMs < 1_000, `the event loop stood still for ${longestMs} ms`);
  const late = await check({ uri: `${site.uri}/ab`, pattern: '[ab]*a[ab]{300}c?$' }, { timeoutMs: 300 });
  t.match(late, { outcome: 'down', reason: 'timeout', status: '200', responseTime: null });
});

test('a body without an end of its own ends with the connection', async (t) => {
  const site = await answering(t, 'HTTP/1.0 200 OK\r\n\r\nuntil the end');
  t.match(await check({ uri: site.uri, pattern: 'end$' }), { outcome: 'up', bytes: 13 });
});
