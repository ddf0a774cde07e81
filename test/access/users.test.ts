import { test } from 'tap';
import { removeUser } from '../../src/access/people/user-store.ts';
import { vedette } from '../cli/run.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { createPeopleScene, OURS, PASSWORD, ROOT } from './people-scene.ts';

test('a key of the settings makes the first user; nobody sees passwords again', async (t) => {
  const { ask, addUser, database, enter } = await createPeopleScene(t);
  const ada = await addUser({ email: ' Ada@Example.COM ', name: 'Ada' });
  t.match(ada, { email: 'ada@example.com', role: 'editor', has_password: true, two_factor: false, disabled: false });
  t.match((await ask('/user', { method: 'POST', key: ROOT, payload: { email: 'ADA@example.com' } })).json(), {
    statusCode: 409,
    code: 'VED_USER_EXISTS',
  });
  const { rows } = await database.query<{ password: string }>('SELECT password FROM users');
  t.match(rows[0]?.password, /^\$scrypt\$ln=15,r=8,p=3\$[\w-]{22}\$[\w-]{43}$/);
  const audit = await ask('/audit', { key: ROOT });
  t.match(audit.json(), [{ action: 'user.add', subject: 'user:ada@example.com', actor: 'settings key', before: null }]);
  t.notMatch(audit.body + (await ask('/user', { key: ROOT })).body, /scrypt|kettles/);

  const cookie = await enter();
  for (const url of ['/user', '/audit', '/key', `/user/${ada.id}`]) {
    t.match((await ask(url, { cookie })).json(), { statusCode: 403, code: 'VED_FORBIDDEN' }, url);
  }
  t.equal((await ask('/job', { cookie })).statusCode, 200);
});

test('what cannot be a user is refused, and why is said', async (t) => {
  const { ask } = await createPeopleScene(t);
  for (const [given, message] of [
    [{ email: 'ada' }, /e-mail address/],
    [{ email: 'ada@b"<>' }, /e-mail address/],
    [{ email: 'a\u202e@b.c' }, /e-mail address/],
    [{ password: 'short' }, /given 5 characters, accepted: at least 10/],
    [{ password: 'qwertyuiop' }, /most common/],
    [{ password: 'Password123!!' }, /most common/],
    [{ password: '1q2w3e4r5t6y' }, /most common/],
    [{ password: 'ababababababab' }, /few characters/],
    [{ password: 'ada@example.com1' }, /the e-mail address/],
    [{ password: 'wxyz'.repeat(500) }, /given 2000 characters, accepted: at most 256/],
    [{ role: 'root' }, /role/],
    [{ role: 'admin', tags: ['shop'] }, /an admin can make a key for all jobs/],
    [{ role: 'viewer', scopes: ['read'] }, /one of the two/],
    [{ nme: 'x' }, /nme/],
  ] as const) {
    const payload: object = { ...{ email: 'ada@example.com', password: PASSWORD }, ...given };
    const answer = await ask('/user', { method: 'POST', key: ROOT, payload });
    t.match(answer.json(), { statusCode: 400, message }, JSON.stringify(given));
    t.notMatch(answer.body, /qwertyuiop|1q2w3e|wxyz/, 'a password is never repeated');
  }
  t.same((await ask('/user', { key: ROOT })).json(), []);
});

test('a change of password or rights, and being disabled, ends the sessions; a new name does not', async (t) => {
  const { ask, addUser, signIn, enter } = await createPeopleScene(t);
  const { id } = await addUser();
  const patch = (payload: object) => ask(`/user/${id}`, { method: 'PATCH', key: ROOT, payload });
  const works = async (cookie: string) => (await ask('/job', { cookie })).statusCode === 200;
  const kept = await enter();
  t.match((await patch({ name: 'Ada' })).json(), { name: 'Ada' });
  t.ok(await works(kept));
  for (const change of [
    { role: 'viewer' },
    { tags: ['shop'] },
    { password: 'a quite different one' },
    { disabled: true },
  ]) {
    if ('disabled' in change) await patch({ password: PASSWORD });
    const cookie = await enter();
    t.ok(await works(cookie));
    t.equal((await patch(change)).statusCode, 200);
    t.equal((await ask('/job', { cookie })).statusCode, 401, JSON.stringify(change));
    if ('password' in change) t.equal((await signIn({ email: 'ada@example.com', password: PASSWORD })).statusCode, 401);
  }
  t.match((await ask(`/user/${id}`, { key: ROOT })).json(), { role: 'viewer', tags: ['shop'], disabled: true });
  t.equal((await signIn({ email: 'ada@example.com', password: PASSWORD })).statusCode, 401, 'disabled');
  await patch({ disabled: false });
  const cookie = await enter();
  t.equal((await ask(`/user/${id}`, { method: 'DELETE', key: ROOT })).statusCode, 204);
  t.equal((await ask('/job', { cookie })).statusCode, 401);
  t.match((await patch({ name: 'x' })).json(), { statusCode: 404, code: 'VED_USER_NOT_FOUND' });
});

