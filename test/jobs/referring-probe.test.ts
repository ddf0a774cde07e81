import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { type Test, test } from 'tap';
import { MASK } from '../../src/core/masking.ts';
import { createPrepare, type ProbedJob } from '../../src/jobs/prepare.ts';
import { monitors } from '../../src/monitors/index.ts';
import type { Probe, ProbeRequest, ProbeResult } from '../../src/monitors/monitor.ts';
import { createSecretStore } from '../../src/secrets/store.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { context, listen, pem, serve, serveTls } from '../monitors/support.ts';

const ref = (name: string): string => `$${`{secret:${name}}`}`;
const TOKEN = 'pa/ss:w@rd ?#&%ä';

/** Prepares jobs whose secrets are the files of a folder. */
function setUp(t: Test, files: Record<string, string>) {
  const clock = createFakeClock();
  const folder = t.testdir(files);
  const places = { folder, file: null, envPrefix: 'VEDETTE_SECRET_', variables: {} };
  const prepare = createPrepare(monitors, context, createSecretStore(places, clock));
  const prepared = (options: object, type = 'http'): Probe => {
    const job: ProbedJob = { jobId: 1, type, options: { ...options }, secrets: [] };
    const before = JSON.stringify(job);
    const probe = prepare(job);
    t.teardown(() => {
      probe.close?.();
      if (JSON.stringify(job) !== before) t.fail('the job has changed');
    });
    return probe;
  };
  return { clock, folder, prepared, check: (options: object) => ask(prepared(options)) };
}

function ask(probe: Probe, more: Partial<ProbeRequest> = {}): Promise<ProbeResult> {
  return probe({ timeoutMs: 5_000, signal: new AbortController().signal, ...more });
}

/** A site that keeps what it was sent, and answers it or what `answer` says. */
async function keepingSite(t: Test, answer?: (request: IncomingMessage, response: ServerResponse) => void) {
  const seen: Array<{ url: string; headers: IncomingMessage['headers']; body: string }> = [];
  const site = await serve(t, (request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text) => {
      body += text;
    });
    request.on('end', () => {
      seen.push({ url: request.url ?? '', headers: request.headers, body });
      if (answer) answer(request, response);
      else response.end('ok');
    });
  });
  return Object.assign(site, { seen });
}

test('a site is sent the values: as they are, and in addresses percent-encoded', async (t) => {
  const site = await keepingSite(t);
  const { check } = setUp(t, { token: `${TOKEN}\n`, plain: 'plain-value', user: 'ann', nested: ref('plain') });
  const host = site.uri.slice('http://'.length);
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
  const cases: Array<[options: object, seen: object]> = [
    [
      {
        uri: site.uri,
        headers: { authorization: `Bearer ${ref('plain')}`, 'x-two': `${ref('user')}=${ref('plain')}` },
      },
      { headers: { authorization: 'Bearer plain-value', 'x-two': 'ann=plain-value' } },
    ],
    [
      { uri: `http://${ref('user')}:${ref('token')}@${host}/a/${ref('token')}?q=${ref('token')}&r=1#${ref('token')}` },
      {
        url: `/a/${encodeURIComponent(TOKEN)}?q=${encodeURIComponent(TOKEN)}&r=1`,
        headers: { authorization: basic(`ann:${TOKEN}`) },
      },
    ],
    [{ uri: `http://${ref('token')}@${host}/` }, { headers: { authorization: basic(`${TOKEN}:`) } }],
    [
      { uri: site.uri, auth: { type: 'basic', username: ref('user'), password: ref('token') } },
      { headers: { authorization: basic(`ann:${TOKEN}`) } },
    ],
    [
      { uri: site.uri, auth: { type: 'bearer', token: ref('plain') } },
      { headers: { authorization: 'Bearer plain-value' } },
    ],
    [
      { uri: site.uri, method: 'POST', body: `{"a":"${ref('token')}","b":"$${ref('token')}","c":"$\{HOME}"}` },
      { body: `{"a":"${TOKEN}","b":"${ref('token')}","c":"$\{HOME}"}` },
    ],
    [{ uri: site.uri, headers: { 'x-nested': ref('nested') } }, { headers: { 'x-nested': ref('plain') } }],
    [{ uri: site.uri, headers: { callback_url: ref('plain') } }, { headers: { callback_url: 'plain-value' } }],
  ];
  for (const [options, seen] of cases) {
    t.match(await check(options), { outcome: 'up' }, JSON.stringify(options));
    t.match(site.seen.at(-1), seen);
  }
});

