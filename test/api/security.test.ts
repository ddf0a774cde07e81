import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { test } from 'tap';
import { createTestServer, type TestServerOptions } from './test-server.ts';

const KEY = 'correct-horse-battery';
const keyed = (apiKeys: string[]): TestServerOptions => ({ options: { loopback: false, apiKeys } });

test('routes that change things need a key, reading needs none', async (t) => {
  const app = await createTestServer(t, keyed([KEY]));
  const changes: ReadonlyArray<[string, string]> = [
    ['POST', '/job'],
    ['PUT', '/job/1'],
    ['PATCH', '/job/1'],
    ['DELETE', '/job/1'],
    ['POST', '/job/1/start'],
    ['POST', '/job/1/stop'],
    ['POST', '/job/1/check'],
    ['POST', '/db/init'],
  ];
  for (const [method, url] of changes) {
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
  for (const url of ['/', '/job/1', '/openapi.json', '/health/live']) {
    t.not((await app.inject(url)).statusCode, 401, url);
  }
});

test('keys may be given as hashes; without any, the answer says so', async (t) => {
  const hash = createHash('sha256').update(KEY).digest('hex');
  const hashed = await createTestServer(t, keyed(['another-key-of-somebody', `sha256:${hash}`]));
  const send = (app: typeof hashed, key: string) =>
    app.inject({ method: 'POST', url: '/db/init', headers: { authorization: `Bearer ${key}` } });
  t.equal((await send(hashed, KEY)).statusCode, 200);
  t.equal((await send(hashed, `sha256:${hash}`)).statusCode, 401, 'the hash is no key');
  t.equal((await send(hashed, hash)).statusCode, 401);
  const keyless = await createTestServer(t, keyed([]));
  t.match((await send(keyless, KEY)).json(), { statusCode: 401, message: /no API key yet/ });
});

test('a loopback server without keys needs none; with one, changes need it', async (t) => {
  const open = await createTestServer(t);
  t.equal((await open.inject({ method: 'POST', url: '/db/init' })).statusCode, 200);
  const closed = await createTestServer(t, { options: { apiKeys: [KEY] } });
  t.equal((await closed.inject({ method: 'POST', url: '/db/init' })).statusCode, 401);
  t.equal((await closed.inject('/job/1')).statusCode, 404);
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
  const app = await createTestServer(t, { options: { allowedHosts: ['status.example'] } });
  const post = (headers: Record<string, string>) => app.inject({ method: 'POST', url: '/db/init', headers });
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
