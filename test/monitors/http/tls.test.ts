import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { test } from 'tap';
import { peerCertificate } from '../../../src/monitors/net/certificate.ts';
import { createChain } from '../../helpers/certificates.ts';
import { check, pem, serve, serveRaw, serveTls } from '../support.ts';

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

test('the certificate of a connection that is closed is not kept', async (t) => {
  const site = await serveTls(t, served('server'), (_request, response) => response.end('ok'));
  const socket = connect({ host: '127.0.0.1', port: site.port, ca });
  await once(socket, 'secureConnect');
  const certificate = peerCertificate(socket);
  t.match(certificate?.subject, /localhost/);
  t.equal(peerCertificate(socket), certificate);
  socket.destroy();
  await once(socket, 'close');
  t.equal(peerCertificate(socket), undefined);
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

test('names are matched as Node.js matches them: none is accepted or refused that it would not', async (t) => {
  const asked = [
    ...['exact.test', 'EXACT.test', 'a.wild.test', 'b.a.wild.test', 'wild.test', 'foo.part.test', 'bar.part.test'],
    ...['name.test', 'leaf', 'tld', 'xn--wild.test', 'a.xn--wild.test', 'exact.test.', '127.0.0.1'],
  ];
  for (const { names, subject } of [
    { names: 'DNS:exact.test,DNS:*.wild.test,DNS:f*.part.test,DNS:*.tld,DNS:*.xn--wild.test', subject: 'name.test' },
    { names: 'IP:127.0.0.1,URI:https://exact.test/', subject: 'exact.test' },
    { names: 'email:a@exact.test', subject: '*.wild.test' },
    { names: '', subject: 'exact.test' },
  ]) {
    const chain = await createChain(t, { leafDays: 30, middleDays: 30, names, subject });
    const options = { key: chain.key, cert: `${chain.leaf}${chain.middle}` };
    const site = await serveTls(t, options, (_request, response) => response.end('ok'));
    const ca = chain.anchor as string;
    for (const name of asked) {
      const isAccepted = await new Promise<boolean>((resolve) => {
        const servername = name === '127.0.0.1' ? '' : name.replace(/\.$/, '');
        const socket = connect({ host: '127.0.0.1', port: site.port, servername, ca });
        socket.on('secureConnect', () => resolve(true)).on('error', () => resolve(false));
        socket.on('secureConnect', () => socket.destroy());
      });
      const tls = { ca, server_name: name };
      const refused = { outcome: 'down', reason: 'tls', detail: /^ERR_TLS_CERT_ALTNAME_INVALID: / };
      t.match(await check({ uri: site.uri, tls }), isAccepted ? { outcome: 'up' } : refused, `${names}: ${name}`);
    }
    await site.quiet();
  }
});

test('only pinned public keys are accepted, whatever the authority says, and after the handshake', async (t) => {
  const site = await serveTls(t, served('server'), (_request, response) => response.end('ok'));
  const pin = (name: string) => {
    const key = new X509Certificate(pem(name)).publicKey.export({ type: 'spki', format: 'der' });
    return `sha256/${createHash('sha256').update(key).digest('base64')}`;
  };
  const detail = `the public key is ${pin('server')}, which is not pinned`;
  for (const [tls, expected] of [
    [{ ca, pins: [pin('server')] }, { outcome: 'up' }],
    [{ verify: false, pins: [pin('ca'), pin('server')] }, { outcome: 'up' }],
    [
      { ca, pins: [pin('self')] },
      { outcome: 'down', reason: 'tls', timings: { connect: Number }, detail },
    ],
    [
      { verify: false, pins: [pin('self')] },
      { outcome: 'down', reason: 'tls', detail },
    ],
    [
      { ca, pins: [pin('ca')] },
      { outcome: 'down', reason: 'tls', detail },
    ],
    [{ pins: [pin('server')] }, { outcome: 'down', reason: 'tls', detail: /^UNABLE_TO_VERIFY_LEAF_SIGNATURE/ }],
  ] as const) {
    t.match(await check({ uri: site.uri, tls: { ...tls, pins: [...tls.pins] } }), expected, JSON.stringify(expected));
    await site.quiet();
  }
  const requests = await serveTls(t, served('self'), (_request, response) => response.end('other'));
  const first = await serveTls(t, served('server'), (_request, response) => {
    response.writeHead(302, { location: requests.uri }).end();
  });
  const followed = { uri: first.uri, pattern: 'other', tls: { verify: false, pins: [pin('server')] } };
  t.match(await check(followed), { outcome: 'up' }, 'another origin may have another key');
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

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
  test(`${maxVersion}: a client certificate is shown to who asks for it`, async (t) => {
    const site = await serveTls(
      t,
      { ...served('server'), ca, requestCert: true, rejectUnauthorized: true, maxVersion },
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

for (const [name, dates] of [
  ['not-after-is-no-date', { valid_from: '2026-11-28T13:41:13.000Z', valid_to: null, days_left: null }],
  ['not-before-is-no-date', { valid_from: null, valid_to: '2126-11-04T13:41:13.000Z', days_left: Number }],
] as const) {
  test(`a certificate whose date cannot be read is a fact (${name})`, async (t) => {
    const site = await serveTls(t, { key: pem('no-date-key'), cert: pem(name) }, (_request, response) =>
      response.end(),
    );
    const tls = { verify: false, expiry_warning_days: 14 };
    const certificate = { subject: 'localhost', issuer: 'localhost', trusted: false, ...dates };
    const isDated = dates.days_left !== null;
    const result = isDated
      ? { outcome: 'up' }
      : { outcome: 'degraded', reason: 'tls', detail: 'certificate has no expiry date that can be read' };
    t.match(await check({ uri: site.uri, tls }), { ...result, facts: { certificate } });
    t.match(await check({ uri: site.uri, tls }, { slotTag: '1/1' }), result);
    t.match(await check({ uri: site.uri, tls: { verify: false } }), { outcome: 'up', facts: { certificate } });
    t.match(await check({ uri: site.uri }), { outcome: 'down', reason: 'tls' });
  });
}

test('the certificate of the chain that expires first is the one that counts', async (t) => {
  const { anchor, leaf, key, middle, stray } = await createChain(t, { leafDays: 90, middleDays: 20 });
  const expiry = (days: number) => ({ ca: anchor, expiry_warning_days: days });
  for (const cert of [leaf + middle, leaf + stray + middle]) {
    const site = await serveTls(t, { key, cert }, (_request, response) => response.end());
    t.match(await check({ uri: site.uri, tls: expiry(30) }), {
      outcome: 'degraded',
      reason: 'tls',
      detail: /^certificate middle of the chain expires in (19\.9|20) days$/,
      facts: { certificate: { subject: 'leaf', expires_first: 'middle' } },
    });
    t.match(
      await check({ uri: site.uri, tls: expiry(15) }),
      { outcome: 'up' },
      'one that is not of the path says nothing',
    );
    await site.quiet();
  }
});
