import type { Socket } from 'node:net';
import { test } from 'tap';
import { formatProblem } from '../../../src/core/validation.ts';
import { createPrepare } from '../../../src/jobs/prepare.ts';
import { createJobRules } from '../../../src/jobs/rules.ts';
import { monitors } from '../../../src/monitors/index.ts';
import { createGate } from '../../../src/monitors/net/gate.ts';
import { int32, toMessage } from '../../../src/monitors/postgres/message.ts';
import { checkBy, context, pem, serveRaw } from '../support.ts';
import { PASSWORD, startPostgres } from './real-server.ts';

const ca = pem('ca');
const check = (options: object, more: Parameters<typeof checkBy>[2] = {}) => checkBy('postgres', options, more);
const rules = createJobRules({ monitors, context, cronProblem: () => null });
const password = encodeURIComponent(PASSWORD);

test('a real server: log in by each method, TLS, and a query', async (t) => {
  const { port } = await startPostgres(t);
  const uriOf = (user: string, given = password) => `postgres://${user}:${given}@127.0.0.1:${port}/postgres`;
  for (const user of ['scram', 'md5', 'cleartext', 'trust']) {
    const up = await check({ uri: uriOf(user) });
    t.match(up, { outcome: 'up', status: 'OK', responseTime: Number, values: undefined }, user);
    t.match(up.facts, { remote_address: '127.0.0.1' });
    t.strictSame(Object.keys(up.timings).sort(), ['connect', 'transfer', 'ttfb']);
    if (user === 'trust') continue;
    t.match(
      await check({ uri: uriOf(user, 'wrong') }),
      {
        outcome: 'down',
        reason: 'status',
        status: '28P01',
        responseTime: Number,
        detail: /^the answer to the login is /,
      },
      `${user}, wrong`,
    );
  }
  t.match(await check({ uri: `postgresql://scram@127.0.0.1:${port}/postgres` }), {
    ...{ outcome: 'down', reason: 'status', detail: /asks for a password/ },
  });
  t.match(await check({ uri: `postgres://scram:${password}@127.0.0.1:${port}` }), {
    ...{ outcome: 'down', status: '3D000', detail: /database "scram" does not exist/ },
  });

  t.match(await check({ uri: uriOf('tls') }), { outcome: 'down', status: '28000', detail: /no encryption/ });
  t.match(await check({ uri: uriOf('tls'), tls: { ca } }), {
    ...{ outcome: 'up', timings: { tls: Number }, values: { days_left: Number } },
    facts: { certificate: { trusted: true } },
  });
  t.match(await check({ uri: uriOf('tls'), tls: {} }), { outcome: 'down', reason: 'tls' });

  const query = (sql: string, expect?: string) => ({
    uri: uriOf('scram'),
    query: { sql, ...(expect ? { expect } : {}) },
  });
  t.match(await check(query('SELECT count(*) FROM orders', '^0$')), { outcome: 'up', values: { result: 0 } });
  t.match(await check(query("VALUES ('a', NULL, 'ö'), ('b', 'c', 'd')", '^a\t\tö\nb\tc\td$')), { outcome: 'up' });
  t.match(await check(query('SELECT 1 WHERE false', '^$')), { outcome: 'up', values: undefined });
  t.match(await check(query('-- nothing', '^$')), { outcome: 'up' });
  t.match(await check(query('SELECT 1.5', '^2')), {
    ...{ outcome: 'down', reason: 'body', values: { result: 1.5 }, responseTime: Number },
    detail: 'pattern not found in the result of the query, which is "1.5"',
  });
  t.match(await check(query('SELEC')), { outcome: 'down', reason: 'status', status: '42601' });
  t.match(await check(query('SELECT 1; SELECT 2')), { status: '42601', detail: /multiple commands/ });
  t.match(await check(query('INSERT INTO orders VALUES (1)')), { status: '25006', detail: /read-only transaction/ });
  t.match(await check(query('SELECT generate_series(1, 1000)')), { outcome: 'up' });
  t.match(await check(query('SELECT generate_series(1, 1001)')), {
    reason: 'too_large',
    detail: /more than 1000 rows/,
  });
  t.match(await check(query("SELECT repeat('x', 40000) FROM generate_series(1, 2)")), { reason: 'too_large' });
  t.match(await check(query("SELECT repeat('x', 70000)")), { reason: 'too_large' });
  t.match(await check(query('COPY orders TO STDOUT')), { reason: 'protocol', detail: /message of type "H"/ });
  t.match(await check(query('SELECT pg_sleep(60)'), { timeoutMs: 300 }), { reason: /^(timeout|status)$/ });
  const others = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'scram' AND pid <> pg_backend_pid()";
  let left = 1;
  while (left > 0) left = (await check(query(others))).values?.result ?? 1;
  t.equal(left, 0, 'the server has ended what took too long');
  t.match(await check({ ...query('SELECT 1'), max_response_time_seconds: 1e-9 }), {
    ...{ outcome: 'degraded', reason: 'latency' },
  });
});

