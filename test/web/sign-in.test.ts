import type { LightMyRequestResponse } from 'fastify';
import { test } from 'tap';
import { stepAt, totpCode } from '../../src/access/people/totp.ts';
import { readTarget } from '../../src/api/http/sign-in-address.ts';
import { cookieOf, createPeopleScene, OURS, PASSWORD, ROOT } from '../access/people-scene.ts';
import { alertIn, csrfIn, HTML, submit } from './forms.ts';

const CREDENTIALS = { email: 'ada@example.com', password: PASSWORD };

test('a browser is led to the sign-in and back; a program is told 401', async (t) => {
  const scene = await createPeopleScene(t);
  await scene.addUser();
  for (const [url, to] of [
    ['/', '/sign-in'],
    ['/?q=shop', '/sign-in?to=%2F%3Fq%3Dshop'],
    ['/docs', '/sign-in?to=%2Fdocs'],
    ['/docs/', '/sign-in?to=%2Fdocs%2F'],
  ] as const) {
    const answer = await scene.ask(url, { headers: HTML });
    t.match(answer, { statusCode: 303, headers: { location: to } }, url);
    t.equal((await scene.ask(url)).statusCode, 401, url);
  }
  for (const url of ['/job', '/docs/json', '/docs/static/swagger-ui.css', '/metrics']) {
    t.equal((await scene.ask(url, { headers: HTML })).statusCode, 401, url);
  }
  const page = await scene.ask('/sign-in?to=%2F%3Fq%3Dshop', { headers: HTML });
  t.equal(page.statusCode, 200);
  t.match(page.headers, { 'cache-control': 'no-store', 'content-security-policy': /form-action 'self'/ });
  t.match(page.headers['set-cookie'], /^vedette_form=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/);
  t.match(page.body, /name="to" value="\/\?q=shop"/);
  t.notMatch(page.body, /<script|style=|onclick/);
  const entered = await submit(scene, '/sign-in', { ...CREDENTIALS, to: '/?q=shop' });
  t.match(entered, { statusCode: 303, headers: { location: '/?q=shop' } });
  const cookie = cookieOf(entered);
  const home = await scene.ask('/', { cookie, headers: HTML });
  t.match(home.body, /ada@example\.com<\/a>/);
  t.equal((await scene.ask('/docs', { cookie, headers: HTML })).statusCode, 200);
  t.equal((await scene.ask('/docs/json', { cookie })).statusCode, 200);

  t.match((await submit(scene, '/sign-out', {}, { cookie })).statusCode, 403, 'not from elsewhere');
  const out = await submit(scene, '/sign-out', { csrf: csrfIn(home) }, { cookie });
  t.match(out, { statusCode: 303, headers: { location: '/sign-in' } });
  t.equal((await scene.ask('/session', { cookie })).statusCode, 401);
  t.match(await submit(scene, '/sign-out', {}, { cookie }), { statusCode: 303, headers: { location: '/sign-in' } });
});

test('one goes on to paths of this server alone', (t) => {
  for (const good of ['/', '/docs', '/?q=a&b=c', '/job/1#x', '/a//b']) t.equal(readTarget(good), good);
  for (const bad of [
    ...['//evil.example', '/\\evil.example', 'https://evil.example', '\\\\evil.example', '/\t/evil.example', ''],
    ...['/.//evil.example', '/x/..//evil.example', 'javascript:alert(1)', '/\n/evil.example', `/${'x'.repeat(3_000)}`],
    ...[undefined, null, 7, ['/docs'], 'docs', '@evil.example', ' //evil.example', '/%2e%2e//evil.example'],
  ]) {
    const target = readTarget(bad);
    t.equal(new URL(target, 'http://here.example').host, 'here.example', String(bad));
    t.notMatch(target, /^\/[/\\]/, String(bad));
  }
  t.end();
});

