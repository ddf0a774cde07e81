import { spawn } from 'node:child_process';
import { constants, createHash, randomBytes, X509Certificate } from 'node:crypto';
import type { ServerOptions } from 'node:https';
import { createServer } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type Test, test } from 'tap';
import type { ProbeResult } from '../../../src/monitors/monitor.ts';
import { createChain } from '../../helpers/certificates.ts';
import { pem, prepare, serveTls } from '../support.ts';

const ca = pem('ca');
const served = (name: string) => ({ key: pem(name), cert: pem(name) });
const pinOf = (cert: string) => {
  const key = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256/${createHash('sha256').update(key).digest('base64')}`;
};
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const run = (probe: ReturnType<typeof prepare>, slotTag?: string) =>
  probe({ timeoutMs: 5_000, signal: new AbortController().signal, ...(slotTag === undefined ? {} : { slotTag }) });

/** `full`, `resumed`, or what else became of a check. */
function handshakeOf({ outcome, detail, timings }: ProbeResult): string {
  const kinds = [timings.tls === undefined ? [] : 'full', timings.tls_resumed === undefined ? [] : 'resumed'].flat();
  return [...kinds, ...(outcome === 'up' ? [] : [outcome, detail])].join(' ');
}

async function handshakesOf(probe: ReturnType<typeof prepare>, count: number): Promise<string[]> {
  const found: string[] = [];
  for (let n = 0; n < count; n++) found.push(handshakeOf(await run(probe, `1/${n}`)));
  return found;
}

/** A site that notes of each of its handshakes whether it resumed a session. */
async function serveSite(t: Test, options: ServerOptions, place?: { host: string; port: number }) {
  const seen: string[] = [];
  const site = await serveTls(
    t,
    { ...served('server'), ...options },
    ({ url = '' }, response) => {
      if (!url.startsWith('/to?')) response.end('ok');
      else response.writeHead(302, { location: decodeURIComponent(url.slice(4)) }).end();
    },
    place,
  );
  site.server.on('secureConnection', (socket) => seen.push(socket.isSessionReused() ? 'resumed' : 'full'));
  return Object.assign(site, { seen });
}

function job(t: Test, options: { uri: string; tls?: object; [name: string]: unknown }, more = {}) {
  const probe = prepare({ ...options, tls: { ca, resume: true, ...options.tls } }, more);
  t.teardown(() => probe.close?.());
  return probe;
}

/** Runs `during` with a clock that is ahead. */
async function ahead<T>(ms: number, during: () => Promise<T>): Promise<T> {
  const real = Date.now;
  Date.now = () => real() + ms;
  try {
    return await during();
  } finally {
    Date.now = real;
  }
}

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
  for (const strict of [false, true])
    test(`${maxVersion}, ${strict ? 'strict' : 'lenient'}: the second check resumes the session of the first`, async (t) => {
      const site = await serveSite(t, { maxVersion });
      const probe = job(t, { uri: site.uri, strict });
      t.strictSame(await handshakesOf(probe, 3), ['full', 'resumed', 'resumed']);
      t.strictSame(site.seen, ['full', 'resumed', 'resumed'], 'and the site agrees');
      const facts = (await run(probe)).facts;
      t.match(
        facts,
        {
          certificate: { subject: 'localhost', issuer: 'Vedette test authority', trusted: true, protocol: maxVersion },
        },
        'with the certificate of the full handshake',
      );
      t.strictSame(facts, (await run(job(t, { uri: site.uri, strict }))).facts);
      t.equal(site.taken, 5, 'each check has a connection of its own');
      probe.close?.();
      t.equal(handshakeOf(await run(probe)), 'full', 'it ends with the series');
      const plain = prepare({ uri: site.uri, strict, tls: { ca } });
      t.strictSame(await handshakesOf(plain, 2), ['full', 'full'], 'only where it is wanted');
    });

test('a probe that resumes sessions is kept for its series', async (t) => {
  t.equal(prepare({ uri: 'https://127.0.0.1/', tls: { resume: true } }).keeps, true);
  t.equal(prepare({ uri: 'https://127.0.0.1/', tls: { resume: false } }).keeps, false);
});

test('sites that resume by session id, and those that cannot resume', async (t) => {
  const secureOptions = constants.SSL_OP_NO_TICKET;
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const site = await serveSite(t, { maxVersion, secureOptions });
    t.strictSame(await handshakesOf(job(t, { uri: site.uri }), 3), ['full', 'full', 'full'], `${maxVersion}: none`);
    t.equal(site.taken, 3, 'a refused session costs no connection');
    const known = new Map<string, Buffer>();
    const other = await serveSite(t, { maxVersion, secureOptions });
    other.server.on('newSession', (id, session, done) => {
      known.set(id.toString('hex'), session);
      done();
    });
    other.server.on('resumeSession', (id, done) => done(null, known.get(id.toString('hex')) ?? null));
    if (maxVersion === 'TLSv1.2') {
      t.strictSame(await handshakesOf(job(t, { uri: other.uri }), 3), ['full', 'resumed', 'resumed'], 'by id');
    }
  }
});

test('a restarted site refuses the session in the same connection: a full handshake, and the next is resumed', async (t) => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const site = await serveSite(t, { maxVersion });
    const probe = job(t, { uri: site.uri });
    t.strictSame(await handshakesOf(probe, 2), ['full', 'resumed']);
    site.server.setTicketKeys(randomBytes(48));
    t.strictSame(await handshakesOf(probe, 2), ['full', 'resumed'], maxVersion);
    t.equal(site.taken, 4);
    site.server.setTicketKeys(randomBytes(48));
    site.server.setSecureContext(served('expired'));
    const expired = await run(probe);
    t.match(expired, { outcome: 'down', reason: 'tls', detail: /^CERT_HAS_EXPIRED/ }, 'its certificate is verified');
  }
});

test('a full handshake comes when the last one is too old, and sees the new certificate', async (t) => {
  const ticketKeys = randomBytes(48);
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const site = await serveSite(t, { maxVersion, ticketKeys });
    const brief = job(t, { uri: site.uri, tls: { full_handshake_seconds: 1 } });
    const long = job(t, { uri: site.uri });
    t.strictSame(await handshakesOf(brief, 2), ['full', 'resumed']);
    t.strictSame(await handshakesOf(long, 1), ['full']);
    site.server.setSecureContext({ ...served('expired'), ticketKeys, maxVersion });
    await pause(1_000);
    t.match(await run(brief), { outcome: 'down', detail: /^CERT_HAS_EXPIRED/ }, maxVersion);
    t.strictSame(await handshakesOf(long, 1), ['resumed'], 'until then the old one counts');
    await ahead(290_000, async () => t.strictSame(await handshakesOf(long, 1), ['resumed'], 'for nearly 300 seconds'));
    await ahead(300_000, async () => t.match(await run(long), { outcome: 'down', detail: /^CERT_HAS_EXPIRED/ }));
  }
});

test('resumed sessions do not make the full handshake younger, and a clock that is set back makes it due', async (t) => {
  const site = await serveSite(t, {});
  const probe = job(t, { uri: site.uri });
  t.strictSame(await handshakesOf(probe, 1), ['full']);
  for (const seconds of [100, 200, 290]) {
    await ahead(seconds * 1_000, async () => t.strictSame(await handshakesOf(probe, 1), ['resumed']));
  }
  await ahead(301_000, async () => t.strictSame(await handshakesOf(probe, 2), ['full', 'resumed']));
  t.strictSame(await handshakesOf(probe, 2), ['full', 'resumed'], 'the last one lies in the future');
});

test('a certificate that has expired since then is not relied on, nor any of its chain', async (t) => {
  for (const [leafDays, middleDays] of [
    [1, 30],
    [30, 1],
  ] as const) {
    const { anchor, leaf, middle, key } = await createChain(t, { leafDays, middleDays });
    const site = await serveSite(t, { key, cert: `${leaf}${middle}` });
    const probe = job(t, { uri: site.uri, tls: { ca: anchor, full_handshake_seconds: 86_400 } });
    const [first = ''] = leafDays === 1 ? [leaf] : [middle];
    const expiresInMs = () => Date.parse(new X509Certificate(first).validTo) - Date.now();
    t.strictSame(await handshakesOf(probe, 2), ['full', 'resumed']);
    await ahead(expiresInMs() - 10_000, async () => t.strictSame(await handshakesOf(probe, 1), ['resumed']));
    await ahead(expiresInMs() + 1, async () => t.strictSame(await handshakesOf(probe, 1), ['full']));
  }
});

test('what is said of the certificate is what the full handshake has shown', async (t) => {
  const { anchor, leaf, middle, key } = await createChain(t, { leafDays: 90, middleDays: 20 });
  const chained = await serveSite(t, { key, cert: `${leaf}${middle}` });
  const warned = job(t, { uri: chained.uri, tls: { ca: anchor, expiry_warning_days: 30 } });
  const detail = /^certificate middle of the chain expires in (19\.9|20) days$/;
  t.match(await run(warned, '1/1'), { outcome: 'degraded', reason: 'tls', timings: { tls: Number }, detail });
  t.match(await run(warned, '1/2'), { outcome: 'degraded', reason: 'tls', timings: { tls_resumed: Number }, detail });
  for (const name of ['self', 'elsewhere', 'expired']) {
    const site = await serveSite(t, served(name));
    const probe = job(t, { uri: site.uri, tls: { verify: false } });
    t.match(await run(probe), { outcome: 'up', facts: { certificate: { trusted: false } } });
    const second = await run(probe);
    t.match(second, { outcome: 'up', facts: { certificate: { trusted: false } } }, `${name} is not trusted later`);
    if (name !== 'expired') t.equal(handshakeOf(second), 'resumed');
  }
});

test('pins hold for resumed sessions, and a refused certificate leaves none', async (t) => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const site = await serveSite(t, { maxVersion });
    const pinned = job(t, { uri: site.uri, tls: { pins: [pinOf(pem('server'))] } });
    t.strictSame(await handshakesOf(pinned, 2), ['full', 'resumed']);
    const other = job(t, { uri: site.uri, tls: { pins: [pinOf(pem('self'))] } });
    for (let n = 0; n < 2; n++) t.match(await run(other), { outcome: 'down', detail: /which is not pinned$/ });
    t.notOk(site.seen.slice(2).includes('resumed'), maxVersion);
    const unknown = job(t, { uri: site.uri, tls: { server_name: 'other.test' } });
    for (let n = 0; n < 2; n++)
      t.match(await run(unknown), { outcome: 'down', detail: /^ERR_TLS_CERT_ALTNAME_INVALID/ });
    t.notOk(site.seen.slice(4).includes('resumed'));
  }
});

test('a session is not used for another name, though its address and port are the same', async (t) => {
  const names = { resolve: async () => ['127.0.0.1'] };
  const site = await serveSite(t, {});
  const to = (host: string) => `${site.uri}/to?${encodeURIComponent(`https://${host}:${site.port}/`)}`;
  const elsewhere = job(t, { uri: to('other.test') }, { names });
  for (let n = 0; n < 2; n++) {
    t.match(await run(elsewhere), { outcome: 'down', reason: 'tls', detail: /^ERR_TLS_CERT_ALTNAME_INVALID/ });
  }
  const both = job(t, { uri: to('localhost') }, { names });
  t.strictSame(await handshakesOf(both, 2), ['full', 'resumed'], 'each name has its own');
  const itself = job(t, { uri: to('127.0.0.1') });
  t.strictSame(
    await handshakesOf(itself, 2),
    ['full resumed', 'resumed'],
    'a redirect within the site resumes at once',
  );
});

test('sessions of few hosts are kept', async (t) => {
  const site = await serveSite(t, {});
  const names = { resolve: async () => ['127.0.0.1'] };
  const through = (count: number) => {
    let uri = `https://host${count}.test:${site.port}/`;
    for (let n = count - 1; n > 0; n--) uri = `https://host${n}.test:${site.port}/to?${encodeURIComponent(uri)}`;
    return job(t, { uri, tls: { verify: false } }, { names });
  };
  t.strictSame(await handshakesOf(through(4), 2), ['full', 'resumed']);
  t.strictSame(await handshakesOf(through(5), 2), ['full', 'full']);
});