test('a closed port, a name that is none, and an address that the gate refuses', async (t) => {
  t.match(await check({ uri: 'postgres://me@127.0.0.99:9' }), { outcome: 'down', reason: 'connect', status: null });
  const names = { resolve: async () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })) };
  t.match(await check({ uri: 'postgres://me@db.invalid' }, { names }), { outcome: 'down', reason: 'dns' });
  const gate = createGate({ mode: 'deny_internal' });
  t.match(await check({ uri: 'postgres://me@127.0.0.1' }, { gate }), { outcome: 'down', reason: 'forbidden_address' });
});

test('a password that a server repeats is masked', async (t) => {
  const site = await serveRaw(t, says(toMessage('E', `C28P01\0Mno ${PASSWORD}\0\0`)), 'postgres');
  const job = rules.toJob({ uri: `postgres://me:${password}@127.0.0.1:${site.port}` }, 1);
  const probe = createPrepare(monitors, context)(job);
  t.match(await probe({ timeoutMs: 5_000, signal: new AbortController().signal }), {
    detail: 'the answer to the login is an error: 28P01 no ********',
  });
});

type Hostile = readonly [name: string, onSocket: (socket: Socket) => void, found: object];

const says =
  (...answers: Array<string | Buffer>) =>
  (socket: Socket) =>
    void socket.on('data', () => {
      const answer = answers.shift();
      if (answer !== undefined) socket.write(answer);
    });
const R = (kind: number, text = '') => toMessage('R', int32(kind), text);
const READY = toMessage('Z', 'I');
const IN = Buffer.concat([R(0), READY]);
const BEGUN = Buffer.concat([toMessage('C', 'BEGIN\0'), toMessage('C', 'SET\0'), READY]);
const OFFER = R(10, 'SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0');
const row = (...bytes: number[]) => toMessage('D', Buffer.from(bytes));

/** Answers the first message of SCRAM by a function of the client's nonce. */
const scram =
  (answer: (nonce: string) => string, ...after: Buffer[]) =>
  (socket: Socket) => {
    let count = 0;
    socket.on('data', (chunk) => {
      count++;
      if (count === 1) socket.write(OFFER);
      else if (count === 2) socket.write(R(11, answer(/r=(.*)$/.exec(chunk.toString())?.[1] ?? '')));
      else for (const each of after) socket.write(each);
    });
  };