test('a form of another page signs nobody in', async (t) => {
  const scene = await createPeopleScene(t);
  await scene.addUser();
  const page = await scene.ask('/sign-in', { headers: HTML });
  const [form, csrf] = [cookieOf(page), csrfIn(page)];
  const other = csrfIn(await scene.ask('/sign-in', { headers: HTML }));
  for (const [fields, headers, expected] of [
    [{}, {}, 403],
    [{ csrf: other }, {}, 403],
    [{ csrf }, {}, 403],
    [{}, { cookie: form }, 403],
    [{ csrf: other }, { cookie: form }, 403],
    [{ csrf }, { cookie: form }, 303],
    [{}, { 'sec-fetch-site': 'cross-site' }, 403],
    [{ csrf }, { cookie: form, origin: 'http://evil.example' }, 403],
    [{}, { origin: 'http://localhost:80' }, 303],
  ] as const) {
    const answer = await submit(scene, '/sign-in', { ...CREDENTIALS, ...fields }, { ...headers });
    t.equal(answer.statusCode, expected, JSON.stringify({ fields, headers }));
    if (expected === 403) t.notMatch(String(answer.headers['set-cookie']), 'vedette_session');
  }
});

test('refusals are shown on the form, with what was typed but the password', async (t) => {
  const scene = await createPeopleScene(t);
  await scene.addUser();
  const wrong = await submit(scene, '/sign-in', {
    email: 'ada"><script>@example.com',
    password: 'wrong wrong',
    to: '//x',
  });
  t.equal(wrong.statusCode, 401);
  t.match(alertIn(wrong), /address, the password or the code is wrong/);
  t.match(wrong.body, /value="ada&quot;&gt;&lt;script&gt;@example\.com"/);
  t.match(wrong.body, /name="to" value="\/"/);
  t.notMatch(wrong.body, /wrong wrong/);
  for (let i = 0; i < 5; i++) await submit(scene, '/sign-in', { ...CREDENTIALS, password: 'wrong' });
  await scene.database.query('UPDATE sign_in_failures SET last_at = clock_timestamp()');
  const limited = await submit(scene, '/sign-in', { ...CREDENTIALS, password: 'wrong' });
  t.match(limited, { statusCode: 429, headers: { 'retry-after': '1' } });
  t.match(alertIn(limited), /try again in 1 s/);
  const big = await submit(scene, '/sign-in', { ...CREDENTIALS, to: `/${'x'.repeat(20_000)}` });
  t.equal(big.statusCode, 413);
  t.equal((await submit(scene, '/sign-in', { email: 'a\0@b.c', password: 'x' })).statusCode, 400);
  t.equal((await submit(scene, '/sign-in', { __proto__: 'x', constructor: 'y' } as never)).statusCode, 401);
  t.equal((await submit(scene, '/sign-in', { key: 'wrong' })).statusCode, 401);
  const key = await submit(scene, '/sign-in', { key: ` ${ROOT} ` });
  t.equal(key.statusCode, 303);
  t.match((await scene.ask('/', { cookie: cookieOf(key), headers: HTML })).body, /settings key<\/span>/);
  for (const url of ['/job', '/session', '/key']) {
    const answer = await submit(scene, url, CREDENTIALS);
    t.ok([401, 415].includes(answer.statusCode), `${url} takes no forms`);
  }
});

