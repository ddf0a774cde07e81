import { spawnSync } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import type { AuthContext } from 'ssh2';
import { test } from 'tap';
import { formatProblem } from '../../../src/core/validation.ts';
import { createPrepare } from '../../../src/jobs/prepare.ts';
import { createJobRules } from '../../../src/jobs/rules.ts';
import { monitors } from '../../../src/monitors/index.ts';
import { createGate } from '../../../src/monitors/net/gate.ts';
import { checkBy, context, pem, type Site, serveRaw } from '../support.ts';
import { fingerprintOf, newKey, PASSWORD, SERVERS, serveSsh } from './servers.ts';

const check = (options: object, more: Parameters<typeof checkBy>[2] = {}) => checkBy('ssh', options, more);
const rules = createJobRules({ monitors, context, cronProblem: () => null });
const password = encodeURIComponent(PASSWORD);

for (const { name, start, lacks } of SERVERS) {
  test(`keys, a login and commands: ${name}`, { skip: lacks }, async (t) => {
    const { port, user, hostKey, userKey } = await start(t);
    const uri = `ssh://127.0.0.1:${port}`;
    const up = await check({ uri });
    t.match(up, { outcome: 'up', status: 'OK', responseTime: Number, bytes: Number, values: { key_exchange: Number } });
    t.strictSame(Object.keys(up.timings), ['connect', 'ttfb', 'transfer']);
    t.match(up.facts, {
      remote_address: '127.0.0.1',
      software: String,
      host_key: fingerprintOf(hostKey),
      algorithms: { key_exchange: /^curve25519/, host_key: 'ssh-ed25519', cipher: /aes|chacha/, mac: String },
    });
    t.equal((await check({ uri }, { slotTag: '1/2' })).facts, undefined);

    const other = fingerprintOf(newKey());
    t.match(await check({ uri, host_keys: [other, fingerprintOf(hostKey)] }), { outcome: 'up' });
    t.match(await check({ uri, host_keys: [other] }), {
      ...{ outcome: 'down', reason: 'tls', responseTime: null },
      detail: `the host key is ${fingerprintOf(hostKey)}, accepted: ${other}`,
    });
    t.match(await check({ uri, banner: '^SSH-2' }), { outcome: 'up' });
    t.match(await check({ uri, banner: 'Dropbear' }), {
      ...{ outcome: 'down', reason: 'body', responseTime: Number },
      detail: /^pattern not found in the identification, which is "SSH-2.0-/,
    });
    t.match(await check({ uri, max_response_time_seconds: 1e-9 }), { outcome: 'degraded', reason: 'latency' });

    const mine = { uri: `ssh://${user}@127.0.0.1:${port}`, private_key: userKey.private };
    t.match(await check(mine), { outcome: 'up', status: 'OK' });
    t.match(await check({ ...mine, private_key: newKey().private }), {
      ...{ outcome: 'down', reason: 'status', status: 'DENIED', responseTime: Number },
      detail: 'the login is refused: it accepts publickey',
    });
    t.match(await check({ uri: `ssh://${user}:wrong@127.0.0.1:${port}` }), { reason: 'status', status: 'DENIED' });

    const run = (command: object) => check({ ...mine, command });
    t.match(await run({ run: 'echo 42' }), { outcome: 'up', status: '0', values: { result: 42 } });
    t.match(await run({ run: 'echo active; echo no >&2', expect: '^active$' }), { outcome: 'up' });
    t.match(await run({ run: 'echo fäiled', expect: '^active' }), {
      ...{ outcome: 'down', reason: 'body', status: '0', responseTime: Number },
      detail: 'pattern not found in the output of the command, which is "fäiled"',
    });
    t.match(await run({ run: 'echo gone >&2; exit 3' }), {
      ...{ outcome: 'down', reason: 'status', status: '3', responseTime: Number },
      detail: 'the command ends with 3, and says "gone", accepted: 0',
    });
    t.match(await run({ run: 'exit 3', exit_code: 3 }), { outcome: 'up', status: '3' });
    t.match(await run({ run: 'kill -TERM $$' }), { outcome: 'down', reason: 'status', status: 'SIGTERM' });
    t.match(await run({ run: 'cat' }), { outcome: 'up' }, 'its input is closed');
    t.match(await run({ run: 'head -c 65536 /dev/zero' }), { outcome: 'up' });
    t.match(await run({ run: 'cat /dev/zero' }), { outcome: 'down', reason: 'too_large', detail: /over 65536 bytes$/ });
    t.match(await run({ run: 'cat /dev/zero >&2' }), { outcome: 'down', reason: 'too_large' });
    t.match(await check({ ...mine, command: { run: 'sleep 60' } }, { timeoutMs: 700 }), {
      ...{ outcome: 'down', reason: 'timeout', detail: 'no end of the command within 700 ms' },
    });
  });
}