const HOSTILE: readonly Hostile[] = [
  ['closes at once', (socket) => socket.end(), { reason: 'connect', detail: /before the answer to the login/ }],
  ['resets', (socket) => socket.resetAndDestroy(), { reason: 'connect' }],
  ['is silent', () => {}, { reason: 'timeout', detail: 'no answer to the login within 700 ms' }],
  [
    'is a website',
    says('HTTP/1.1 400 Bad\r\n\r\n'),
    { reason: 'protocol', detail: /^no message of PostgreSQL: "HTTP/ },
  ],
  ['sends bytes of no type', says(Buffer.from([0, 0, 0, 0, 9])), { reason: 'protocol' }],
  ['has a length below its own', says(Buffer.from([0x52, 0, 0, 0, 3])), { reason: 'protocol' }],
  ['has a negative length', says(Buffer.from([0x52, 0xff, 0xff, 0xff, 0xff])), { reason: 'protocol' }],
  ['promises too much', says(Buffer.from([0x52, 0, 2, 0, 0])), { reason: 'too_large', detail: /131072 bytes/ }],
  [
    'ends within a message',
    (socket) => socket.end(Buffer.from('R\0\0')),
    { reason: 'protocol', detail: /in the middle/ },
  ],
  [
    'notifies without end',
    says(toMessage('N', 'x').toString().repeat(2_000)),
    { reason: 'protocol', detail: /1000 notices/ },
  ],
  ['demands Kerberos', says(R(7)), { reason: 'protocol', detail: /not known here \(7\)/ }],
  ['has an empty demand', says(toMessage('R')), { reason: 'protocol' }],
  ['offers no SCRAM', says(R(10, 'X\0\0')), { reason: 'protocol', detail: /offers X, accepted: SCRAM-SHA-256/ }],
  ['demands a salt of nothing', says(R(5), IN), { reason: 'timeout', detail: /no answer to BEGIN/ }],
  ['asks twice', says(R(3), R(3)), { reason: 'protocol', detail: /of kind 3 after the password/ }],
  ['forgets its SCRAM', says(OFFER, R(0)), { reason: 'protocol', detail: /of kind 0 within SCRAM/ }],
  ['has another nonce', scram(() => 'r=x,s=QUJD,i=4096'), { reason: 'protocol', detail: /is malformed/ }],
  ['has no salt', scram((nonce) => `r=${nonce}x,s=,i=4096`), { reason: 'protocol', detail: /is malformed/ }],
  [
    'is dear',
    scram((nonce) => `r=${nonce}x,s=QUJD,i=999999999`),
    { reason: 'protocol', detail: /999999999 iterations/ },
  ],
  ['has no iteration', scram((nonce) => `r=${nonce}x,s=QUJD,i=0`), { reason: 'protocol', detail: /0 iterations/ }],
  ['does not know the password', scram((nonce) => `r=${nonce}x,s=QUJD,i=1`, R(12, 'v=QUJD')), { detail: /not prove/ }],
  ['skips its proof', scram((nonce) => `r=${nonce}x,s=QUJD,i=1`, IN), { reason: 'protocol', detail: /within SCRAM/ }],
  [
    'is never ready',
    says(Buffer.concat([R(0), toMessage('T')])),
    { reason: 'protocol', detail: /message of type "T"/ },
  ],
  ['has a strange code', says(toMessage('E', 'Cnope!\0Mx\0\0')), { reason: 'status', status: 'XX000' }],
  ['is starting', says(toMessage('E', 'C57P03\0Mstarting up\0\0')), { reason: 'status', status: '57P03' }],
  ['completes without end', says(IN, toMessage('C').toString().repeat(99)), { reason: 'protocol' }],
  ['has a row of nothing', says(IN, BEGUN, row()), { reason: 'protocol', detail: /row of the result is malformed/ }],
  ['has a short row', says(IN, BEGUN, row(0, 1, 0, 0, 0, 9, 1)), { reason: 'protocol', detail: /malformed/ }],
  ['has rows without end', says(IN, BEGUN, row(0, 0).toString().repeat(2_000)), { reason: 'too_large' }],
  [
    'counts wrong',
    says(IN, BEGUN, Buffer.concat([row(0, 0), READY])),
    { reason: 'protocol', detail: 'SELECT 1 returns ""' },
  ],
];

test('hostile servers end as their own failure, and leave nothing open', async (t) => {
  for (const [name, onSocket, found] of HOSTILE) {
    const site = await serveRaw(t, (socket) => onSocket(socket.resume()), 'postgres');
    const uri = `postgres://me:secret@127.0.0.1:${site.port}`;
    t.match(await check({ uri }, { timeoutMs: 700 }), { outcome: 'down', ...found }, name);
    await site.quiet();
  }
  const site = await serveRaw(t, says('N'), 'postgres');
  t.match(await check({ uri: `postgres://me@127.0.0.1:${site.port}`, tls: {} }), { outcome: 'down', reason: 'tls' });
});

const ACCEPTED = 'a postgres:// address of a host, with a user name and perhaps a password, a port and a database';
const PROBLEMS: ReadonlyArray<readonly [options: object, ...problems: string[]]> = [
  [{ uri: 'postgres://a.test' }, `uri: given "postgres://a.test", accepted: ${ACCEPTED}`],
  [
    { uri: 'postgres://me@a.test?x=1' },
    `uri: given "postgres://********@a.test?x=1", accepted: ${ACCEPTED}, without a query`,
  ],
  [
    { uri: 'postgres://me@a.test/x/y' },
    'uri: given "postgres://********@a.test/x/y", accepted: an address of a host whose path is the name of a database',
  ],
  [{ uri: 'postgres://me@a.test/x%00' }, 'uri: given "postgres://********@a.test/x%00", accepted: texts without NUL'],
  [
    { uri: 'postgres://me@a.test', query: { sql: 'SELECT 1', expect: '(' } },
    'query.expect: given "(", accepted: a regular expression of RE2: missing closing ): `(`',
  ],
];

test('what is wrong with a postgres job', async (t) => {
  for (const [definition, ...problems] of PROBLEMS) {
    const result = rules.validate(definition);
    t.strictSame(result.ok ? [] : result.problems.map(formatProblem), problems, JSON.stringify(definition));
  }
  for (const uri of ['postgres://me@a.test', 'PostgreSQL://me:x%2Fy@[::1]:6432/shop%20a'])
    t.match(rules.validate({ uri }), { ok: true }, uri);
});
