import { createServer, type TlsOptions } from 'node:tls';
import { type Test, test } from 'tap';
import { formatProblem } from '../../../src/core/validation.ts';
import { createJobRules } from '../../../src/jobs/rules.ts';
import { monitors } from '../../../src/monitors/index.ts';
import { createGate } from '../../../src/monitors/net/gate.ts';
import { createChain } from '../../helpers/certificates.ts';
import { checkBy, context, listen, pem, serveRaw } from '../support.ts';
import { speaking } from '../tcp/starttls-server.ts';

const ca = pem('ca');
const check = (options: object, more: Parameters<typeof checkBy>[2] = {}) => checkBy('tls', options, more);
const rules = createJobRules({ monitors, context, cronProblem: () => null });
const served = (name: string) => ({ key: pem(name), cert: pem(name) });

function serve(t: Test, options: TlsOptions) {
  const server = createServer(options, (socket) => socket.on('error', () => {}).resume());
  server.on('tlsClientError', () => {});
  return listen(t, server, 'tls', '127.0.0.1');
}

test('a handshake: its version, its chain, how long the certificate is valid', async (t) => {
  const { anchor, middle, leaf, key } = await createChain(t, { leafDays: 20, middleDays: 9 });
  const site = await serve(t, { key, cert: `${leaf}${middle}` });
  const tls = { ca: anchor };
  t.match(await check({ uri: site.uri, tls, names: ['localhost', '127.0.0.1'] }), {
    ...{ outcome: 'up', status: 'TLSv1.3', responseTime: Number, timings: { connect: Number, tls: Number } },
    values: { days_left: 8.9, chain_length: 2 },
    facts: { certificate: { expires_first: 'middle' }, chain: [/^leaf until 20/, /^middle until 20/], cipher: /^TLS_/ },
  });
  t.match(await check({ uri: site.uri, tls: { ...tls, expiry_warning_days: 10 } }), {
    ...{ outcome: 'degraded', reason: 'tls', detail: /middle of the chain expires in 8\.9 days/ },
  });
  t.match(await check({ uri: site.uri, tls, names: ['localhost', 'www.test', '127.0.0.2'] }), {
    ...{ outcome: 'down', reason: 'tls', status: 'TLSv1.3', responseTime: Number },
    ...{ detail: 'the certificate is not valid for www.test, 127.0.0.2', values: { days_left: 8.9 } },
  });
  t.match(await check({ uri: site.uri, tls, max_response_time_seconds: 1e-9 }), {
    outcome: 'degraded',
    reason: 'latency',
  });
  t.match(await check({ uri: site.uri, tls }, { gate: createGate({ mode: 'deny_internal' }) }), {
    ...{ outcome: 'down', reason: 'forbidden_address' },
  });
  await site.quiet();
});

test('an older version than wanted, and one that is not spoken any more', async (t) => {
  const older = await serve(t, { ...served('server'), maxVersion: 'TLSv1.2' });
  const tls = { ca };
  t.match(await check({ uri: older.uri, tls }), { outcome: 'up', status: 'TLSv1.2' });
  t.match(await check({ uri: older.uri, tls, min_version: 1.3 }), {
    ...{ outcome: 'down', reason: 'tls', detail: 'TLSv1.2 was agreed on, accepted: TLSv1.3' },
  });
  const oldest = await serve(t, { ...served('server'), minVersion: 'TLSv1', maxVersion: 'TLSv1.1' });
  t.match(await check({ uri: oldest.uri, tls }), { outcome: 'down', reason: 'tls', responseTime: null });
});

test('certificates that are not accepted are seen without verification', async (t) => {
  for (const name of ['expired', 'elsewhere', 'self']) {
    const site = await serve(t, served(name));
    t.match(await check({ uri: site.uri, tls: { ca } }), { outcome: 'down', reason: 'tls' }, name);
    const seen = await check({ uri: site.uri, tls: { verify: false } });
    t.match(seen, { outcome: 'up', facts: { certificate: { trusted: false } } }, name);
    t.equal((seen.values?.days_left ?? 0) < 0, name === 'expired', name);
  }
});

test('the certificate of a mail server, and servers without TLS', async (t) => {
  const mail = await serveRaw(t, speaking('smtp'), 'tls');
  t.match(await check({ uri: mail.uri, starttls: 'smtp', tls: { ca } }), {
    outcome: 'up',
    values: { days_left: Number },
  });
  const plain = await serveRaw(t, (socket) => socket.resume().end('220 hello\r\n'), 'tls');
  t.match(await check({ uri: plain.uri }), { outcome: 'down', reason: 'tls', status: null });
  const silent = await serveRaw(t, (socket) => socket.resume(), 'tls');
  t.match(await check({ uri: silent.uri }, { timeoutMs: 300 }), { outcome: 'down', reason: 'timeout' });
  await silent.quiet();
});

test('what is wrong with a tls job', async (t) => {
  for (const [definition, problem] of [
    [
      { uri: 'tls://a.test/x' },
      'uri: given "tls://a.test/x", accepted: a tls:// address of a host, perhaps with its port, without a path',
    ],
    [
      { uri: 'tls://a.test', starttls: 'imap' },
      'uri: given "tls://a.test", accepted: a tls:// address of a host and its port, with starttls',
    ],
    [{ uri: 'tls://a.test', min_version: '1.1' }, 'min_version: given "1.1", accepted: one of 1.2, 1.3, 1.2, 1.3'],
    [{ uri: 'tls://a.test', names: ['a b'] }, 'names[0]: given "a b", accepted: a host name or an address'],
    [
      { uri: 'tls://a.test', tls: { cert: pem('server') } },
      'tls.key: given nothing, accepted: tls.cert and tls.key together',
    ],
  ] as const) {
    const result = rules.validate(definition);
    t.strictSame(result.ok ? [] : result.problems.map(formatProblem), [problem]);
  }
  t.match(rules.validate({ uri: 'tls://[::1]' }), { ok: true });
});
