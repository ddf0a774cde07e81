import { test } from 'tap';
import { stepAt, totpCode } from '../../src/access/people/totp.ts';
import { cookieOf, createPeopleScene, OURS, PASSWORD, ROOT } from '../access/people-scene.ts';
import { alertIn, csrfIn, HTML, submit } from './forms.ts';

async function createScene(...[t]: Parameters<typeof createPeopleScene>) {
  const scene = await createPeopleScene(t);
  await scene.addUser();
  const cookie = await scene.enter();
  const show = (given = cookie, path = '/profile') => scene.ask(path, { cookie: given, headers: HTML });
  const send = (path: string, fields: Record<string, string>, given = cookie) =>
    submit(scene, path, fields, { ...OURS, cookie: given });
  return { ...scene, cookie, show, send };
}

test('the account is a page of people alone', async (t) => {
  const scene = await createScene(t);
  const page = await scene.show();
  t.match(page, { statusCode: 200, headers: { 'cache-control': 'no-store' } });
  t.match(page.body, /ada@example\.com/);
  t.notMatch(page.body, /<script|style=|onclick/);
  t.match(await scene.ask('/profile', { headers: HTML }), { statusCode: 303, headers: { location: /^\/sign-in/ } });
  const key = await scene.ask('/profile', { key: ROOT, headers: HTML });
  t.match(key, { statusCode: 403 });
  t.match(alertIn(key), /has no account of a person/);
  t.match((await scene.ask('/', { cookie: scene.cookie, headers: HTML })).body, /<a href="\/profile">/);
});

test('a new password: refusals at its form, then other sessions end and this one goes on', async (t) => {
  const scene = await createScene(t);
  const other = await scene.enter();
  const next = 'eight blue teapots';
  const wrong = await scene.send('/profile/password', { current: 'wrong wrong', password: next });
  t.equal(wrong.statusCode, 401);
  t.match(alertIn(wrong), /wrong/);
  const common = await scene.send('/profile/password', { current: PASSWORD, password: 'password123' });
  t.equal(common.statusCode, 400);
  t.match(alertIn(common), /password/);
  const done = await scene.send('/profile/password', { current: PASSWORD, password: next });
  t.match(done, { statusCode: 303, headers: { location: '/profile?done=password' } });
  const renewed = cookieOf(done);
  t.match((await scene.show(renewed, '/profile?done=password')).body, /role="status">The password is changed/);
  for (const ended of [other, scene.cookie]) t.equal((await scene.show(ended)).statusCode, 303);
  await scene.enter('ada@example.com', next);
});

test('codes: set up with a picture, a wrong code can be typed again, recovery codes once, off again', async (t) => {
  const scene = await createScene(t);
  t.match(alertIn(await scene.send('/profile/two-factor', { password: 'no' })), /wrong/);
  const enrol = await scene.send('/profile/two-factor', { password: PASSWORD });
  t.match(enrol, { statusCode: 200, headers: { 'cache-control': 'no-store' } });
  t.match(enrol.body, /<svg[^>]*viewBox/);
  const [, secret = ''] = /name="secret" value="(\w+)"/.exec(enrol.body) ?? [];
  const [, uri = ''] = /name="uri" value="(otpauth:[^"]+)"/.exec(enrol.body) ?? [];
  const again = await scene.send('/profile/two-factor/confirm', { secret, uri, code: '000000' });
  t.match(alertIn(again), /code/i);
  t.match(again.body, new RegExp(`name="secret" value="${secret}"`));
  const huge = await scene.send('/profile/two-factor/confirm', { secret, uri: 'x'.repeat(15_000), code: '1' });
  t.equal(huge.statusCode, again.statusCode, 'what a form sends back is bounded');
  const code = totpCode(secret, stepAt(Date.now()));
  const confirmed = await scene.send('/profile/two-factor/confirm', { secret, uri, code });
  t.equal((confirmed.body.match(/<li><code>/g) ?? []).length, 10, confirmed.body);
  t.match((await scene.show()).body, /A code is asked for at each sign-in/);
  const off = await scene.send('/profile/two-factor/disable', { password: PASSWORD });
  t.match(off, { statusCode: 303, headers: { location: '/profile?done=two-factor' } });
  t.match((await scene.show()).body, /Set up codes/);
});

test('sessions: those of others are not ended, one is, all others are', async (t) => {
  const scene = await createScene(t);
  const [second, third] = [await scene.enter(), await scene.enter()];
  await scene.addUser({ email: 'eve@example.com' });
  const eve = await scene.enter('eve@example.com');
  const [, id = ''] = /action="\/profile\/session\/(\d+)"/.exec((await scene.show(third)).body) ?? [];
  t.equal((await scene.send(`/profile/session/${id}`, {}, eve)).statusCode, 404);
  t.equal((await scene.send('/profile/session/x', {}, third)).statusCode, 400);
  t.equal((await scene.send(`/profile/session/${id}`, {}, third)).statusCode, 303);
  const left = async () => (await Promise.all([scene.cookie, second].map((c) => scene.show(c)))).filter(isShown).length;
  t.equal(await left(), 1);
  t.equal((await scene.send('/profile/session', {}, third)).statusCode, 303);
  t.equal(await left(), 0);
  t.ok(isShown(await scene.show(third)));
  t.ok(isShown(await scene.show(eve)));
});

test('a form of another page changes nothing', async (t) => {
  const scene = await createScene(t);
  const fields = { current: PASSWORD, password: 'eight blue teapots' };
  const forged = await submit(scene, '/profile/password', fields, { cookie: scene.cookie });
  t.equal(forged.statusCode, 403);
  const csrf = csrfIn(await scene.show());
  const own = await submit(scene, '/profile/password', { ...fields, csrf }, { cookie: scene.cookie });
  t.equal(own.statusCode, 303);
});

const isShown = ({ statusCode }: { statusCode: number }) => statusCode === 200;