test('a failed check is followed by a full handshake, a degraded one is not', async (t) => {
  let status = 200;
  const site = await serveTls(t, served('server'), (_request, response) => response.writeHead(status).end('ok'));
  const probe = job(t, { uri: site.uri });
  t.strictSame(await handshakesOf(probe, 2), ['full', 'resumed']);
  status = 500;
  t.match(await run(probe), { outcome: 'down', timings: { tls_resumed: Number } });
  status = 200;
  t.strictSame(await handshakesOf(probe, 2), ['full', 'resumed']);
  const slow = job(t, { uri: site.uri, max_response_time_seconds: 1e-6 });
  t.match(await run(slow), { outcome: 'degraded', timings: { tls: Number } });
  t.match(await run(slow), { outcome: 'degraded', timings: { tls_resumed: Number } });
});

test('another address, and a client certificate', async (t) => {
  const ticketKeys = randomBytes(48);
  const site = await serveSite(t, { ticketKeys });
  const other = await serveSite(t, { ticketKeys }, { host: '127.0.0.2', port: site.port });
  let address = '127.0.0.1';
  const names = { resolve: async () => [address] };
  const probe = job(t, { uri: `https://localhost:${site.port}/` }, { names });
  t.strictSame(await handshakesOf(probe, 2), ['full', 'resumed']);
  address = '127.0.0.2';
  t.strictSame(await handshakesOf(probe, 2), ['full', 'resumed']);
  t.strictSame(other.seen, ['full', 'resumed']);
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const asking = await serveTls(
      t,
      { ...served('server'), ca, requestCert: true, rejectUnauthorized: true, maxVersion },
      (request, response) => response.end((request.socket as TLSSocket).getPeerCertificate().subject?.CN),
    );
    const client = { cert: pem('client'), key: pem('client') };
    const shown = job(t, { uri: asking.uri, pattern: 'a client', tls: client });
    t.strictSame(await handshakesOf(shown, 2), ['full', 'resumed'], maxVersion);
    const without = job(t, { uri: asking.uri });
    for (let n = 0; n < 2; n++) t.match(await run(without), { outcome: 'down', reason: 'tls' });
  }
});

