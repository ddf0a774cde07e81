import { test } from 'tap';
import { createPasswordHasher } from '../../src/access/people/passwords.ts';
import { beginAttempt } from '../../src/access/sessions/attempts.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { cookieOf, createPeopleScene, PASSWORD } from './people-scene.ts';

const WRONG = { email: 'ada@example.com', password: 'wrong wrong wrong' };

test('an account that is not there, a wrong password and a disabled user look the same, in the same time', async (t) => {
  const { addUser, signIn, database } = await createPeopleScene(t);
  await addUser();
  await addUser({ email: 'bob@example.com' });
  await database.query("UPDATE users SET disabled_at = now() WHERE email = 'bob@example.com'");
  await addUser({ email: 'eve@example.com', password: undefined });
  const times = new Map<string, number[]>();
  const bodies = new Set<string>();
  for (let round = 0; round < 5; round++) {
    for (const email of ['ada@example.com', 'nobody@example.com', 'bob@example.com', 'eve@example.com']) {
      await database.query('DELETE FROM sign_in_failures');
      const startedAt = performance.now();
      const answer = await signIn({ email, password: email.startsWith('bob') ? PASSWORD : 'wrong wrong wrong' });
      times.set(email, [...(times.get(email) ?? []), performance.now() - startedAt]);
      t.equal(answer.statusCode, 401, email);
      bodies.add(answer.body);
    }
  }
  t.equal(bodies.size, 1, 'one answer');
  const fastest = [...times.values()].map((all) => Math.min(...all));
  t.ok(Math.max(...fastest) < 2 * Math.min(...fastest), `${fastest.map(Math.round)} ms`);
});

test('failures of an account cost time, which grows; a right sign-in begins again', async (t) => {
  const { addUser, signIn, database } = await createPeopleScene(t);
  await addUser();
  // A password takes a while to be hashed, which is part of the pause.
  const justNow = () => database.query('UPDATE sign_in_failures SET last_at = clock_timestamp()');
  for (let i = 0; i < 5; i++) t.equal((await signIn(WRONG)).statusCode, 401);
  await justNow();
  t.equal((await signIn(WRONG)).statusCode, 429, 'the pause begins');
  const refused = await signIn({ ...WRONG, password: PASSWORD });
  t.match(refused.json(), { statusCode: 429, code: 'VED_RATE_LIMITED' }, 'also of the right one');
  t.equal(refused.headers['retry-after'], '1');
  t.equal((await signIn({ ...WRONG, email: ' ADA@example.com' })).statusCode, 429, 'the same account');
  const pauses: number[] = [];
  for (let i = 0; i < 10; i++) {
    await justNow();
    const wait = Number((await signIn(WRONG)).headers['retry-after']);
    pauses.push(wait);
    await database.query(
      "UPDATE sign_in_failures SET last_at = last_at - make_interval(secs => $1) WHERE subject LIKE 'account:%'",
      [wait],
    );
    t.equal((await signIn(WRONG)).statusCode, 401);
    await database.query("DELETE FROM sign_in_failures WHERE subject LIKE 'address:%'");
  }
  t.same(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
  await database.query("UPDATE sign_in_failures SET last_at = now() - interval '301 seconds'");
  t.equal((await signIn({ ...WRONG, password: PASSWORD })).statusCode, 201);
  t.equal((await signIn(WRONG)).statusCode, 401, 'it begins again');
  const { rows } = await database.query<{ subject: string }>('SELECT subject FROM sign_in_failures');
  t.notMatch(JSON.stringify(rows), /ada|example/, 'what was typed is not kept');
});

test('failures from one address cost time whatever the account; others are not held up', async (t) => {
  const database = await createTestDatabase(t);
  const fail = (address: string, account = String(Math.random())) => beginAttempt(database, account, address);
  for (let i = 0; i < 20; i++) await fail('192.0.2.1');
  await t.rejects(fail('192.0.2.1'), { code: 'VED_RATE_LIMITED', retryAfterSeconds: 1 });
  await t.rejects(fail('::ffff:192.0.2.1'), { code: 'VED_RATE_LIMITED' }, 'the same one in IPv6');
  await t.resolves(fail('192.0.2.2'));
  for (let i = 0; i < 20; i++) await fail(`2001:db8:1:2::${i.toString(16)}`);
  await t.rejects(fail('2001:db8:1:2:ffff::1'), { code: 'VED_RATE_LIMITED' }, 'of the same network');
  await t.resolves(fail('2001:db8:1:3::1'));
  await database.query("UPDATE sign_in_failures SET last_at = now() - interval '25 hours'");
  await t.resolves(fail('192.0.2.1'));
  const { rows } = await database.query("SELECT failures FROM sign_in_failures WHERE subject = 'address:192.0.2.1'");
  t.same(rows, [{ failures: 1 }], 'forgiven after a day');
});

test('many at once have no more tries than one after the other', async (t) => {
  const database = await createTestDatabase(t, { poolSize: 8 });
  const all = await Promise.allSettled(Array.from({ length: 40 }, () => beginAttempt(database, 'ada', '192.0.2.1')));
  t.equal(all.filter(({ status }) => status === 'fulfilled').length, 5);
});

test('a database or hasher that fails is no failure of the person', async (t) => {
  const { addUser, signIn, database } = await createPeopleScene(t);
  await addUser();
  const answers = await Promise.all(Array.from({ length: 4 }, () => signIn({ ...WRONG, password: PASSWORD })));
  t.ok(answers.every(({ statusCode }) => statusCode === 201));
  t.equal(new Set(answers.map(cookieOf)).size, 4);
  const { rows } = await database.query('SELECT failures FROM sign_in_failures');
  t.same(rows, [{ failures: 0 }]);
});

test('passwords: one hash at a time, and not without end', async (t) => {
  const hasher = createPasswordHasher();
  const stored = await hasher.hash('Ａ full-width password');
  t.equal(await hasher.verify('A full-width password', stored), true, 'however it was typed');
  t.equal(await hasher.verify('a full-width password', stored), false);
  t.equal(await hasher.verify('A full-width password', null), false);
  const cheap = '$scrypt$ln=4,r=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$sOZ8zTxhRHyWC0RNVBhhrVnSlQhkLNQn3ZuuqsPTnZQ';
  t.equal(await hasher.verify('x', cheap), false, 'the stored parameters hold');
  const all = await Promise.allSettled(Array.from({ length: 30 }, () => hasher.verify('x', cheap)));
  t.match(
    all.filter(({ status }) => status === 'rejected').map((one) => (one as PromiseRejectedResult).reason),
    Array.from({ length: 10 }, () => ({ code: 'VED_BUSY' })),
  );
  t.equal(await hasher.verify('x', cheap), false, 'afterwards there is room again');
});
