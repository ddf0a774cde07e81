import { type Test, test } from 'tap';
import { ROLES } from '../../src/access/scopes.ts';
import { settingMeta } from '../../src/settings.ts';
import { createTestServer, type TestServerOptions } from '../api/test-server.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { oidcDefaults } from '../helpers/defaults.ts';
import { type Accounts, CLIENT, startOpenIdProvider } from './openid-provider.ts';

const ADA = { email: 'Ada@Example.com', email_verified: true, name: 'Ada', groups: ['staff', 'ops'] };

/** A browser without scripts: it keeps cookies by host, and follows where it is sent. */
class Browser {
  readonly #cookies = new Map<string, Map<string, string>>();

  cookiesOf(url: string): Map<string, string> {
    const { host } = new URL(url);
    const cookies = this.#cookies.get(host) ?? new Map<string, string>();
    this.#cookies.set(host, cookies);
    return cookies;
  }

  async ask(url: string, fields?: Record<string, string>): Promise<{ status: number; url: string; body: string }> {
    const cookies = this.cookiesOf(url);
    const answer = await fetch(url, {
      redirect: 'manual',
      headers: { accept: 'text/html', cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(fields ? { method: 'POST', body: new URLSearchParams(fields) } : {}),
    });
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '' || /max-age=0|expires=Thu, 01 Jan 1970/i.test(line)) cookies.delete(name);
      else cookies.set(name, value);
    }
    const location = answer.headers.get('location');
    if (location !== null && answer.status >= 300 && answer.status < 400) return this.ask(new URL(location, url).href);
    return { status: answer.status, url, body: await answer.text() };
  }

  /** Signs in at the pages of the provider, from the page that leads there. */
  async signIn(start: string, login: string) {
    let page = await this.ask(start);
    for (const fields of [{ prompt: 'login', login, password: 'any' }, { prompt: 'consent' }]) {
      const action = /<form[^>]* action="([^"]+)"/.exec(page.body)?.[1];
      if (action === undefined || !page.body.includes(`value="${fields.prompt}"`)) continue;
      page = await this.ask(new URL(action, page.url).href, fields);
    }
    return page;
  }
}

async function createScene(
  t: Test,
  accounts: Accounts,
  oidc: Partial<typeof oidcDefaults> = {},
  more: TestServerOptions = {},
) {
  const database = await createTestDatabase(t);
  const { issuer, open, asked } = await startOpenIdProvider(t, accounts);
  const settings = { ...oidcDefaults, ...CLIENT, issuer, ...oidc };
  const app = await createTestServer(t, { database, oidc: settings, apiKeys: ['a-key-of-the-settings'], ...more });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  open(`${url}/sign-in/oidc/callback`);
  const browser = new Browser();
  const who = async (from = browser) => {
    const cookie = `vedette_session=${from.cookiesOf(url).get('vedette_session')}`;
    return (await fetch(`${url}/session`, { headers: { cookie } })).json() as Promise<Record<string, unknown>>;
  };
  const users = async () =>
    (await database.query('SELECT email, name, scopes, oidc_issuer, oidc_subject, password FROM users ORDER BY id'))
      .rows;
  const alert = ({ body }: { body: string }) => /role="alert">([^<]*)</.exec(body)?.[1];
  return { database, issuer, asked, url, browser, who, users, alert, start: `${url}/sign-in/oidc` };
}

