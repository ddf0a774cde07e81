import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { test } from 'tap';
import { formatProblem } from '../../../src/core/validation.ts';
import { createJobRules } from '../../../src/jobs/rules.ts';
import { monitors } from '../../../src/monitors/index.ts';
import { createGate } from '../../../src/monitors/net/gate.ts';
import { STARTTLS_PROTOCOLS } from '../../../src/monitors/net/trial/starttls.ts';
import { checkBy, context, listen, pem, serveRaw } from '../support.ts';
import { speaking } from './starttls-server.ts';

const ca = pem('ca');
const check = (options: object, more: Parameters<typeof checkBy>[2] = {}) => checkBy('tcp', options, more);
const rules = createJobRules({ monitors, context, cronProblem: () => null });
/** A server that answers lines. */
const mail = (socket: Socket) => {
  socket.write('220 mail.test ready\r\n');
  socket.on('data', (chunk) => socket.write(/^QUIT/.test(chunk.toString()) ? '221 bye\r\n' : '500 what?\r\n'));
};

test('a port that takes connections is up; one that does not is down', async (t) => {
  const site = await serveRaw(t, () => {}, 'tcp');
  const up = await check({ uri: site.uri });
  t.match(up, { outcome: 'up', status: null, responseTime: Number, timings: { connect: Number } });
  t.match(up.facts, { remote_address: '127.0.0.1' });
  t.strictSame(Object.keys(up.timings), ['connect']);
  t.equal((await check({ uri: site.uri }, { slotTag: '1/2' })).facts, undefined);
  await site.quiet();
  t.match(await check({ uri: 'tcp://127.0.0.99:9' }), { outcome: 'down', reason: 'connect', detail: /ECONNREFUSED/ });
  t.match(await check({ uri: 'tcp://127.1.invalid:9' }, { names: refusing }), { outcome: 'down', reason: 'dns' });
  const gate = createGate({ mode: 'deny_internal' });
  t.match(await check({ uri: site.uri }, { gate }), { outcome: 'down', reason: 'forbidden_address' });
  t.match(await check({ uri: site.uri, max_response_time_seconds: 1e-9 }), { outcome: 'degraded', reason: 'latency' });
});

const refusing = { resolve: async () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })) };

test('steps: what is sent, what must come', async (t) => {
  const site = await serveRaw(t, mail, 'tcp');
  const quit = { send: 'QUIT\r\n', expect: '^221 (?i)BYE' };
  const up = await check({ uri: site.uri, steps: [{ expect: '^220 .*ready' }, quit] });
  t.match(up, { outcome: 'up', bytes: 30, timings: { connect: Number, ttfb: Number } });
  t.match(
    await check({ uri: site.uri, steps: [{ expect: 'mail' }, { expect: 'ready' }] }),
    { outcome: 'up' },
    'both in one text',
  );
  t.match(await check({ uri: site.uri, steps: [{ send: 'HELO\r\n', expect: '500' }] }), { outcome: 'up' });
  t.match(await check({ uri: site.uri, steps: [{ expect: 'ready' }, quit, { expect: '220' }] }, { timeoutMs: 200 }), {
    ...{ outcome: 'down', reason: 'timeout', responseTime: null, detail: 'no expected text of step 3 within 200 ms' },
  });
  await site.quiet();
  const closing = await serveRaw(t, (socket) => socket.end('go \u202eaway\n'), 'tcp');
  t.match(await check({ uri: closing.uri, steps: [{ expect: 'hello' }] }), {
    ...{ outcome: 'down', reason: 'body' },
    detail: 'step 1: pattern not found before the connection closed, received "go  away\\n"',
  });
  t.match(await check({ uri: closing.uri, steps: [{ expect: 'away' }] }), { outcome: 'up' });
});

