import { test } from 'tap';
import { csrfTokenOf } from '../../src/access/sessions/session-store.ts';
import { cookieOf, createPeopleScene, OURS, PASSWORD, ROOT } from './people-scene.ts';

const TLS = { 'x-forwarded-proto': 'https' };

test('a session: who am I, and sign-out', async (t) => {
  const { ask, addUser, signIn, database } = await createPeopleScene(t);
  await addUser();
  const begun = await signIn({ email: 'Ada@example.com ', password: PASSWORD });
  t.equal(begun.statusCode, 201);
  const cookie = cookieOf(begun);
  const [, token = ''] = cookie.split('=');
  t.match(begun.headers['set-cookie'], /^vedette_session=[\w-]{43}; Path=\/; Max-Age=25\d{5}; HttpOnly; SameSite=Lax$/);
  const who = (await ask('/session', { cookie })).json();
  t.match(who, { kind: 'user', name: 'user:ada@example.com', scopes: ['read', 'operate', 'write'], tags: null });
  t.equal(who.csrf_token, csrfTokenOf(token));
  const { rows } = await database.query<{ text: string }>('SELECT sessions::text AS text FROM sessions');
  t.notMatch(rows[0]?.text, token, 'the cookie itself is not stored');
  t.match((await ask('/audit', { key: ROOT })).json(), [{ action: 'session.start', actor: 'user:ada@example.com' }]);

  t.equal((await ask('/session')).statusCode, 401);
  t.match((await ask('/session', { key: ROOT, cookie })).json(), { kind: 'settings', csrf_token: null, ends_at: null });
  for (const bad of [
    'vedette_session=',
    `vedette_session=${'x'.repeat(43)}`,
    `${cookie}x`,
    `other=${token}`,
    `x${cookie}`,
  ]) {
    t.equal((await ask('/session', { cookie: bad })).statusCode, 401, bad);
  }
  t.equal((await ask('/session', { cookie: `a=b; ${cookie}; c="d"` })).statusCode, 200);

  const ended = await ask('/session', { method: 'DELETE', cookie, headers: OURS });
  t.equal(ended.statusCode, 204);
  t.match(ended.headers['set-cookie'], /^vedette_session=; Path=\/; Max-Age=0; HttpOnly/);
  t.equal((await ask('/session', { cookie })).statusCode, 401);
});

test('over TLS, also by a proxy that is trusted, the cookie is Secure and bound to the host', async (t) => {
  const { ask, addUser, signIn } = await createPeopleScene(t, {
    options: { allowedHosts: ['status.example'], trustProxy: ['127.0.0.1'] },
  });
  await addUser();
  const credentials = { email: 'ada@example.com', password: PASSWORD };
  const begun = await signIn(credentials, { headers: TLS });
  t.match(
    begun.headers['set-cookie'],
    /^__Host-vedette_session=[\w-]{43}; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax; Secure$/,
  );
  const cookie = cookieOf(begun);
  t.equal((await ask('/session', { cookie, headers: TLS })).statusCode, 200);
  const plain = cookie.replace('__Host-', '');
  t.equal((await ask('/session', { cookie: plain, headers: TLS })).statusCode, 401, 'another name over TLS');
  const other = await createPeopleScene(t);
  await other.addUser();
  const untrusted = await other.signIn(credentials, { headers: TLS });
  t.notMatch(untrusted.headers['set-cookie'], /Secure/, 'a proxy that nobody named says nothing');
});

test('a sign-in makes a new token and ends the session before it: none can be fixed beforehand', async (t) => {
  const { ask, addUser, signIn } = await createPeopleScene(t);
  await addUser();
  const credentials = { email: 'ada@example.com', password: PASSWORD };
  const forged = `vedette_session=${'A'.repeat(43)}`;
  const first = cookieOf(await signIn(credentials, { cookie: forged, headers: OURS }));
  t.not(first, forged);
  t.equal((await ask('/session', { cookie: forged })).statusCode, 401);
  const second = cookieOf(await signIn(credentials, { cookie: first, headers: OURS }));
  t.not(second, first);
  t.equal((await ask('/session', { cookie: first })).statusCode, 401, 'the first has ended');
  t.equal((await ask('/session', { cookie: second })).statusCode, 200);
});