test('the last administrator stays, unless the settings have a key', async (t) => {
  const { database, ask, addUser } = await createPeopleScene(t);
  await addUser({ role: 'admin' });
  const { ask: other, enter } = await createPeopleScene(t, { database, apiKeys: [], options: { loopback: false } });
  const cookie = await enter();
  const change = (method: string, id: number, payload?: object) =>
    other(`/user/${id}`, { method, cookie, headers: OURS, ...(payload ? { payload } : {}) });
  for (const [method, payload] of [
    ['DELETE', undefined],
    ['PATCH', { role: 'editor' }],
    ['PATCH', { disabled: true }],
  ] as const) {
    t.match((await change(method, 1, payload)).json(), { statusCode: 409, code: 'VED_LAST_ADMIN' }, method);
  }
  t.equal((await other('/user', { cookie })).statusCode, 200, 'nothing has changed');
  await other('/user', {
    ...{ method: 'POST', cookie, headers: OURS },
    payload: { email: 'bob@example.com', password: PASSWORD, role: 'admin' },
  });
  const remove = (id: number) => removeUser(database, { name: 'test', address: null }, { id });
  const both = await Promise.allSettled([remove(1), remove(2)]);
  t.same(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'], 'two at a time keep one of them');
  const [left] = (await ask('/user', { key: ROOT })).json();
  t.equal((await ask(`/user/${left.id}`, { method: 'DELETE', key: ROOT })).statusCode, 204, 'the settings have a key');
});

test('vedette users', async (t) => {
  const { connectionString } = await createTestDatabase(t);
  const env = { DATABASE_URL: connectionString };
  const run = (...args: string[]) => vedette(t, ['users', ...args], { env });
  t.match(await run('list'), { code: 0, stdout: /no users/ });
  const made = await run('add', 'Ada@example.com', '--role', 'admin');
  t.match(made, { code: 0, stdout: /user ada@example\.com made: may read, operate, write, admin; all jobs/ });
  t.match(made.stdout, /\n {2}([a-z2-9]{5}-){3}[a-z2-9]{5}\n/, 'nobody could be asked');
  t.match(await run('add', 'ada@example.com'), { code: 1, stderr: /VED_USER_EXISTS/ });
  t.match(await run('add', 'bob@example.com', '--role', 'operator', '--tag', 'shop', '--no-password'), { code: 0 });
  t.match(await run('list'), { stdout: /ada@example\.com +admin +all jobs +password +never +os:\S+\n(.+\n)*$/ });
  const { stdout } = await run('list', '--json');
  t.match(JSON.parse(stdout), [{ email: 'ada@example.com' }, { tags: ['shop'], has_password: false }]);
  t.match(await run('role', 'ada@example.com', 'viewer'), { code: 1, stderr: /VED_LAST_ADMIN/ });
  t.match(await run('disable', 'ada@example.com'), { code: 1, stderr: /VED_LAST_ADMIN/ });
  t.match(await run('remove', 'ada@example.com'), { code: 1, stderr: /--force/ });
  t.match(await run('role', 'bob@example.com', 'admin'), { code: 0 });
  t.match(await run('disable', 'ADA@example.com'), { code: 0, stdout: /may not sign in/ });
  t.match(await run('password', 'ada@example.com'), { code: 0, stdout: /is changed/ });
  t.match(await run('reset-two-factor', 'ada@example.com'), { code: 0 });
  t.match(await run('remove', 'bob@example.com'), { code: 1, stderr: /VED_LAST_ADMIN/ });
  t.match(await run('remove', 'bob@example.com', '--force'), { code: 0, stdout: /not there any more/ });
  t.match(await run('remove', 'bob@example.com'), { code: 1, stderr: /VED_USER_NOT_FOUND/ });
  t.match(await run('role', 'ada@example.com', 'root'), { code: 2 });
});
