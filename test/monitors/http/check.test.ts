import { test } from 'tap';
import { check, prepare, serve } from '../support.ts';

test('a good answer: status, phases that add up, bytes, facts for a check by hand only', async (t) => {
  const site = await serve(t, (_request, response) => response.end('hello'));
  const byHand = await check({ uri: `${site.uri}/` });
  t.match(byHand, {
    outcome: 'up',
    status: '200',
    bytes: 5,
    facts: { remote_address: '127.0.0.1', connection: 'fresh', body_truncated: false },
  });
  t.notOk('reason' in byHand);
  const { connect = 0, ttfb = 0, transfer = 0 } = byHand.timings;
  t.strictSame(Object.keys(byHand.timings).sort(), ['connect', 'transfer', 'ttfb'], 'no name, no TLS');
  t.ok(connect > 0 && ttfb > 0 && transfer >= 0);
  t.ok(connect + ttfb + transfer <= (byHand.responseTime as number) + 2e-6);
  const scheduled = await check({ uri: `${site.uri}/` }, { slotTag: '7/1795251600000' });
  t.notOk('facts' in scheduled);
  await site.quiet();
  t.equal(site.taken, 2, 'a fresh connection each');
});

test('what is sent: method in either case, headers, body, user agent, slot, credentials', async (t) => {
  const seen: Array<{ line: string; headers: Record<string, unknown>; body: string }> = [];
  const site = await serve(t, async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    seen.push({ line: `${request.method} ${request.url}`, headers: request.headers, body });
    response.end();
  });
  const headers = { 'X-Team': 'shop', accept: 'text/plain', Host: 'shop.test' };
  await check({ uri: `${site.uri}/a?b=c#d`, method: 'post', headers, body: 'ünï' }, { slotTag: '3/42' });
  t.match(seen.pop(), {
    line: 'POST /a?b=c',
    body: 'ünï',
    headers: {
      'x-team': 'shop',
      accept: 'text/plain',
      host: 'shop.test',
      'user-agent': 'vedette-test',
      'vedette-slot': '3/42',
      connection: 'close',
      'content-length': '5',
    },
  });
  await check({ uri: site.uri, headers: { 'user-agent': 'mine' } });
  const plain = seen.pop();
  t.match(plain, { line: 'GET /', headers: { 'user-agent': 'mine', accept: '*/*' } });
  t.notOk(plain && 'vedette-slot' in plain.headers);
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
  for (const [options, authorization] of [
    [{ auth: { type: 'basic', username: 'ann', password: 'pä:ss' } }, basic('ann:pä:ss')],
    [{ auth: { type: 'bearer', token: 't0k' } }, 'Bearer t0k'],
    [{ uri: site.uri.replace('//', '//b%40b:p%20w@') }, basic('b@b:p w')],
    [{ headers: { Authorization: 'Digest x' } }, 'Digest x'],
  ] as const) {
    await check({ uri: site.uri, ...options });
    t.equal(seen.pop()?.headers.authorization, authorization);
  }
  for (const method of ['GET', 'get', 'HEAD', 'PUT', 'patch', 'DELETE', 'options']) {
    t.match(await check({ uri: site.uri, method }), { outcome: 'up' });
    t.equal(seen.pop()?.line, `${method.toUpperCase()} /`);
  }
});

test('expected statuses: numbers, ranges, classes, lists; by default 200 to 399', async (t) => {
  const site = await serve(t, (request, response) => {
    response.statusCode = Number(request.url?.slice(1));
    response.end();
  });
  for (const [expected_status, up, down] of [
    [undefined, [200, 204, 304, 399], [400, 404, 500, 599]],
    [204, [204], [200]],
    ['2xx', [200, 299], [300]],
    ['2XX', [201], [404]],
    ['404-410', [404, 407, 410], [403, 411, 200]],
    [
      [200, '5xx', '418'],
      [200, 503, 418],
      [201, 404],
    ],
  ] as const) {
    for (const [statuses, outcome] of [
      [up, 'up'],
      [down, 'down'],
    ] as const) {
      for (const status of statuses) {
        const result = await check({ uri: `${site.uri}/${status}`, ...(expected_status ? { expected_status } : {}) });
        t.match(result, { outcome, status: String(status), responseTime: Number }, `${expected_status} and ${status}`);
        if (outcome === 'down') t.match(result, { reason: 'status', detail: `status ${status} is not expected` });
      }
    }
  }
});