test('a proxy is told the credentials', async (t) => {
  const asked: string[] = [];
  const proxy = await listen(
    t,
    createServer((request, response) => {
      asked.push(String(request.headers['proxy-authorization']));
      response.end('ok');
    }),
    'http',
    '127.0.0.1',
  );
  const { check } = setUp(t, { user: 'ann', password: TOKEN });
  const address = `http://${ref('user')}:${ref('password')}@127.0.0.1:${proxy.port}`;
  t.match(await check({ uri: 'http://site.test/', proxy: address }), { outcome: 'up' });
  t.strictSame(asked, [`Basic ${Buffer.from(`ann:${TOKEN}`).toString('base64')}`]);
});

test('a client certificate with its key may be secrets', async (t) => {
  const names: unknown[] = [];
  const pair = pem('server');
  const options = { key: pair, cert: pair, ca: pem('ca'), requestCert: true, rejectUnauthorized: true };
  const site = await serveTls(t, options, (request, response) => {
    names.push((request.socket as import('node:tls').TLSSocket).getPeerCertificate().subject?.CN);
    response.end('ok');
  });
  const client = pem('client');
  const { check } = setUp(t, { client, ca: pem('ca'), other: pem('server'), 'no-key': 'text' });
  const tls = { ca: ref('ca'), cert: ref('client'), key: ref('client'), server_name: 'localhost' };
  const good = await check({ uri: site.uri, tls });
  t.match(good, { outcome: 'up' }, JSON.stringify(good));
  t.equal(names.length, 1);
  for (const key of ['other', 'no-key']) {
    t.match(await check({ uri: site.uri, tls: { ...tls, key: ref(key) } }), {
      outcome: 'missed',
      reason: 'internal',
      detail: /^tls\.key cannot be used with secret .*, accepted: (the private key of tls\.cert|a private key in PEM)/,
    });
  }
});

test('without a value nothing is asked of the site, and the result says what is missing and where it was looked for', async (t) => {
  const site = await keepingSite(t);
  const { check, folder } = setUp(t, {
    there: 'value',
    empty: '',
    lines: 'a\nb',
    blank: 'a b',
    huge: 'x'.repeat(60_000),
  });
  const where = (name: string) =>
    `secret ${name}: it is not in ${join(folder, name)}, VEDETTE_SECRET_${name.toUpperCase()}`;
  const header = (text: string) => ({ uri: site.uri, headers: { 'x-a': text } });
  const cases: Array<[options: object, detail: string | RegExp]> = [
    [header(`${ref('there')} ${ref('gone')}`), where('gone')],
    [header(`${ref('gone')}${ref('lost')}`), /^secret gone: it is not in .*/],
    [header(ref('empty')), `secret empty: ${join(folder, 'empty')} is empty`],
    [header(ref('lines')), /^headers\.x-a cannot be used with secret lines, accepted: a header value: one line/],
    [{ uri: site.uri, auth: { type: 'bearer', token: ref('blank') } }, /^auth\.token cannot be used with secret blank/],
    [{ uri: site.uri, method: 'POST', body: ref('huge').repeat(9) }, /^its secrets take more than 524288 characters/],
  ];
  for (const [options, detail] of cases) {
    const result = await check(options);
    t.match(result, { outcome: 'missed', reason: 'internal', status: null, responseTime: null });
    if (typeof detail === 'string') t.equal(result.detail, detail.length > 200 ? `${detail.slice(0, 199)}…` : detail);
    else t.match(result.detail, detail);
  }
  t.strictSame(site.seen, []);
});

test('a changed value is used within ten seconds, on a kept connection, too; a missing one that comes back as well', async (t) => {
  const site = await keepingSite(t);
  const { clock, folder, prepared } = setUp(t, { token: 'first-value' });
  const probe = prepared({ uri: site.uri, keep_alive: true, headers: { 'x-token': ref('token') } });
  t.equal(probe.keeps, true);
  const sent = async () => {
    const result = await ask(probe);
    return result.outcome === 'up' ? site.seen.at(-1)?.headers['x-token'] : result.outcome;
  };
  t.strictSame([await sent(), await sent()], ['first-value', 'first-value']);
  t.equal(site.taken, 1, 'one connection');
  writeFileSync(join(folder, 'token'), 'second-value');
  t.equal(await sent(), 'first-value');
  await clock.advance(5_000);
  t.equal(await sent(), 'second-value');
  await clock.advance(5_000);
  t.equal(await sent(), 'second-value');
  t.equal(site.taken, 2, 'an unchanged value keeps the connection');
  rmSync(join(folder, 'token'));
  await clock.advance(5_000);
  t.equal(await sent(), 'missed');
  writeFileSync(join(folder, 'token'), 'third-value');
  await clock.advance(5_000);
  t.equal(await sent(), 'third-value');
});