const ssh = spawnSync('ssh', ['-V']).status === 0;
test('the client of OpenSSH finds the servers of this test right', { skip: ssh ? false : 'no ssh' }, async (t) => {
  const hostKey = newKey();
  const { port } = await serveSsh(t, hostKey);
  const folder = t.testdir({ known: `[127.0.0.1]:${port} ${hostKey.public}\n` });
  const { spawn } = await import('node:child_process');
  const options = [
    `UserKnownHostsFile=${folder}/known`,
    'StrictHostKeyChecking=yes',
    'BatchMode=yes',
    'LogLevel=ERROR',
  ];
  const client = spawn('ssh', [
    ...['-F', '/dev/null', '-p', String(port), ...options.flatMap((option) => ['-o', option])],
    ...['probe@127.0.0.1', 'echo 42'],
  ]);
  let shown = '';
  client.stdout.on('data', (chunk) => {
    shown += chunk;
  });
  client.stderr.on('data', (chunk) => {
    shown += chunk;
  });
  await new Promise((resolve) => client.on('close', resolve));
  t.equal(shown, '42\n');
});

test('passwords: by each method, with a key besides, and in vain', async (t) => {
  const byPassword = (context: AuthContext) => {
    if (context.method !== 'password') return context.reject(['password']);
    return context.password === PASSWORD ? context.accept() : context.reject(['password']);
  };
  const byPrompts = (context: AuthContext) => {
    if (context.method !== 'keyboard-interactive') return context.reject(['keyboard-interactive']);
    context.prompt(
      [{ prompt: 'Password: ', echo: false }],
      (answers) => void (answers[0] === PASSWORD ? context.accept() : context.reject()),
    );
  };
  const byBoth = (() => {
    let hasKey = false;
    return (context: AuthContext) => {
      if (context.method === 'publickey') {
        if (context.signature === undefined) return context.accept();
        hasKey = true;
        return context.reject(['password'], true);
      }
      return context.method === 'password' && hasKey ? context.accept() : context.reject(['publickey']);
    };
  })();
  const hostKey = newKey();
  const at = async (authenticate: (context: AuthContext) => void, credentials = `probe:${password}@`) =>
    `ssh://${credentials}127.0.0.1:${(await serveSsh(t, hostKey, { authenticate })).port}`;
  t.match(await check({ uri: await at(byPassword) }), { outcome: 'up' });
  t.match(await check({ uri: await at(byPrompts) }), { outcome: 'up' });
  t.match(await check({ uri: await at(byBoth), private_key: newKey().private }), { outcome: 'up' });
  t.match(await check({ uri: await at(byPassword, 'probe:wrong@') }), {
    ...{ outcome: 'down', reason: 'status', status: 'DENIED', detail: 'the login is refused: it accepts password' },
  });
  t.match(await check({ uri: await at(byPrompts, 'probe:wrong@') }), { reason: 'status', status: 'DENIED' });
  const asking = (context: AuthContext) => {
    if (context.method !== 'keyboard-interactive') return context.reject(['keyboard-interactive']);
    const ask = () => context.prompt([{ prompt: 'And now? ', echo: true }], ask);
    ask();
  };
  t.match(await check({ uri: await at(asking) }), { status: 'DENIED', detail: /it asks more than 8 times$/ });
  const expired = (context: AuthContext) =>
    context.method === 'password' ? context.requestChange('New password: ', () => {}) : context.reject(['password']);
  t.match(await check({ uri: await at(expired) }), { status: 'DENIED', detail: /the password has expired$/ });
});

test('a password that a server repeats is masked, and so is a key that cannot be used', async (t) => {
  const hostKey = newKey();
  const { port } = await serveSsh(t, hostKey, {
    onSession: (channel) => {
      channel.stderr.write(`no ${PASSWORD}`);
      channel.exit(1);
      channel.end();
    },
  });
  const prepared = createPrepare(monitors, context);
  const probe = (options: object) => prepared(rules.toJob({ ...options }, 1));
  const request = { timeoutMs: 5_000, signal: new AbortController().signal };
  t.match(await probe({ uri: `ssh://me:${password}@127.0.0.1:${port}`, command: { run: 'true' } })(request), {
    detail: 'the command ends with 1, and says "no ********", accepted: 0',
  });
  const { private: key } = newKey();
  const broken = key.replace(/.{20}\n-----END/, '\n-----END');
  t.match(await check({ uri: `ssh://me@127.0.0.1:${port}`, private_key: broken }), {
    ...{ outcome: 'missed', reason: 'internal', detail: /^the private key cannot be used: / },
  });
});

test('a closed port, a name that is none, and an address that the gate refuses', async (t) => {
  t.match(await check({ uri: 'ssh://127.0.0.99:9' }), { outcome: 'down', reason: 'connect', status: null });
  const names = { resolve: async () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })) };
  t.match(await check({ uri: 'ssh://box.invalid' }, { names }), { outcome: 'down', reason: 'dns' });
  const gate = createGate({ mode: 'deny_internal' });
  t.match(await check({ uri: 'ssh://127.0.0.1' }, { gate }), { outcome: 'down', reason: 'forbidden_address' });
});