test('patterns and headers of the answer', async (t) => {
  const site = await serve(t, (_request, response) => {
    response.setHeader('Content-Type', 'text/html; charset=iso-8859-1');
    response.setHeader('Set-Cookie', ['a=1', 'b=2']);
    response.end(Buffer.from('<p>caf\xe9 number 42</p>', 'latin1'));
  });
  for (const [options, expected] of [
    [{ pattern: 'number' }, { outcome: 'up' }],
    [{ pattern: 'number \\d+' }, { outcome: 'up' }],
    [{ pattern: 'café' }, { outcome: 'up' }],
    [{ pattern: '(?i)NUMBER\\s4' }, { outcome: 'up' }],
    [{ pattern: '^number' }, { outcome: 'down', reason: 'body', detail: 'pattern not found in the body' }],
    [{ expected_headers: { 'content-type': '^text/html' } }, { outcome: 'up' }],
    [{ expected_headers: { 'SET-COOKIE': 'b=2' } }, { outcome: 'up' }],
    [{ expected_headers: { 'content-type': '' } }, { outcome: 'up' }],
    [
      { expected_headers: { 'content-type': 'json$' } },
      { outcome: 'down', reason: 'header', detail: 'header content-type is text/html; charset=iso-8859-1' },
    ],
    [
      { expected_headers: { 'x-none': '' } },
      { outcome: 'down', reason: 'header', detail: 'there is no header x-none' },
    ],
    [{ forbidden_pattern: 'Fatal error' }, { outcome: 'up' }],
    [
      { pattern: 'number', forbidden_pattern: 'caf[é]' },
      { outcome: 'down', reason: 'body', detail: 'forbidden pattern found in the body' },
    ],
    [
      { pattern: 'letter', forbidden_pattern: 'Fatal error' },
      { outcome: 'down', reason: 'body', detail: 'pattern not found in the body' },
    ],
    [{ forbidden_headers: { 'x-none': '', 'content-type': 'json', 'SET-COOKIE': '^c=' } }, { outcome: 'up' }],
    [
      { forbidden_headers: { 'set-cookie': '' } },
      { outcome: 'down', reason: 'header', detail: 'header set-cookie is a=1 and b=2, which is forbidden' },
    ],
    [
      { forbidden_headers: { 'Set-Cookie': '^b=' } },
      { outcome: 'down', reason: 'header', detail: 'header set-cookie is a=1 and b=2, which is forbidden' },
    ],
    [
      { expected_status: 404, pattern: 'x', expected_headers: { 'x-none': '' } },
      { outcome: 'down', reason: 'status', detail: 'status 200 is not expected' },
    ],
  ] as const) {
    t.match(await check({ uri: site.uri, ...options }), { status: '200', ...expected }, JSON.stringify(options));
  }
});

test('conditions on a JSON body, in CEL', async (t) => {
  const state = { status: 'ok', queue: 7, load: 0.5, nodes: [{ up: true }, { up: true }], since: null };
  const site = await serve(t, (request, response) => {
    if (request.url === '/bom') response.end(`\ufeff${JSON.stringify(state)}`);
    else response.end(request.url === '/page' ? '<html>' : JSON.stringify(state));
  });
  for (const [condition, detail] of [
    ['json.status == "ok" && json.queue < 100 && json.load < 0.9', null],
    ['size(json.nodes) == 2 && json.nodes.all(node, node.up)', null],
    ['json.since == null && !has(json.error) && json.?none.orValue(1) == 1', null],
    ['json.queue > 100', 'json_condition is false'],
    ['json.queue', 'json_condition is neither true nor false'],
    ['json.none == 1', 'json_condition cannot be decided: No such key: none'],
    ['json.constructor == 1', 'json_condition cannot be decided: No such key: constructor'],
    ['json.queue < "x"', /^json_condition cannot be decided: no such overload/],
  ] as const) {
    const expected = detail === null ? { outcome: 'up' } : { outcome: 'down', reason: 'body', status: '200', detail };
    t.match(await check({ uri: site.uri, json_condition: condition }), expected, condition);
  }
  const json_condition = 'json.status == "ok"';
  t.match(await check({ uri: `${site.uri}/bom`, json_condition }), { outcome: 'up' });
  t.match(await check({ uri: `${site.uri}/page`, json_condition }), {
    outcome: 'down',
    reason: 'body',
    detail: /^the body is not JSON: Unexpected token/,
  });
  t.match(await check({ uri: site.uri, json_condition, max_body_bytes: 10 }), {
    outcome: 'down',
    reason: 'too_large',
    detail: 'JSON does not end in the first 10 bytes of the body',
  });
});

test('a slow answer is degraded, and an answer too late is none', async (t) => {
  const site = await serve(t, (_request, response) => setTimeout(() => response.end('late'), 40));
  t.match(await check({ uri: site.uri, max_response_time_seconds: 0.01 }), {
    outcome: 'degraded',
    reason: 'latency',
    status: '200',
    detail: /^answered after 0\.\d+ s, accepted: up to 0\.01 s$/,
  });
  t.match(await check({ uri: site.uri, max_response_time_seconds: 5 }), { outcome: 'up' });
  t.match(await check({ uri: site.uri }, { timeoutMs: 15 }), {
    outcome: 'down',
    reason: 'timeout',
    status: null,
    responseTime: null,
    detail: 'no answer within 15 ms',
  });
});

test('a connection is kept when asked for, and opened again when the site had closed it', async (t) => {
  let closeNext = false;
  const site = await serve(t, (request, response) => {
    if (!closeNext) return response.end('ok');
    closeNext = false;
    request.socket.resetAndDestroy();
  });
  const probe = prepare({ uri: site.uri, keep_alive: true });
  const request = () => probe({ timeoutMs: 5_000, signal: new AbortController().signal });
  const first = await request();
  t.match(first, { outcome: 'up', facts: { connection: 'fresh' }, timings: { connect: Number } });
  const second = await request();
  t.match(second, { outcome: 'up', facts: { connection: 'kept alive' } });
  t.notOk('connect' in second.timings);
  t.equal(site.taken, 1);
  closeNext = true;
  t.match(await request(), { outcome: 'up', facts: { connection: 'fresh' } }, 'no fault of the site');
  t.equal(site.taken, 2);
  const both = await Promise.all([request(), request()]);
  t.strictSame(
    both.map(({ outcome }) => outcome),
    ['up', 'up'],
    'two at a time do not share it',
  );
  probe.close?.();
  await site.quiet();
});