test('a kept connection does not put off the full handshake', async (t) => {
  for (const strict of [false, true]) {
    const site = await serveSite(t, {});
    const probe = job(t, { uri: site.uri, keep_alive: true, strict });
    t.match(await run(probe), { timings: { tls: Number }, facts: { connection: 'fresh' } });
    t.match(await run(probe), { outcome: 'up', facts: { connection: 'kept alive' } });
    await ahead(300_000, async () => {
      t.match(await run(probe), { outcome: 'up', timings: { tls: Number }, facts: { connection: 'fresh' } });
      t.match(await run(probe), { outcome: 'up', facts: { connection: 'kept alive' } });
    });
  }
});

test('a certificate without a date that can be read is not relied on, and its connection is kept', async (t) => {
  const site = await serveSite(t, { key: pem('no-date-key'), cert: pem('not-after-is-no-date') });
  t.strictSame(await handshakesOf(job(t, { uri: site.uri, tls: { verify: false } }), 2), ['full', 'full']);
  const kept = job(t, { uri: site.uri, keep_alive: true, tls: { verify: false } });
  t.match(await run(kept), { facts: { connection: 'fresh' } });
  t.match(await run(kept), { facts: { connection: 'kept alive' } });
});

test('a site that breaks off when a session is offered is down, and up again with a full handshake', async (t) => {
  const site = await serveSite(t, { maxVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_TICKET });
  const known = new Set<string>();
  site.server.on('newSession', (id, _session, done) => {
    known.add(id.toString('hex'));
    done();
  });
  // Clients of TLS 1.3 send an id that means nothing, too.
  site.server.on('resumeSession', (id, done) => done(known.has(id.toString('hex')) ? new Error('broken') : null, null));
  const broken = 'down ECONNRESET: connection closed during the TLS handshake';
  const probe = job(t, { uri: site.uri });
  t.strictSame(await handshakesOf(probe, 4), ['full', broken, 'full', broken]);
});

