import type { IncomingMessage } from 'node:http';
import { test } from 'tap';
import { createGate } from '../../../src/monitors/net/gate.ts';
import { check, pem, type Site, serve, serveTls } from '../support.ts';

/** Redirects to the address in the query, `/to/<status>?<location>`; answers anything else. */
async function createSites(t: Parameters<typeof serve>[0]) {
  const seen: Array<{ site: string; request: IncomingMessage; body: string }> = [];
  const answer = (site: string) => async (request: IncomingMessage, response: import('node:http').ServerResponse) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    seen.push({ site, request, body });
    const [, status, location] = /^\/to\/(\d+)\?(.*)$/s.exec(request.url as string) ?? [];
    if (status) response.writeHead(Number(status), { location: decodeURIComponent(location as string) });
    response.end('ok');
  };
  const first = await serve(t, answer('first'));
  const second = await serve(t, answer('second'), '127.0.0.2');
  const to = (site: Site, status: number, location: string) =>
    `${site.uri}/to/${status}?${encodeURIComponent(location)}`;
  return { seen, first, second, to, last: () => seen.at(-1) as (typeof seen)[number] };
}

test('redirects are followed, and told; phases add up over them', async (t) => {
  const { first, second, to } = await createSites(t);
  const result = await check({ uri: to(first, 302, to(second, 301, '/end')) });
  t.match(result, {
    outcome: 'up',
    status: '200',
    facts: { redirects: [to(second, 301, '/end'), `${second.uri}/end`], remote_address: '127.0.0.2' },
  });
  t.match(await check({ uri: to(first, 302, '/end'), redirects: { follow: false } }), { outcome: 'up', status: '302' });
  t.match(await check({ uri: to(first, 302, '/end'), expected_status: 302 }), { outcome: 'up', status: '302' });
  t.match(await check({ uri: to(first, 302, '/end'), expected_status: '3xx' }), { outcome: 'down', status: '200' });
  t.match(await check({ uri: `${first.uri}/to/304?x` }), { outcome: 'up', status: '304' }, 'not every 3xx is one');
  await first.quiet();
});

test('redirects that are not followed, each with its reason', async (t) => {
  const { first, to } = await createSites(t);
  const uri = first.uri;
  const tls = await serveTls(t, { key: pem('server'), cert: pem('server') }, (_request, response) =>
    response.writeHead(302, { location: `${uri}/end` }).end(),
  );
  for (const [options, expected] of [
    [
      { uri: to(first, 302, 'http://[bad/') },
      { reason: 'redirect', detail: /^redirected to http:\/\/\[bad\/, which is no address$/ },
    ],
    [
      { uri: to(first, 302, 'file:///etc/passwd') },
      { reason: 'redirect', detail: 'redirected to file:, accepted: http, https' },
    ],
    [{ uri: to(first, 302, 'javascript:alert(1)') }, { reason: 'redirect' }],
    [
      { uri: to(first, 302, to(first, 302, '/end')), redirects: { max: 1 } },
      { reason: 'redirect', detail: 'more than 1 redirects' },
    ],
    [
      { uri: to(first, 307, 'http://127.0.0.2:9/'), method: 'POST', body: 'b' },
      { reason: 'redirect', detail: /with its body to another origin/ },
    ],
    [
      { uri: tls.uri, tls: { ca: pem('ca') } },
      { reason: 'redirect', detail: /^redirected from https to http/ },
    ],
    [{ uri: to(first, 302, 'http://127.0.0.1:1/') }, { reason: 'connect', status: null }],
  ] as const) {
    t.match(
      await check(options),
      { outcome: 'down', responseTime: null, ...expected },
      JSON.stringify(options).slice(0, 100),
    );
  }
  t.match(await check({ uri: tls.uri, tls: { ca: pem('ca') }, redirects: { allow_downgrade: true } }), {
    outcome: 'up',
  });
  const loop = await serve(t, (request, response) =>
    response.writeHead(302, { location: request.url === '/a' ? '/b' : '/a' }).end(),
  );
  t.match(await check({ uri: `${loop.uri}/a` }), { reason: 'redirect', detail: /^redirected in a circle/ });
  t.equal(loop.taken, 2);
});

test('the method, the body and its headers follow the rules of HTTP', async (t) => {
  const { first, to, last } = await createSites(t);
  for (const [method, status, then, body] of [
    ['GET', 301, 'GET', ''],
    ['POST', 301, 'GET', ''],
    ['POST', 302, 'GET', ''],
    ['POST', 303, 'GET', ''],
    ['PUT', 303, 'GET', ''],
    ['PUT', 301, 'PUT', 'body'],
    ['POST', 307, 'POST', 'body'],
    ['POST', 308, 'POST', 'body'],
    ['HEAD', 303, 'HEAD', ''],
  ] as const) {
    const sends = method !== 'GET' && method !== 'HEAD';
    const headers = { 'content-type': 'text/plain', 'x-own': 'kept' };
    await check({ uri: to(first, status, '/end'), method, headers, ...(sends ? { body: 'body' } : {}) });
    const { request, body: received } = last();
    t.match({ method: request.method, url: request.url, body: received }, { method: then, url: '/end', body });
    t.equal(request.headers['x-own'], 'kept');
    if (sends) t.equal('content-type' in request.headers, body !== '', `${method} ${status}`);
  }
});

test('credentials are never sent to another origin', async (t) => {
  const { seen, first, second, to } = await createSites(t);
  const secrets = { authorization: 'Bearer s3cret', cookie: 's3cret', 'x-api-key': 's3cret', 'x-whatever': 's3cret' };
  const headers = { ...secrets, accept: 'text/plain' };
  await check(
    { uri: to(first, 302, to(first, 302, to(second, 302, `${first.uri}/end`))), headers },
    { slotTag: '1/2' },
  );
  t.strictSame(
    seen.map(({ site, request }) => [site, JSON.stringify(request.headers).includes('s3cret')]),
    [
      ['first', true],
      ['first', true],
      ['second', false],
      ['first', false],
    ],
  );
  t.match(seen[2]?.request.headers, { accept: 'text/plain', 'vedette-slot': '1/2', 'user-agent': 'vedette-test' });
  await check({ uri: to(first, 302, 'http://u:s3cret@127.0.0.1:1/').replace('//', '//me:s3cret@') });
  const located = to(first, 302, `http://ann:s3cret@127.0.0.2:${second.port}/end`);
  await check({ uri: located });
  t.notOk(seen.at(-1)?.request.headers.authorization, 'not those of a Location either');
});

test('every hop passes the gate, by its literal and by what its name stands for', async (t) => {
  const { first, second, to } = await createSites(t);
  const gate = createGate({ mode: 'deny_internal', allow: ['127.0.0.1'] });
  const names = {
    resolve: async (name: string) => (name === 'mixed.test' ? ['127.0.0.1', '127.0.0.2'] : ['127.0.0.1']),
  };
  t.match(await check({ uri: `${first.uri}/end` }, { gate }), { outcome: 'up' });
  for (const target of [
    `${second.uri}/end`,
    `http://0x7f.0.0.2:${second.port}/`,
    `http://2130706434:${second.port}/`,
    `http://[::ffff:127.0.0.2]:${second.port}/`,
    'http://169.254.169.254/latest/meta-data',
    `http://mixed.test:${first.port}/`,
  ]) {
    const refused = { outcome: 'down', reason: 'forbidden_address', status: null };
    t.match(await check({ uri: target }, { gate, names }), refused, target);
    t.match(await check({ uri: to(first, 302, target) }, { gate, names }), refused, `redirected to ${target}`);
  }
  t.equal(second.taken, 0);
});
