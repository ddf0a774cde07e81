import { test } from 'tap';
import { stepAt, stepOfCode, totpCode, totpUri } from '../../src/access/people/totp.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { cookieOf, createPeopleScene, OURS, PASSWORD, ROOT } from './people-scene.ts';

const CREDENTIALS = { email: 'ada@example.com', password: PASSWORD };

test('codes are those of RFC 6238', (t) => {
  // Appendix B, SHA-1, the last six digits; the secret is 12345678901234567890.
  const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
  for (const [seconds, code] of [
    [59, '287082'],
    [1111111109, '081804'],
    [1111111111, '050471'],
    [1234567890, '005924'],
    [2000000000, '279037'],
    [20000000000, '353130'],
  ] as const) {
    t.equal(totpCode(secret, stepAt(seconds * 1_000)), code);
  }
  t.equal(stepOfCode(secret, '081 804', 1111111109_000 + 30_000), 37037036, 'the one before counts too');
  t.equal(stepOfCode(secret, '081804', 1111111109_000 - 30_000), 37037036, 'and the next');
  t.equal(stepOfCode(secret, '081804', 1111111109_000 + 60_000), null);
  for (const bad of ['', '08180', '0818040', 'abcdef', '０８１８０４'])
    t.equal(stepOfCode(secret, bad, 1111111109_000), null, bad);
  t.match(totpUri(secret, 'ada+x@example.com'), /^otpauth:\/\/totp\/Vedette%3Aada%2Bx%40example\.com\?secret=GEZDG/);
  t.end();
});

test('two-factor: enrolment, codes that count once, recovery codes, and the way back', async (t) => {
  const clock = createFakeClock({ wallMs: Date.UTC(2026, 10, 21) });
  const { ask, addUser, enter, signIn, database } = await createPeopleScene(t, { clock });
  const { id } = await addUser();
  const cookie = await enter();
  const post = (url: string, payload: object) => ask(url, { method: 'POST', cookie, headers: OURS, payload });
  t.equal((await post('/account/two-factor', { password: 'wrong' })).statusCode, 401);
  t.match((await post('/account/two-factor/confirm', { code: '123456' })).json(), {
    statusCode: 400,
    message: /enrol first/,
  });
  const { secret, uri } = (await post('/account/two-factor', { password: PASSWORD })).json();
  t.match(uri, `secret=${secret}&issuer=Vedette`);
  t.equal((await signIn(CREDENTIALS)).statusCode, 201, 'nothing is asked for before it is confirmed');
  const code = () => totpCode(secret, stepAt(clock.wallMs()));
  const wrong = () => String((Number(code()) + 1) % 1_000_000).padStart(6, '0');
  t.equal((await post('/account/two-factor/confirm', { code: wrong() })).statusCode, 400);
  const { recovery_codes: recovery } = (await post('/account/two-factor/confirm', { code: code() })).json();
  t.equal(recovery.length, 10);
  t.match(recovery[0], /^([a-z2-7]{4}-){3}[a-z2-7]{4}$/);
  t.match((await ask('/account', { cookie })).json(), { two_factor: true });

  t.match((await signIn(CREDENTIALS)).json(), { statusCode: 401, code: 'VED_CODE_NEEDED' });
  t.match((await signIn({ ...CREDENTIALS, password: 'wrong' })).json(), { code: 'VED_SIGN_IN_FAILED' });
  t.match(
    (await signIn({ ...CREDENTIALS, code: code() })).json(),
    { statusCode: 401 },
    'that of the confirmation was used',
  );
  await clock.advance(30_000);
  t.equal((await signIn({ ...CREDENTIALS, code: wrong() })).statusCode, 401);
  const [one, other] = await Promise.all([
    signIn({ ...CREDENTIALS, code: code() }),
    signIn({ ...CREDENTIALS, code: code() }),
  ]);
  t.same([one.statusCode, other.statusCode].sort(), [201, 401], 'a code counts once, also for two at a time');
  t.equal(
    (await signIn({ ...CREDENTIALS, code: totpCode(secret, stepAt(clock.wallMs()) - 1) })).statusCode,
    401,
    'nor one before',
  );
  const [spare] = recovery;
  t.equal((await signIn({ ...CREDENTIALS, code: spare.toUpperCase().replaceAll('-', ' ') })).statusCode, 201);
  t.equal((await signIn({ ...CREDENTIALS, code: spare })).statusCode, 401, 'each once');
  t.notMatch(
    JSON.stringify((await database.query('SELECT recovery_codes::text FROM users')).rows),
    recovery[1].slice(0, 4),
  );

  t.equal((await post('/account/two-factor/disable', { password: PASSWORD })).statusCode, 204);
  t.equal((await signIn(CREDENTIALS)).statusCode, 201);
  t.match((await ask('/audit?action=user.two_factor', { key: ROOT })).json(), [
    { after: { two_factor: false } },
    { before: { two_factor: false }, after: { two_factor: true } },
  ]);

  const again = (await post('/account/two-factor', { password: PASSWORD })).json().secret;
  await post('/account/two-factor/confirm', { code: totpCode(again, stepAt(clock.wallMs())) });
  const reset = await ask(`/user/${id}`, { method: 'PATCH', key: ROOT, payload: { two_factor: false } });
  t.match(reset.json(), { two_factor: false });
  t.equal((await ask('/session', { cookie })).statusCode, 401);
  t.equal((await signIn(CREDENTIALS)).statusCode, 201);
});

test('codes are not guessed: wrong ones are failures of the account, and the password alone forgives none', async (t) => {
  const { ask, addUser, enter, signIn, database } = await createPeopleScene(t);
  await addUser();
  const cookie = await enter();
  const post = (url: string, payload: object) => ask(url, { method: 'POST', cookie, headers: OURS, payload });
  const { secret } = (await post('/account/two-factor', { password: PASSWORD })).json();
  await post('/account/two-factor/confirm', { code: totpCode(secret, stepAt(Date.now())) });
  for (let i = 0; i < 5; i++) {
    t.equal((await signIn({ ...CREDENTIALS, code: '000000' })).statusCode, 401);
    if (i < 4) t.match((await signIn(CREDENTIALS)).json(), { code: 'VED_CODE_NEEDED' });
  }
  await database.query('UPDATE sign_in_failures SET last_at = clock_timestamp()');
  t.equal((await signIn({ ...CREDENTIALS, code: '000000' })).statusCode, 429);
  t.equal((await signIn(CREDENTIALS)).statusCode, 429);
  t.ok(cookieOf(await ask('/session', { cookie })));
});