test('hostile sites: sessions of any size, and any number of them', async (t) => {
  for (const [count, expected] of [
    [150, ['full', 'resumed']],
    [700, ['full', 'full']],
  ] as const) {
    const many = Array.from({ length: count }, (_, n) => `DNS:a-name-that-takes-room-${n}.test`).join(',');
    const large = await createChain(t, { leafDays: 30, middleDays: 30, names: `IP:127.0.0.1,${many}` });
    const site = await serveSite(t, { key: large.key, cert: `${large.leaf}${large.middle}` });
    const probe = job(t, { uri: site.uri, tls: { ca: large.anchor } });
    t.strictSame(await handshakesOf(probe, 2), expected, `a certificate of ${count} names`);
  }
  for (const strict of [false, true])
    for (const [tickets, outcome] of [
      [0, ['full', 'full']],
      [5, ['full', 'resumed']],
      [64, ['full', 'resumed']],
      [65, Array(2).fill('full down more than 64 session tickets')],
      [1_000, Array(2).fill('full down more than 64 session tickets')],
    ] as const) {
      const uri = await serveTickets(t, tickets);
      t.strictSame(await handshakesOf(job(t, { uri, strict }), 2), outcome, `${tickets} tickets`);
      t.strictSame(await handshakesOf(prepare({ uri, strict, tls: { ca } }), 1), ['full']);
    }
});

/** A site by openssl, which sends so many tickets in each handshake. */
async function serveTickets(t: Test, count: number): Promise<string> {
  const probing = createServer();
  const port = await new Promise<number>((resolve) => {
    probing.listen(0, '127.0.0.1', () => resolve((probing.address() as { port: number }).port));
  });
  await new Promise((resolve) => probing.close(resolve));
  const key = new URL('../../fixtures/tls/server.pem', import.meta.url).pathname;
  const options = ['-accept', `127.0.0.1:${port}`, '-cert', key, '-key', key, '-tls1_3', '-www', '-num_tickets'];
  const server = spawn('openssl', ['s_server', ...options, `${count}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => server.kill('SIGKILL'));
  await new Promise<void>((resolve) => {
    server.stdout.on('data', (text: Buffer) => text.includes('ACCEPT') && resolve());
  });
  return `https://127.0.0.1:${port}`;
}