test('somebody whom the provider vouches for is made a user, and is the same one next time', async (t) => {
  const accounts: Accounts = { 'sub-1': { ...ADA } };
  const scene = await createScene(t, accounts, { roles: { staff: 'viewer', ops: 'operator', boss: 'admin' } });
  const { browser, url, who, users, issuer } = scene;
  const page = await browser.ask(`${url}/sign-in?to=%2Fdocs`);
  t.match(page.body, /<a class="button" href="\/sign-in\/oidc\?to=%2Fdocs">Sign in with OpenID Connect<\/a>/);
  const landed = await browser.signIn(`${scene.start}?to=%2Fdocs`, 'sub-1');
  t.match(landed, { status: 200, url: `${url}/docs` });
  t.match(await who(), { kind: 'user', name: 'user:ada@example.com', scopes: ['read', 'operate'] });
  t.match(await users(), [
    { email: 'ada@example.com', name: 'Ada', oidc_issuer: issuer, oidc_subject: 'sub-1', password: null },
  ]);
  const [asked] = scene.asked.filter((path) => path.startsWith('/auth?'));
  for (const name of ['state', 'nonce', 'code_challenge']) {
    t.match(new URL(asked ?? '', issuer).searchParams.get(name), /^[\w-]{43}$/, name);
  }
  t.equal(new URL(asked ?? '', issuer).searchParams.get('code_challenge_method'), 'S256');
  t.notOk(browser.cookiesOf(url).has('vedette_oidc'), 'what was needed on the way is gone');

  // The provider remembers the browser, and says something else of the person now.
  accounts['sub-1'] = { ...ADA, email: 'ada@elsewhere.example', groups: ['boss'] };
  await browser.signIn(scene.start, 'sub-1');
  t.match(await who(), { name: 'user:ada@example.com', scopes: ['read', 'operate', 'write', 'admin'] });
  t.equal((await users()).length, 1);
  accounts['sub-1'] = { ...ADA, groups: ['guests'] };
  t.match(scene.alert(await new Browser().signIn(scene.start, 'sub-1')), /belongs to no group any more/);
  const { rows } = await scene.database.query('SELECT action, actor FROM audit ORDER BY id');
  const host = new URL(issuer).host;
  t.match(rows, [
    { action: 'user.add', actor: `provider:${host}` },
    { action: 'session.start', actor: 'user:ada@example.com' },
    { action: 'user.update', actor: `provider:${host}` },
    { action: 'session.start' },
  ]);
});

test('an e-mail address links a user only when it is verified, and only once', async (t) => {
  const accounts: Accounts = {
    plain: { email: 'ada@example.com' },
    forged: { email: 'ada@example.com', email_verified: false },
    real: { email: 'ada@example.com', email_verified: true },
    second: { email: 'ADA@example.com', email_verified: true },
    nobody: {},
  };
  const scene = await createScene(t, accounts, { defaultRole: 'viewer' });
  await scene.database.query(
    "INSERT INTO users (email, scopes, created_by) VALUES ('ada@example.com', '{read,write}', 'test')",
  );
  const enter = (login: string) => new Browser().signIn(scene.start, login);
  for (const login of ['plain', 'forged', 'nobody']) {
    const refused = await enter(login);
    t.equal(refused.status, 401, login);
    t.match(scene.alert(refused), /does not say that your e-mail address is verified/);
  }
  t.match(await scene.users(), [{ oidc_subject: null }]);
  t.equal((await enter('real')).status, 200);
  t.match(await scene.users(), [{ email: 'ada@example.com', oidc_subject: 'real', scopes: ['read', 'write'] }]);
  t.match(scene.alert(await enter('second')), /linked to another account/);
  await scene.database.query('UPDATE users SET disabled_at = now()');
  t.match(scene.alert(await enter('real')), /may not sign in here/);
});

test('domains, groups and addresses that are believed without being verified', async (t) => {
  const accounts: Accounts = {
    in: { email: 'ada@example.com' },
    out: { email: 'ada@evil.example' },
    below: { email: 'ada@example.com.evil.example' },
    sub: { email: 'ada@sub.example.com' },
    false: { email: 'eve@example.com', email_verified: false },
  };
  const scene = await createScene(t, accounts, {
    ...{ defaultRole: 'viewer', emailDomains: ['Example.com'], trustEmails: 'all' },
  });
  for (const login of ['out', 'below', 'sub', 'false']) {
    t.match(scene.alert(await new Browser().signIn(scene.start, login)), /Only people with a verified/, login);
  }
  t.equal((await new Browser().signIn(scene.start, 'in')).status, 200);
  const strict = await createScene(t, { in: ADA });
  t.match(strict.alert(await new Browser().signIn(strict.start, 'in')), /belongs to no group that may sign in/);
  t.same(await strict.users(), []);
});