test('what a server does in the middle of a session', async (t) => {
  const hostKey = newKey();
  const mine = (site: Site, command = 'x') => ({
    uri: site.uri.replace('//', '//me:secret@'),
    command: { run: command },
  });
  const on = (onSession: NonNullable<Parameters<typeof serveSsh>[2]>['onSession'] & object) =>
    serveSsh(t, hostKey, { onSession });
  const codeless = await on((channel) => channel.end('fine'));
  t.match(await check(mine(codeless)), { outcome: 'up', status: 'OK' }, 'a device has no code');
  t.match(await check({ ...mine(codeless), command: { run: 'x', exit_code: 0 } }), {
    detail: 'the command ends with no code, accepted: 0',
  });
  t.match(await check(mine(codeless, 'forbidden')), {
    ...{ outcome: 'down', reason: 'status', status: 'REFUSED', detail: 'the command is refused: Unable to exec' },
  });
  let socket: Socket | undefined;
  const cutting = await serveRaw(
    t,
    (client) => {
      socket = client;
      const onward = connect(leaving.port, '127.0.0.1');
      client.pipe(onward).pipe(client);
      onward.on('error', () => {});
      client.on('close', () => onward.destroy());
    },
    'ssh',
  );
  const leaving = await on((channel) => {
    channel.write('half');
    setImmediate(() => socket?.destroy());
  });
  t.match(await check(mine(cutting)), { outcome: 'down', reason: /connect|protocol/, detail: /end of the command/ });
  await cutting.quiet();

  const rekeying = await serveSsh(t, hostKey, {
    onConnection: (connection) => connection.on('ready', () => connection.rekey()),
    onSession: () => {},
  });
  t.match(await check(mine(rekeying)), {
    outcome: 'down',
    reason: 'protocol',
    detail: 'it exchanges keys again and again',
  });
  await rekeying.quiet();
});

const ACCEPTED = 'an ssh:// address of a host, perhaps with a port and credentials';
const PROBLEMS: ReadonlyArray<readonly [options: object, ...problems: string[]]> = [
  [{ uri: 'ssh://a.test:0' }, `uri: given "ssh://a.test:0", accepted: ${ACCEPTED}, a port 1 to 65535`],
  [{ uri: 'ssh://a.test/x' }, `uri: given "ssh://a.test/x", accepted: ${ACCEPTED}, without a path`],
  [
    { uri: 'ssh://me@a.test' },
    'uri: given "ssh://********@a.test", accepted: an address of a host with a password beside the user name, or private_key',
  ],
  [
    { uri: 'ssh://a.test', command: { run: 'true' } },
    'uri: given "ssh://a.test", accepted: an address of a host with a user name, for the login',
  ],
  [
    { uri: 'ssh://a.test', host_keys: ['MD5:aa'] },
    'host_keys[0]: given "MD5:aa", accepted: a fingerprint as ssh-keygen -lf shows it: SHA256: and 43 characters of base64',
  ],
  [
    { uri: 'ssh://me@a.test', private_key: pem('server').replaceAll('PRIVATE', 'RSA PRIVATE').slice(-300) },
    /private_key/.source,
  ],
  [
    { uri: 'ssh://me:secret@a.test', command: { run: 'x', expect: '(' } },
    'command.expect: given "(", accepted: a regular expression of RE2: missing closing ): `(`',
  ],
];

test('what is wrong with an ssh job', async (t) => {
  for (const [definition, ...problems] of PROBLEMS) {
    const result = rules.validate(definition);
    t.match(result.ok ? [] : result.problems.map(formatProblem), problems, JSON.stringify(definition));
  }
  for (const options of [
    { uri: 'ssh://a.test' },
    { uri: 'SSH://[::1]:2222' },
    { uri: `ssh://me:$\{secret:KEY}@a.test` },
    { uri: 'ssh://me@a.test', private_key: `$\{secret:KEY}` },
    { uri: 'ssh://me@a.test', private_key: newKey().private },
  ])
    t.match(rules.validate(options), { ok: true }, options.uri);
});

test('keys with a passphrase are refused where they are defined', async (t) => {
  const { utils } = (await import('ssh2')).default;
  const { private: locked } = utils.generateKeyPairSync('ed25519', {
    cipher: 'aes256-ctr',
    passphrase: 'x',
    rounds: 1,
  });
  const result = rules.validate({ uri: 'ssh://me@a.test', private_key: locked });
  t.strictSame(result.ok ? [] : result.problems.map(formatProblem), [
    'private_key: given "********", accepted: a private key in PEM without a passphrase',
  ]);
});
