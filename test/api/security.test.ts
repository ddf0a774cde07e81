import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { test } from 'tap';
import { createTestServer, type TestServerOptions } from './test-server.ts';

const KEY = 'correct-horse-battery';
const keyed = (...apiKeys: string[]): TestServerOptions => ({ options: { loopback: false }, apiKeys });

test('a public server answers nothing but health without a key', async (t) => {
  const app = await createTestServer(t, keyed(KEY));
  const closed: ReadonlyArray<[string, string]> = [
    ...(['/', '/job', '/job/1', '/job/1/metrics', '/job/1/results', '/series', '/dead-letters'] as const),
    ...([
      '/instances',
      '/metrics',
      '/openapi.json',
      '/docs',
      '/key',
      '/audit',
      '/schemas/check-result.v1.json',
      '/schemas/asyncapi.json',
    ] as const),
  ].map((url) => ['GET', url]);
  const changes: ReadonlyArray<[string, string]> = [
    ['POST', '/job'],
    ['PUT', '/job/1'],
    ['PATCH', '/job/1'],
    ['DELETE', '/job/1'],
    ['POST', '/job/1/start'],
    ['POST', '/job/1/stop'],
    ['POST', '/job/1/check'],
    ['POST', '/db/init'],
    ['POST', '/key'],
  ];
  for (const [method, url] of [...closed, ...changes]) {
    for (const authorization of [undefined, 'Bearer wrong', `Basic ${KEY}`, 'Bearer', `Bearer ${KEY}x`, KEY]) {
      const answer = await app.inject({
        method: method as 'POST',
        url,
        headers: authorization ? { authorization } : {},
      });
      t.equal(answer.statusCode, 401, `${method} ${url} with ${authorization}`);
      t.match(answer.json(), { code: 'VED_UNAUTHORIZED', message: /key/ });
      t.equal(answer.headers['www-authenticate'], 'Bearer realm="vedette"');
    }
    const answer = await app.inject({ method: method as 'POST', url, headers: { authorization: `Bearer ${KEY}` } });
    t.not(answer.statusCode, 401, `${method} ${url} with the key`);
  }
  for (const url of ['/health/live', '/health/ready', '/_ah/start', '/website_mock', '/favicon.svg']) {
    t.not((await app.inject(url)).statusCode, 401, url);
  }
});

test('a key is taken as the password of Basic credentials, for reading only', async (t) => {
  const app = await createTestServer(t, keyed(KEY));
  const headers = { authorization: `Basic ${Buffer.from(`anybody:${KEY}`).toString('base64')}` };
  t.equal((await app.inject({ url: '/openapi.json', headers })).statusCode, 200);
  const change = await app.inject({ method: 'POST', url: '/db/init', headers });
  t.match(change.json(), { statusCode: 401, message: /reading only/ });
  const wrong = { authorization: `Basic ${Buffer.from(`${KEY}:x`).toString('base64')}` };
  t.equal((await app.inject({ url: '/openapi.json', headers: wrong })).statusCode, 401);
});

test('keys may be given as hashes; without any, the answer says how to make one', async (t) => {
  const hash = createHash('sha256').update(KEY).digest('hex');
  const hashed = await createTestServer(t, keyed('another-key-of-somebody', `sha256:${hash}`));
  const send = (app: typeof hashed, key: string) =>
    app.inject({ method: 'POST', url: '/db/init', headers: { authorization: `Bearer ${key}` } });
  t.equal((await send(hashed, KEY)).statusCode, 200);
  t.equal((await send(hashed, `sha256:${hash}`)).statusCode, 401, 'the hash is no key');
  t.equal((await send(hashed, hash)).statusCode, 401);
  const keyless = await createTestServer(t, keyed());
  t.match((await keyless.inject('/job')).json(), { statusCode: 401, message: /vedette keys add NAME --scope read/ });
});

test('server.anonymous lets everybody read, and nothing else', async (t) => {
  const app = await createTestServer(t, { options: { loopback: false, anonymous: 'read' }, apiKeys: [KEY] });
  t.equal((await app.inject('/openapi.json')).statusCode, 200);
  t.equal((await app.inject('/job/1')).statusCode, 404);
  for (const url of ['/key', '/audit']) t.equal((await app.inject(url)).statusCode, 401, url);
  t.equal((await app.inject({ method: 'POST', url: '/job/1/stop' })).statusCode, 401);
});

test('a loopback server without keys needs none; with one, everything does', async (t) => {
  const open = await createTestServer(t);
  t.equal((await open.inject({ method: 'POST', url: '/db/init' })).statusCode, 200);
  const closed = await createTestServer(t, { apiKeys: [KEY] });
  t.equal((await closed.inject({ method: 'POST', url: '/db/init' })).statusCode, 401);
  t.equal((await closed.inject('/job/1')).statusCode, 401);
});