test('an answer that was not asked for, or comes twice, signs nobody in', async (t) => {
  const scene = await createScene(t, { 'sub-1': ADA }, { defaultRole: 'viewer' });
  const { url, browser } = scene;
  const callback = `${url}/sign-in/oidc/callback`;
  t.match(await browser.ask(`${callback}?code=x&state=y`), { status: 400, body: /in another browser/ });
  for (const cookie of ['e30', 'bnVsbA', Buffer.from('{"state":1}').toString('base64url')]) {
    browser.cookiesOf(url).set('vedette_oidc', cookie);
    t.equal((await browser.ask(`${callback}?code=x&state=y`)).status, 400);
  }
  const begin = async () => {
    const answer = await fetch(scene.start, { redirect: 'manual' });
    const cookie = String(answer.headers.getSetCookie()[0]).split(';')[0] as string;
    return { cookie, to: new URL(answer.headers.get('location') ?? '') };
  };
  const finish = async (cookie: string, query: string) => {
    const answer = await fetch(`${callback}?${query}`, { redirect: 'manual', headers: { cookie } });
    return { status: answer.status, cookies: answer.headers.getSetCookie().join(), body: await answer.text() };
  };
  const one = await begin();
  const state = one.to.searchParams.get('state');
  const iss = encodeURIComponent(scene.issuer);
  for (const [query, status, text] of [
    [`code=x&state=wrong&iss=${iss}`, 401, /begin again/],
    ['code=x', 401, /begin again/],
    ['', 401, /begin again/],
    [`error=access_denied&state=${state}&iss=${iss}`, 401, /refused the sign-in \(access_denied\)/],
    [`code=never-given&state=${state}&iss=${iss}`, 401, /begin again/],
    [`code=x&state=${state}&iss=http://evil.example`, 401, /begin again/],
  ] as const) {
    const answer = await finish(one.cookie, query);
    t.equal(answer.status, status, query);
    t.match(answer.body, text, query);
    t.notMatch(answer.cookies, 'vedette_session=');
  }

  // Another's answer in one's own browser: the state of one with the code of the other.
  const signedIn = await browser.signIn(scene.start, 'sub-1');
  t.equal(signedIn.status, 200);
  t.equal((await scene.users()).length, 1);
});

test('a provider that is away is said, and asked again when it is back', async (t) => {
  const database = await createTestDatabase(t);
  const provider = await startOpenIdProvider(t, { 'sub-1': ADA });
  const oidc = { ...oidcDefaults, ...CLIENT, issuer: provider.issuer, defaultRole: 'viewer' } as const;
  const app = await createTestServer(t, { database, oidc, apiKeys: ['a-key-of-the-settings'] });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const away = await new Browser().ask(`${url}/sign-in/oidc`);
  t.equal(away.status, 503);
  t.match(away.body, /OpenID provider http:\/\/127\.0\.0\.1:\d+ does not answer as it should/);
  t.match(away.body, /Back to the sign-in/);
  t.equal((await new Browser().ask(`${url}/sign-in`)).status, 200, 'all else works');
  provider.open(`${url}/sign-in/oidc/callback`);
  t.equal((await new Browser().signIn(`${url}/sign-in/oidc`, 'sub-1')).status, 200);
  const discovered = provider.asked.filter((path) => path.includes('openid-configuration')).length;
  t.equal((await new Browser().signIn(`${url}/sign-in/oidc`, 'sub-1')).status, 200);
  t.equal(provider.asked.filter((path) => path.includes('openid-configuration')).length, discovered, 'asked once');
});

test('the settings know the roles that there are', (t) => {
  t.equal(settingMeta('server.oidc.default_role').accepted, `one of none, ${Object.keys(ROLES).join(', ')}`);
  t.end();
});

test('behind a proxy the settings say where the provider sends browsers back to', async (t) => {
  const scene = await createScene(t, {}, {}, { options: { publicUrl: 'https://status.example' } });
  const answer = await fetch(scene.start, { redirect: 'manual' });
  const to = new URL(answer.headers.get('location') ?? '');
  t.equal(to.searchParams.get('redirect_uri'), 'https://status.example/sign-in/oidc/callback');
});
