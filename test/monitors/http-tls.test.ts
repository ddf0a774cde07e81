import type { TLSSocket } from 'node:tls';
import { test } from 'tap';
import { check, pem, serve, serveRaw, serveTls } from './support.ts';

const ca = pem('ca');
const served = (name: string) => ({ key: pem(name), cert: pem(name) });

test('a good certificate: its phase and its facts', async (t) => {
  const site = await serveTls(t, served('server'), (_request, response) => response.end('ok'));
  const result = await check({ uri: site.uri, tls: { ca } });
  t.match(result, {
    outcome: 'up',
    timings: { connect: Number, tls: Number, ttfb: Number },
    facts: {
      certificate: {
        subject: 'localhost',
        issuer: 'Vedette test authority',
        valid_to: '2125-01-01T00:00:00.000Z',
        days_left: Number,
        trusted: true,
        protocol: 'TLSv1.3',
      },
    },
  });
  await site.quiet();
  t.match(await check({ uri: `https://localhost:${site.port}/`, tls: { ca } }), { outcome: 'up' }, 'by its name');
});

test('certificates that are not accepted, each with its fault', async (t) => {
  for (const [name, tls, detail] of [
    ['expired', { ca }, 'CERT_HAS_EXPIRED: certificate has expired'],
    ['elsewhere', { ca }, /^ERR_TLS_CERT_ALTNAME_INVALID: Hostname\/IP does not match/],
    ['self', {}, 'DEPTH_ZERO_SELF_SIGNED_CERT: self-signed certificate'],
    ['server', {}, /^UNABLE_TO_VERIFY_LEAF_SIGNATURE: unable to verify the first certificate/],
  ] as const) {
    const site = await serveTls(t, served(name), (_request, response) => response.end('ok'));
    t.match(
      await check({ uri: site.uri, tls }),
      { outcome: 'down', reason: 'tls', status: null, responseTime: null, timings: { connect: Number }, detail },
      name,
    );
    t.match(await check({ uri: site.uri, tls: { verify: false } }), { outcome: 'up' }, `${name}, not verified`);
    await site.quiet();
  }
});

test('a certificate that expires soon is degraded', async (t) => {
  const site = await serveTls(t, served('server'), (_request, response) => response.end('ok'));
  t.match(await check({ uri: site.uri, tls: { ca, expiry_warning_days: 36_500 } }, { slotTag: '1/1' }), {
    outcome: 'degraded',
    reason: 'tls',
    detail: /^certificate expires in \d+(\.\d)? days$/,
  });
  t.match(await check({ uri: site.uri, tls: { ca, expiry_warning_days: 30 } }), { outcome: 'up' });
});

test('the server name is asked for and expected', async (t) => {
  let asked: string | false | null = null;
  const site = await serveTls(t, served('server'), (request, response) => {
    asked = (request.socket as TLSSocket & { servername: string | false }).servername;
    response.end();
  });
  t.match(await check({ uri: site.uri, tls: { ca, server_name: 'site.test' } }), { outcome: 'up' });
  t.equal(asked, 'site.test');
  t.match(await check({ uri: site.uri, tls: { ca, server_name: 'other.test' } }), { outcome: 'down', reason: 'tls' });
  t.match(await check({ uri: site.uri, tls: { ca } }), { outcome: 'up' });
  t.notOk(asked, 'an address is no server name');
});

test('a client certificate is shown to who asks for it', async (t) => {
  const site = await serveTls(
    t,
    // With TLS 1.3 the client learns of it only after the handshake, from a connection that breaks.
    { ...served('server'), ca, requestCert: true, rejectUnauthorized: true, maxVersion: 'TLSv1.2' },
    (request, response) => response.end((request.socket as TLSSocket).getPeerCertificate().subject.CN),
  );
  const client = { cert: pem('client'), key: pem('client') };
  t.match(await check({ uri: site.uri, pattern: 'a client', tls: { ca, ...client } }), { outcome: 'up' });
  t.match(await check({ uri: site.uri, tls: { ca } }), { outcome: 'down', reason: 'tls', status: null });
  await site.quiet();
});

test('no TLS where it was expected, and a handshake that never ends', async (t) => {
  const plain = await serve(t, (_request, response) => response.end('ok'));
  t.match(await check({ uri: plain.uri.replace('http', 'https') }), {
    outcome: 'down',
    reason: 'tls',
    detail: /wrong version number|packet length too long/,
  });
  const closing = await serveRaw(t, (socket) => socket.once('data', () => socket.end()));
  t.match(await check({ uri: closing.uri.replace('http', 'https') }), {
    outcome: 'down',
    reason: 'tls',
    detail: 'ECONNRESET: connection closed during the TLS handshake',
  });
  const silent = await serveRaw(t, (socket) => socket.resume());
  t.match(await check({ uri: silent.uri.replace('http', 'https') }, { timeoutMs: 50 }), {
    outcome: 'down',
    reason: 'timeout',
    timings: { connect: Number },
  });
  await silent.quiet();
});