test('a proxy that the settings do not name opens nothing', async (t) => {
  const open = await createTestServer(t);
  for (const [name, value] of [
    ['forwarded', 'for=192.0.2.1'],
    ['x-forwarded-for', '192.0.2.1'],
    ['x-forwarded-proto', 'https'],
    ['x-real-ip', '192.0.2.1'],
    ['via', '1.1 proxy'],
  ] as const) {
    const answer = await open.inject({ url: '/job', headers: { [name]: value } });
    t.match(answer.json(), { statusCode: 403, code: 'VED_FORWARDED', message: /trust_proxy/ }, name);
    t.equal((await open.inject({ url: '/health/live', headers: { [name]: value } })).statusCode, 200, name);
  }
  for (const options of [{ trustProxy: ['127.0.0.1'] }, { allowedHosts: ['status.example'] }]) {
    const behind = await createTestServer(t, { options, apiKeys: [KEY] });
    t.equal((await behind.inject('/job')).statusCode, 401, JSON.stringify(options));
    const headers = { authorization: `Bearer ${KEY}`, 'x-forwarded-for': '192.0.2.1' };
    t.equal((await behind.inject({ url: '/job', headers })).statusCode, 200);
  }
});

test('a loopback server answers to loopback names only', async (t) => {
  const app = await createTestServer(t, { options: { allowedHosts: ['Vedette.Test'] } });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as { port: number };
  const ask = (host: string) =>
    new Promise<number>((resolve, reject) => {
      const sent = request({ port, host: '127.0.0.1', path: '/health/live', headers: { host } }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      sent.on('error', reject).end();
    });
  for (const host of [
    'localhost',
    `localhost:${port}`,
    '127.0.0.1',
    '127.8.9.1:80',
    '[::1]:80',
    'a.localhost',
    'vedette.test:8080',
  ]) {
    t.equal(await ask(host), 200, host);
  }
  for (const host of [
    'evil.example',
    `evil.example:${port}`,
    '127.0.0.1.evil.example',
    '10.0.0.1',
    'localhost.evil',
    '[::2]',
  ]) {
    t.equal(await ask(host), 403, host);
  }
  const open = await createTestServer(t, { options: { loopback: false } });
  t.equal((await open.inject({ url: '/health/live', headers: { host: 'status.example' } })).statusCode, 200);
});

test('pages of another origin change nothing', async (t) => {
  const app = await createTestServer(t);
  const post = (headers: Record<string, string>) => app.inject({ method: 'POST', url: '/db/init', headers });
  for (const headers of [
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: 'http://localhost:81' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ]) {
    const answer = await post(headers as Record<string, string>);
    t.equal(answer.statusCode, 403, JSON.stringify(headers));
    t.equal(answer.json().code, 'VED_HOST_FORBIDDEN');
  }
  t.equal((await post({ origin: 'http://localhost:80', host: 'localhost:80' })).statusCode, 200);
  t.equal((await post({ origin: 'https://status.example', host: 'localhost' })).statusCode, 403);
  t.equal((await post({ 'sec-fetch-site': 'same-origin' })).statusCode, 200);
  t.equal((await post({})).statusCode, 200);
});

test('a proxy in front is the origin when the settings say so', async (t) => {
  const app = await createTestServer(t, { options: { allowedHosts: ['status.example'] }, apiKeys: [KEY] });
  const authorization = `Bearer ${KEY}`;
  const post = (headers: Record<string, string>) =>
    app.inject({ method: 'POST', url: '/db/init', headers: { ...headers, authorization } });
  t.equal((await post({ host: 'status.example', origin: 'https://status.example' })).statusCode, 200);
  t.equal((await post({ host: '127.0.0.1:8080', origin: 'https://status.example' })).statusCode, 200);
  t.equal((await post({ host: '127.0.0.1:8080', origin: 'https://other.example' })).statusCode, 403);
  t.equal((await post({ host: 'other.example', origin: 'https://other.example' })).statusCode, 403);
});

test('headers that browsers heed', async (t) => {
  const app = await createTestServer(t);
  const { headers } = await app.inject('/health/live');
  t.match(headers['content-security-policy'], /default-src 'none'/);
  t.equal(headers['x-content-type-options'], 'nosniff');
  t.equal(headers['x-frame-options'], 'DENY');
  t.notOk(headers['x-powered-by'] ?? headers['strict-transport-security']);
  t.equal((await app.inject('/website_mock?status=200')).headers['x-content-type-options'], 'nosniff');
});