test('the code is a second step; the first alone signs nobody in', async (t) => {
  const scene = await createPeopleScene(t);
  await scene.addUser();
  const first = await scene.enter();
  const post = (url: string, payload: object) =>
    scene.ask(url, { method: 'POST', cookie: first, headers: OURS, payload });
  const { secret } = (await post('/account/two-factor', { password: PASSWORD })).json();
  const { recovery_codes: recovery } = (
    await post('/account/two-factor/confirm', { code: totpCode(secret, stepAt(Date.now())) })
  ).json();
  const step = await submit(scene, '/sign-in', { ...CREDENTIALS, to: '/docs' });
  t.equal(step.statusCode, 200);
  t.match(step.body, /autocomplete="one-time-code"/);
  const waiting = cookieOf(step);
  t.match(waiting, /^vedette_session=/);
  t.equal((await scene.ask('/session', { cookie: waiting })).statusCode, 401, 'nobody is signed in yet');
  t.equal((await scene.ask('/', { cookie: waiting, headers: HTML })).statusCode, 303);
  const wrong = await submit(scene, '/sign-in', { code: '000000', to: '/docs' }, { ...OURS, cookie: waiting });
  t.equal(wrong.statusCode, 401);
  t.match(wrong.body, /autocomplete="one-time-code"/, 'it is asked for again');
  const right = await submit(scene, '/sign-in', { code: recovery[0], to: '/docs' }, { ...OURS, cookie: waiting });
  t.match(right, { statusCode: 303, headers: { location: '/docs' } });
  const cookie = cookieOf(right);
  t.not(cookie, waiting);
  t.equal((await scene.ask('/session', { cookie })).statusCode, 200);
  t.equal((await scene.ask('/session', { cookie: waiting })).statusCode, 401);
  const none = await submit(scene, '/sign-in', { code: recovery[1] }, { ...OURS, cookie: waiting });
  t.equal(none.statusCode, 401);
  t.match(alertIn(none), /begin again/);
  const late = cookieOf(await submit(scene, '/sign-in', CREDENTIALS));
  await scene.database.query('UPDATE sessions SET ends_at = now() WHERE waits_for_code');
  t.match(alertIn(await submit(scene, '/sign-in', { code: recovery[1] }, { ...OURS, cookie: late })), /begin again/);
});

test('the first user is made on a page, on this machine and while there is nobody', async (t) => {
  const scene = await createPeopleScene(t, { apiKeys: [], options: {} });
  const home = await scene.ask('/', { headers: HTML });
  t.match(home.body, /href="\/sign-up"/);
  const page = await scene.ask('/sign-up', { headers: HTML });
  t.match(page.body, /autocomplete="new-password"/);
  t.equal((await scene.ask('/sign-up', { headers: { ...HTML, via: '1.1 proxy' } })).statusCode, 403);
  t.match(alertIn(await submit(scene, '/sign-up', CREDENTIALS, {})), /open for too long/);
  t.match(alertIn(await submit(scene, '/sign-up', { ...CREDENTIALS, password: 'qwertyuiop' })), /most common/);
  const both = await Promise.all(
    ['ada@example.com', 'bob@example.com'].map((email) => submit(scene, '/sign-up', { ...CREDENTIALS, email })),
  );
  const made = both.find(({ statusCode }) => statusCode === 303);
  t.ok(made && both.some(({ statusCode }) => statusCode !== 303), 'one of two at once');
  const who = (await scene.ask('/session', { cookie: cookieOf(made as LightMyRequestResponse) })).json();
  t.match(who, { kind: 'user', scopes: ['read', 'operate', 'write', 'admin'] });
  t.match(await scene.ask('/sign-up', { headers: HTML }), { statusCode: 303, headers: { location: /^\/sign-in/ } });
  t.equal((await scene.database.query('SELECT FROM users')).rowCount, 1);
  const open = await createPeopleScene(t, { apiKeys: [] });
  t.equal((await open.ask('/sign-up')).statusCode, 401, 'not on a server that others reach');
  t.match((await open.ask('/sign-in', { headers: HTML })).body, /vedette users add EMAIL --role admin/);
});

test('what somebody may not do has no button', async (t) => {
  const scene = await createPeopleScene(t);
  await scene.addUser({ role: 'viewer' });
  await scene.addUser({ email: 'bob@example.com', role: 'operator' });
  await scene.ask('/job', { method: 'POST', key: ROOT, payload: { uri: 'http://127.0.0.1/' } });
  const page = async (email: string) =>
    (await scene.ask('/', { cookie: await scene.enter(email), headers: HTML })).body;
  t.notMatch(await page('ada@example.com'), /data-action/);
  t.match(await page('bob@example.com'), /data-action="stop"/);
});