test('a session ends when it is idle, and after its time', async (t) => {
  const sessions = { idleMs: 3_600_000, lifetimeMs: 7_200_000 };
  const { ask, addUser, enter, database } = await createPeopleScene(t, { sessions });
  await addUser();
  const cookie = await enter();
  const works = async () => (await ask('/session', { cookie })).statusCode === 200;
  await database.query("UPDATE sessions SET seen_at = now() - interval '59 minutes'");
  t.ok(await works());
  await database.query(
    "UPDATE sessions SET seen_at = now() - interval '59 minutes' WHERE seen_at < now() - interval '1 minute'",
  );
  t.ok(await works(), 'it was used meanwhile');
  await database.query("UPDATE sessions SET seen_at = now() - interval '61 minutes'");
  t.notOk(await works());
  const second = await enter();
  const { rows } = await database.query<{ minutes: number }>(
    'SELECT extract(epoch FROM max(ends_at) - now()) / 60 AS minutes FROM sessions',
  );
  t.ok(Math.abs(Number(rows[0]?.minutes) - 120) < 1);
  await database.query("UPDATE sessions SET ends_at = now() - interval '1 second'");
  t.equal((await ask('/session', { cookie: second })).statusCode, 401);
});

test('a key gives a session with its rights, for as long as there is the key', async (t) => {
  const { ask, signIn, database } = await createPeopleScene(t);
  const key = { method: 'POST', key: ROOT, payload: { name: 'wall', scopes: ['read'], tags: ['shop'] } };
  const made = (await ask('/key', key)).json();
  const cookie = cookieOf(await signIn({ key: made.key }));
  t.match((await ask('/session', { cookie })).json(), {
    kind: 'key',
    name: 'key:wall',
    scopes: ['read'],
    tags: ['shop'],
  });
  t.match((await ask('/account', { cookie })).json(), { statusCode: 403, message: /no account of a person/ });
  await ask(`/key/${made.id}`, { method: 'DELETE', key: ROOT });
  t.equal((await ask('/session', { cookie })).statusCode, 401);

  const root = cookieOf(await signIn({ key: ROOT }));
  t.match((await ask('/session', { cookie: root })).json(), { kind: 'settings', name: 'settings key' });
  const { ask: later } = await createPeopleScene(t, { database, apiKeys: ['another-key-of-somebody'] });
  t.equal((await later('/session', { cookie: root })).statusCode, 401, 'the settings have another key now');

  t.match((await signIn({ key: 'wrong' })).json(), { statusCode: 401, code: 'VED_SIGN_IN_FAILED' });
  for (const body of [{}, { key: ROOT, email: 'a@b.c' }, { email: 'a@b.c' }, { password: PASSWORD }]) {
    t.equal((await signIn(body)).statusCode, 400, JSON.stringify(body));
  }
});

test('a cookie alone changes nothing', async (t) => {
  const { ask, addUser, enter } = await createPeopleScene(t);
  await addUser();
  const cookie = await enter();
  const token = (await ask('/session', { cookie })).json().csrf_token;
  const other = csrfTokenOf((await enter()).split('=')[1] as string);
  const post = async (headers: Record<string, string>) => {
    const answer = await ask('/job/1/stop', { method: 'POST', cookie, headers });
    // There is no job 1: whoever gets as far was let through.
    return answer.statusCode === 404 ? 'let through' : answer.json().code;
  };
  const host = { host: 'vedette.example' };
  for (const [headers, expected] of [
    [{}, 'VED_CSRF'],
    [{ 'sec-fetch-site': 'none' }, 'VED_CSRF'],
    [{ 'sec-fetch-site': 'same-origin' }, 'let through'],
    [{ 'sec-fetch-site': 'same-site' }, 'VED_HOST_FORBIDDEN'],
    [{ 'sec-fetch-site': 'cross-site' }, 'VED_HOST_FORBIDDEN'],
    [{ 'sec-fetch-site': 'cross-site', 'x-csrf-token': token }, 'VED_HOST_FORBIDDEN'],
    [{ ...host, origin: 'http://vedette.example' }, 'let through'],
    [{ ...host, origin: 'http://evil.example' }, 'VED_HOST_FORBIDDEN'],
    [{ ...host, origin: 'null' }, 'VED_HOST_FORBIDDEN'],
    [{ ...host, 'sec-fetch-site': 'none', origin: 'http://vedette.example' }, 'let through'],
    [{ ...host, 'sec-fetch-site': 'same-origin', origin: 'http://evil.example' }, 'VED_HOST_FORBIDDEN'],
    [{ referer: 'http://localhost:80/' }, 'VED_CSRF'],
    [{ 'x-csrf-token': token }, 'let through'],
    [{ 'x-csrf-token': other }, 'VED_CSRF'],
    [{ 'x-csrf-token': '' }, 'VED_CSRF'],
    [{ 'x-csrf-token': `${token}x` }, 'VED_CSRF'],
    [{ authorization: `Bearer ${ROOT}` }, 'let through'],
    [{ 'x-requested-with': 'XMLHttpRequest' }, 'VED_CSRF'],
  ] as const) {
    t.equal(await post(headers as unknown as Record<string, string>), expected, JSON.stringify(headers));
  }
  for (const [method, url] of [
    ['DELETE', '/session'],
    ['POST', '/account/password'],
    ['PATCH', '/job/1'],
    ['PUT', '/job/1'],
    ['DELETE', '/job/1'],
  ] as const) {
    t.match((await ask(url, { method, cookie })).json(), { code: 'VED_CSRF' }, `${method} ${url}`);
  }
  t.equal((await ask('/job', { cookie })).statusCode, 200, 'reading needs none');
});