test('TLS at once, and agreed on by each protocol', async (t) => {
  const server = createTlsServer({ key: pem('server'), cert: pem('server') }, (socket) => socket.end('secret\r\n'));
  const site = await listen(t, server, 'tcps', '127.0.0.1');
  const steps = [{ expect: '^secret' }];
  const up = await check({ uri: site.uri, tls: { ca }, steps });
  t.match(up, { outcome: 'up', timings: { tls: Number, ttfb: Number }, facts: { certificate: { trusted: true } } });
  t.ok((up.values?.days_left ?? 0) > 1_000);
  t.match(await check({ uri: site.uri, steps }), { outcome: 'down', reason: 'tls' });
  t.match(await check({ uri: site.uri, tls: { ca, expiry_warning_days: 36_500 } }), {
    outcome: 'degraded',
    reason: 'tls',
  });

  for (const protocol of STARTTLS_PROTOCOLS) {
    const plain = await serveRaw(t, speaking(protocol), 'tcp');
    t.match(
      await check({ uri: plain.uri, starttls: protocol, tls: { ca }, steps }),
      {
        ...{ outcome: 'up', timings: { connect: Number, ttfb: Number, tls: Number }, values: { days_left: Number } },
      },
      protocol,
    );
    t.match(
      await check({ uri: plain.uri, starttls: protocol }),
      { outcome: 'down', reason: 'tls' },
      `${protocol}, not verified`,
    );
    if (protocol === 'imap') continue; // It names its commands otherwise.
    const openssl = spawn('openssl', [
      's_client',
      '-starttls',
      protocol,
      '-quiet',
      '-connect',
      `127.0.0.1:${plain.port}`,
    ]);
    let shown = '';
    openssl.stdout.on('data', (chunk) => {
      shown += chunk;
      openssl.kill();
    });
    const stop = setTimeout(() => openssl.kill(), 10_000);
    await once(openssl, 'close');
    clearTimeout(stop);
    t.match(shown, /secret/, `${protocol}: openssl finds the server right`);
  }
});

type Hostile = readonly [
  name: string,
  onSocket: (socket: Socket) => void,
  options: Record<string, unknown> & { scheme?: string },
  found: object,
];
const HOSTILE: readonly Hostile[] = [
  [
    'closes at once',
    (socket) => socket.end(),
    { steps: [{ expect: 'x' }] },
    { reason: 'body', detail: 'step 1: connection closed without a text' },
  ],
  ['resets', (socket) => socket.resetAndDestroy(), { steps: [{ expect: 'x' }] }, { reason: 'connect' }],
  ['is silent', () => {}, { steps: [{ expect: 'x' }] }, { reason: 'timeout' }],
  ['floods', flood, { steps: [{ expect: 'y' }] }, { reason: 'too_large', detail: /in the first 65536 bytes/ }],
  [
    'floods while it is not read',
    flood,
    { steps: [{ send: 'a' }, { send: 'b', expect: 'y' }], max_bytes: 10 },
    { reason: 'too_large' },
  ],
  ['drips', drip, { steps: [{ expect: 'y' }] }, { reason: 'timeout' }],
  [
    'sends bytes of no character',
    (socket) => socket.end(Buffer.from([0xff, 0, 0x9f])),
    { steps: [{ expect: 'y' }] },
    { reason: 'body' },
  ],
  ['is plain in place of TLS', (socket) => socket.end('220 hello\r\n'), { scheme: 'tcps' }, { reason: 'tls' }],
  [
    'refuses STARTTLS',
    (socket) => socket.end('554 no\r\n'),
    { starttls: 'smtp' },
    { reason: 'tls', detail: 'the greeting is "554 no"' },
  ],
  [
    'never ends its reply',
    (socket) => socket.write('220-x\r\n'.repeat(200)),
    { starttls: 'smtp' },
    { reason: 'protocol', detail: /does not end after 100 lines/ },
  ],
  ['sends no line', (socket) => socket.write('2'.repeat(100_000)), { starttls: 'pop3' }, { reason: 'too_large' }],
  [
    'ends within its greeting',
    (socket) => socket.end('+O'),
    { starttls: 'pop3' },
    { reason: 'protocol', detail: 'connection closed in the middle of the greeting' },
  ],
  [
    'injects before the handshake',
    (socket) => void socket.once('data', () => socket.write('S220 injected\r\n')),
    { starttls: 'postgres' },
    { reason: 'protocol', detail: /before the TLS handshake/ },
  ],
  [
    'offers no TLS',
    (socket) => void socket.once('data', () => socket.write('N')),
    { starttls: 'postgres' },
    { reason: 'tls', detail: 'the answer to SSLRequest is "N"' },
  ],
  [
    'greets shortly',
    (socket) => socket.end(Buffer.from([2, 0, 0, 0, 10, 0])),
    { starttls: 'mysql' },
    { reason: 'protocol', detail: 'the greeting is cut off' },
  ],
  [
    'is full',
    (socket) => socket.end(Buffer.from([9, 0, 0, 0, 0xff, 0x10, 4, ...Buffer.from('Too ma')])),
    { starttls: 'mysql' },
    { reason: 'tls', detail: 'the greeting is "Too ma"' },
  ],
  [
    'has an endless length',
    (socket) => socket.end(Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff])),
    { starttls: 'ldap' },
    { reason: 'protocol' },
  ],
  [
    'answers nothing in LDAP',
    (socket) => socket.end(Buffer.from([0x30, 0])),
    { starttls: 'ldap' },
    { reason: 'protocol', detail: 'the answer to StartTLS is malformed' },
  ],
  [
    'refuses StartTLS',
    (socket) => socket.end(Buffer.from([0x30, 12, 2, 1, 1, 0x78, 7, 0x0a, 1, 52, 4, 0, 4, 0])),
    { starttls: 'ldap' },
    { reason: 'tls', detail: /result code 52/ },
  ],
];

