import type { Page } from 'playwright-core';
import { test } from 'tap';
import { stepAt, totpCode } from '../../src/access/people/totp.ts';
import { CLIENT, startOpenIdProvider } from '../access/openid-provider.ts';
import { createPeopleScene, OURS, PASSWORD, ROOT } from '../access/people-scene.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { oidcDefaults } from '../helpers/defaults.ts';
import { noBrowser, openBrowser } from './chromium.ts';

test('sign-in by an OpenID provider in a real browser', { skip: noBrowser }, async (t) => {
  const database = await createTestDatabase(t);
  const accounts = { 'sub-1': { email: 'ada@example.com', email_verified: true, groups: ['ops'] } };
  const { issuer, open } = await startOpenIdProvider(t, accounts);
  const oidc = { ...oidcDefaults, ...CLIENT, issuer, roles: { ops: 'operator' }, label: 'Sign in with Example' };
  const scene = await createPeopleScene(t, { database, oidc });
  await scene.ask('/job', { method: 'POST', key: ROOT, payload: { uri: 'http://127.0.0.1/', job_name: 'Shop' } });
  const url = await scene.app.listen({ host: '127.0.0.1', port: 0 });
  open(`${url}/sign-in/oidc/callback`);
  const page = await (await openBrowser(t)).newPage();
  await page.goto(`${url}/?q=shop`);
  t.equal(new URL(page.url()).pathname, '/sign-in');
  await page.getByRole('link', { name: 'Sign in with Example' }).click();
  await page.waitForURL(`${issuer}/**`);
  await page.locator('input[name=login]').fill('sub-1');
  await page.locator('input[name=password]').fill('any');
  await page.locator('button[type=submit]').click();
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.waitForURL(`${url}/?q=shop`);
  t.ok(await page.getByText('ada@example.com').isVisible());
  const [cookie] = (await page.context().cookies(url)).filter(({ name }) => name === 'vedette_session');
  t.match(cookie, { httpOnly: true, sameSite: 'Lax', secure: false, path: '/' });

  await page.getByRole('button', { name: 'Stop Shop' }).click();
  await page.getByRole('button', { name: 'Start Shop' }).waitFor();
  const [job] = (await scene.ask('/job', { key: ROOT })).json();
  t.equal(job.running, false, 'the cookie of a page of ours changes something');
  const { rows } = await database.query("SELECT actor FROM audit WHERE action = 'job.stop'");
  t.match(rows, [{ actor: 'user:ada@example.com' }]);

  await page.goto(`${url}/docs`);
  await page.locator('.opblock-tag').first().waitFor();
  await page.goto(url);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(`${url}/sign-in`);
  await page.goto(`${url}/docs`);
  t.equal(new URL(page.url()).pathname, '/sign-in');
});

test('password and code in a real browser, with the keyboard and without scripts', { skip: noBrowser }, async (t) => {
  const scene = await createPeopleScene(t);
  await scene.addUser();
  const first = await scene.enter();
  const post = (to: string, payload: object) =>
    scene.ask(to, { method: 'POST', cookie: first, headers: OURS, payload });
  const { secret } = (await post('/account/two-factor', { password: PASSWORD })).json();
  const step = stepAt(Date.now());
  await post('/account/two-factor/confirm', { code: totpCode(secret, step) });
  const url = await scene.app.listen({ host: '127.0.0.1', port: 0 });
  const page = await (await openBrowser(t, { javaScriptEnabled: false })).newPage();
  await page.goto(`${url}/docs`);
  await page.keyboard.type('ada@example.com');
  await page.keyboard.press('Tab');
  await page.keyboard.type('wrong wrong wrong');
  await submit(page);
  t.match(await page.getByRole('alert').textContent(), /is wrong/);
  await page.getByLabel('Password').fill(PASSWORD);
  await submit(page);
  await page.getByLabel(/Code/).waitFor();
  await page.keyboard.type(totpCode(secret, step + 1));
  await submit(page);
  await page.waitForURL(/\/docs/);
  await page.goto(url);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(`${url}/sign-in`);
});

test('codes are set up on the page of one’s account, with the keyboard and without scripts', {
  skip: noBrowser,
}, async (t) => {
  const scene = await createPeopleScene(t);
  await scene.addUser();
  const url = await scene.app.listen({ host: '127.0.0.1', port: 0 });
  const page = await (await openBrowser(t, { javaScriptEnabled: false })).newPage();
  await page.goto(`${url}/profile`);
  await page.keyboard.type('ada@example.com');
  await page.keyboard.press('Tab');
  await page.keyboard.type(PASSWORD);
  await submit(page);
  await page.getByLabel('Your password').fill(PASSWORD);
  await submit(page);
  const secret = (await page.locator('input[name=secret]').getAttribute('value')) as string;
  await page.keyboard.type(totpCode(secret, stepAt(Date.now())));
  await submit(page);
  t.equal(await page.locator('.codes li').count(), 10);
  await page.getByRole('link', { name: 'I have kept them' }).click();
  t.ok(await page.getByText('A code is asked for at each sign-in.').isVisible());
});

test('a session that ends while the page is open leads to the sign-in', { skip: noBrowser }, async (t) => {
  const scene = await createPeopleScene(t);
  await scene.addUser();
  const url = await scene.app.listen({ host: '127.0.0.1', port: 0 });
  const page = await (await openBrowser(t)).newPage();
  await page.goto(url);
  await page.getByLabel('E-mail address').fill('ada@example.com');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
  await scene.database.query('DELETE FROM sessions');
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  t.equal(new URL(page.url()).pathname, '/sign-in');
});

test('a page of another site cannot use the cookie', { skip: noBrowser }, async (t) => {
  const scene = await createPeopleScene(t);
  await scene.addUser({ role: 'admin' });
  await scene.ask('/job', { method: 'POST', key: ROOT, payload: { uri: 'http://127.0.0.1/', job_name: 'Shop' } });
  const url = await scene.app.listen({ host: '127.0.0.1', port: 0 });
  // Another port of the same host is of the same site: the browser sends the cookie.
  const context = await openBrowser(t);
  const page = await context.newPage();
  await page.goto(url);
  await page.getByLabel('E-mail address').fill('ada@example.com');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
  const evil = await context.newPage();
  await evil.route('http://127.0.0.1:1/**', (route) =>
    route.fulfill({
      contentType: 'text/html',
      body: `<form method="post" action="${url}/job/1/stop" enctype="text/plain"><button>win</button></form>
        <form method="post" action="${url}/sign-out"><button>out</button></form>`,
    }),
  );
  for (const name of ['win', 'out']) {
    await evil.goto('http://127.0.0.1:1/');
    const [answer] = await Promise.all([
      evil.waitForResponse((response) => response.url().startsWith(url)),
      evil.getByRole('button', { name }).click(),
    ]);
    t.equal(answer.status(), 403, name);
  }
  t.equal((await scene.ask('/job', { key: ROOT })).json()[0].running, true);
  await page.reload();
  t.ok(await page.getByRole('button', { name: 'Sign out' }).isVisible(), 'still signed in');
});

/** Without scripts, a locator that waits over a navigation may wait for ever. */
async function submit(page: Page): Promise<void> {
  await Promise.all([page.waitForEvent('load'), page.keyboard.press('Enter')]);
}