test('a loopback server asks for a sign-in as soon as there is a user', async (t) => {
  const { ask, database } = await createPeopleScene(t, { apiKeys: [], options: {} });
  t.match((await ask('/session')).json(), { kind: 'local', name: 'local', csrf_token: null });
  const made = await ask('/user', {
    ...{ method: 'POST', payload: { email: 'ada@example.com', password: PASSWORD, role: 'admin' } },
  });
  t.match(made.json(), { created_by: 'local' });
  t.equal((await ask('/job')).statusCode, 401);
  t.equal((await ask('/session')).statusCode, 401);
  await database.query('DELETE FROM users');
});

test('people see and end their own sessions, and no others', async (t) => {
  const { ask, addUser, enter } = await createPeopleScene(t);
  await addUser();
  await addUser({ email: 'bob@example.com' });
  const bob = await enter('bob@example.com');
  const [first, second, third] = [await enter(), await enter(), await enter()];
  const list = async (cookie: string) =>
    (await ask('/account/session', { cookie })).json() as Array<{ id: number; present: boolean }>;
  const all = await list(second);
  t.same(
    all.map(({ present }) => present),
    [false, true, false],
  );
  t.match(all[0], { address: '127.0.0.1', user_agent: 'lightMyRequest' });
  const end = (url: string, cookie: string) => ask(url, { method: 'DELETE', cookie, headers: OURS });
  const [bobs] = await list(bob);
  t.match((await end(`/account/session/${bobs?.id}`, second)).json(), {
    statusCode: 404,
    code: 'VED_SESSION_NOT_FOUND',
  });
  t.equal((await end(`/account/session/${all[0]?.id}`, second)).statusCode, 204);
  t.equal((await ask('/session', { cookie: third })).statusCode, 401);
  t.equal((await end('/account/session', second)).statusCode, 204);
  t.equal((await ask('/session', { cookie: first })).statusCode, 401);
  t.equal((await ask('/session', { cookie: second })).statusCode, 200);
  t.equal((await ask('/session', { cookie: bob })).statusCode, 200);
});

test('people change their own password with the present one; all other sessions end', async (t) => {
  const { ask, addUser, enter, signIn } = await createPeopleScene(t);
  await addUser();
  const [other, cookie] = [await enter(), await enter()];
  const change = (current: string, password: string) =>
    ask('/account/password', { method: 'POST', cookie, headers: OURS, payload: { current, password } });
  t.match((await change('wrong', 'a quite different one')).json(), { statusCode: 401, code: 'VED_SIGN_IN_FAILED' });
  t.match((await change(PASSWORD, 'password')).json(), { statusCode: 400 });
  const changed = await change(PASSWORD, 'a quite different one');
  t.equal(changed.statusCode, 204);
  const renewed = cookieOf(changed);
  for (const old of [other, cookie]) t.equal((await ask('/session', { cookie: old })).statusCode, 401);
  t.equal((await ask('/session', { cookie: renewed })).statusCode, 200);
  t.equal((await signIn({ email: 'ada@example.com', password: PASSWORD })).statusCode, 401);
  t.match((await ask('/audit?action=user', { key: ROOT })).json(), [
    { action: 'user.password', actor: 'user:ada@example.com', before: null, after: null },
  ]);
});