function flood(socket: Socket): void {
  const more = () => {
    while (!socket.destroyed && socket.write('x'.repeat(65_536)));
  };
  socket.on('drain', more);
  more();
}

function drip(socket: Socket): void {
  const timer = setInterval(() => socket.write('x'), 1);
  socket.on('close', () => clearInterval(timer));
}

test('hostile servers end as their own failure, and leave nothing open', async (t) => {
  for (const [name, onSocket, { scheme = 'tcp', ...options }, found] of HOSTILE) {
    const site = await serveRaw(t, (socket) => onSocket(socket.resume()), scheme);
    t.match(await check({ uri: site.uri, ...options }, { timeoutMs: 700 }), { outcome: 'down', ...found }, name);
    await site.quiet();
  }
});

const PROBLEMS: ReadonlyArray<readonly [options: object, ...problems: string[]]> = [
  [{ uri: 'tcp://a.test' }, 'uri: given "tcp://a.test", accepted: a tcp:// or tcps:// address of a host and its port'],
  [
    { uri: 'tcp://a.test:0' },
    'uri: given "tcp://a.test:0", accepted: a tcp:// or tcps:// address of a host and its port, a port 1 to 65535',
  ],
  [
    { uri: 'tcp://a.test:80/x' },
    'uri: given "tcp://a.test:80/x", accepted: a tcp:// or tcps:// address of a host and its port, without a path',
  ],
  [
    { uri: 'tcp://a.test:80?x=1' },
    'uri: given "tcp://a.test:80?x=1", accepted: a tcp:// or tcps:// address of a host and its port, without a query',
  ],
  [
    { uri: 'tcp://u:p4ss@a.test:80' },
    'uri: given "tcp://u:********@a.test:80", accepted: a tcp:// or tcps:// address of a host and its port, without a user name and password',
  ],
  [
    { uri: 'tcp://[::1:80' },
    'uri: given "tcp://[::1:80", accepted: a tcp:// or tcps:// address of a host and its port',
  ],
  [
    { uri: 'tcp://a.test:80', tls: {} },
    'tls: given "********", accepted: nothing without TLS: a tcps:// address, or starttls',
  ],
  [
    { uri: 'tcps://a.test:80', starttls: 'smtp' },
    'starttls: given "smtp", accepted: nothing with tcps://, which begins with TLS',
  ],
  [
    { uri: 'tcp://a.test:80', starttls: 'gopher' },
    'starttls: given "gopher", accepted: one of smtp, ftp, imap, pop3, postgres, mysql, ldap',
  ],
  [
    { uri: 'tcp://a.test:80', steps: [{ expect: '(' }] },
    'steps[0].expect: given "(", accepted: a regular expression of RE2: missing closing ): `(`',
  ],
  [
    { uri: 'tcp://a.test:80', steps: [{}] },
    'steps[0]: given "********", accepted: must NOT have fewer than 1 properties',
  ],
  [
    { uri: 'tcp://127.0.0.1:80', ip_version: 6 },
    'ip_version: given 6, accepted: 4 or auto, the uri has an IPv4 address',
  ],
];

test('what is wrong with a tcp job', async (t) => {
  for (const [definition, ...problems] of PROBLEMS) {
    const result = rules.validate(definition);
    t.strictSame(result.ok ? [] : result.problems.map(formatProblem), problems, JSON.stringify(definition));
  }
  for (const uri of ['tcp://a.test:80', 'TCPS://[::1]:443/', 'tcp://bücher.example:25'])
    t.match(rules.validate({ uri }), { ok: true }, uri);
  t.equal(rules.hostOf(rules.toJob({ uri: 'tcp://Bücher.example:80' }, 1)), 'xn--bcher-kva.example');
});