test('whatever a site repeats of a value is masked in detail and facts', async (t) => {
  const secrets = { token: TOKEN, code: 'c0d', long: 'x1y2'.repeat(60), lines: 'first\nsecond' };
  const { check } = setUp(t, secrets);
  const repeating = await keepingSite(t, (request, response) => {
    const { authorization = '', 'x-a': plain = '' } = request.headers;
    const url = new URL(request.url ?? '', 'http://a.test');
    if (url.pathname === '/to') return void response.end('ok');
    if (url.searchParams.has('to')) {
      const location = `/to?q=${encodeURIComponent(url.searchParams.get('to') ?? '')}`;
      response.writeHead(302, { location }).end();
    } else response.writeHead(200, { 'x-b': `${authorization} ${plain} ${url.search}` }).end();
  });
  const wrong = { forbidden_headers: { 'x-b': '' } };
  const basic = Buffer.from(`ann:${TOKEN}`).toString('base64');
  const cases: object[] = [
    { headers: { 'x-a': `Bearer ${ref('token')}` } },
    { headers: { 'x-a': ref('code') } },
    { headers: { 'x-a': `${'-'.repeat(150)}${ref('long')}` } },
    { auth: { type: 'basic', username: 'ann', password: ref('token') } },
    { uri: `${repeating.uri}/?q=${ref('token')}` },
    { uri: `${repeating.uri}/?q=${ref('lines')}` },
  ];
  for (const options of cases) {
    const result = await check({ uri: repeating.uri, ...wrong, ...options });
    t.match(result, { outcome: 'down', reason: 'header' });
    t.match(result.detail, MASK, JSON.stringify(options));
    const text = JSON.stringify(result);
    for (const value of [TOKEN, encodeURIComponent(TOKEN), 'c0d', 'x1y2', basic, 'second']) {
      t.notOk(text.includes(value), `${value} of ${JSON.stringify(options)}: ${result.detail}`);
    }
  }
  const redirected = await check({ uri: `${repeating.uri}/?to=${ref('token')}` });
  t.match(redirected, { outcome: 'up', facts: { redirects: [/\/to\?q=\*{8}$/] } });
  const away = await keepingSite(t, (request, response) =>
    response.writeHead(302, { location: `ftp://${request.headers['x-a']}` }).end(),
  );
  const failed = await check({ uri: away.uri, headers: { 'x-a': ref('long') }, redirects: { max: 1 } });
  t.notMatch(JSON.stringify(failed), /x1y2/);
});

test('a job without references is prepared as before', async (t) => {
  const { prepared } = setUp(t, {});
  const site = await keepingSite(t);
  t.match(await ask(prepared({ uri: site.uri, headers: { 'x-a': '$HOME ${secret' } })), { outcome: 'up' });
  t.equal(site.seen[0]?.headers['x-a'], '$HOME ${secret');
});

test('a secret that stands in the job is masked in each form, too', async (t) => {
  const password = 'pa"ss\\word€';
  const server = await listen(
    t,
    createTcpServer((socket) => socket.end(`it was ${password}, ${encodeURIComponent(password)}\r\n`)),
    'telnet',
    '127.0.0.1',
  );
  const { prepared } = setUp(t, {});
  const uri = `telnet://me:${encodeURIComponent(password)}@127.0.0.1:${server.port}`;
  const { detail } = await ask(prepared({ uri }, 'telnet'));
  t.match(detail, /received "it was \*{8}, \*{8}\\r\\n"$/);
  // Half of a pair, which no address can have.
  const steps = [{ send: 'half \ud800 of it', expect: 'none' }];
  const found = await ask(prepared({ uri: `tcp://127.0.0.1:${server.port}`, steps }, 'tcp'));
  t.match(found, { outcome: 'down', reason: 'body' });
});
