import { readFileSync } from 'node:fs';
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';
import { type Test, test } from 'tap';
import { hasScope, SCOPES, type Scope } from '../../src/access/scopes.ts';
import type { RouteAccess } from '../../src/api/http/route-access.ts';
import { createServer } from '../../src/api/server.ts';
import { systemClock } from '../../src/core/clock.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/database.ts';
import { operationsOf } from './openapi-document.ts';
import { testJobRules } from './test-job-rules.ts';
import { createTestServer, type TestServerOptions, testDependencies } from './test-server.ts';

const ROOT = 'a-key-of-the-settings';
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** A row of the table in docs/access.md. */
function rowOf({ method, url, isPage, scope, isWhole }: RouteAccess): string {
  const name = url.startsWith('/docs')
    ? `\`${method} /docs\` and below`
    : `\`${method} ${url}\`${isPage ? ' as a page' : ''}`;
  const said = { public: 'none', self: 'any' }[scope as string] ?? `\`${scope}\``;
  return [name, said, isWhole ? 'refused' : ''].join(' | ');
}

test('docs/access.md lists every route with its scope, and no other', async (t) => {
  const { routeAccess } = await createTestServer(t);
  const page = readFileSync(new URL('../../docs/access.md', import.meta.url), 'utf8');
  const [, section = ''] = /^## Routes and scopes\n(.*?)^## /ms.exec(page) ?? [];
  const documented = [...section.matchAll(/^\| (`[A-Z]+ .+?) +\| (\S+) +\| (\w*) *\|$/gm)].map(([, ...cells]) =>
    cells.join(' | '),
  );
  const declared = new Set(routeAccess.filter(({ method }) => method !== 'HEAD').map(rowOf));
  t.equal(new Set(documented).size, documented.length, 'none twice');
  t.same([...documented].sort(), [...declared].sort());
  const heads = routeAccess
    .filter(({ method }) => method === 'HEAD')
    .map((route) => rowOf({ ...route, method: 'GET' }));
  t.same(new Set(heads), new Set([...declared].filter((row) => row.startsWith('`GET'))), 'HEAD is like GET');
});

test('the document says the same of each operation', async (t) => {
  const app = await createTestServer(t);
  const document = (await app.inject('/openapi.json')).json();
  for (const { path, method, operation } of operationsOf(document)) {
    const url = path.replaceAll(/\{(\w+)\}/g, ':$1');
    const { scope } = app.routeAccess.find((route) => route.url === url && route.method === method.toUpperCase())!;
    const roles = scope === 'self' ? [] : [scope];
    const expected = scope === 'public' ? [] : [{ apiKey: roles }, { session: roles }];
    t.same(operation.security, expected, `${method} ${path}`);
  }
});

test('a route without a scope keeps the server from being built', async (t) => {
  const add = (config?: { scope: 'public' }) => (app: FastifyInstance) =>
    void app.get('/new', { ...(config ? { config } : {}), schema: { hide: true } }, async () => 'x');
  const dependencies = testDependencies();
  await t.rejects(createServer(dependencies, [add()]), /The route GET \/new has no scope/);
  const app = await createServer(dependencies, [add({ scope: 'public' })]);
  t.teardown(() => app.close());
  t.equal((await app.inject('/new')).statusCode, 200);
});

interface Asker {
  name: string;
  authorization?: string;
  /** null: the credentials are refused wherever they are looked at. */
  scopes: readonly Scope[] | null;
  isAnonymous?: boolean;
  isLimited?: boolean;
  headers?: Record<string, string>;
  server?: TestServerOptions;
}

test('each route answers each principal as the table says, by every method', async (t) => {
  const database = await createTestDatabase(t);
  const jobStore = createJobStore({ database, clock: systemClock, ...testJobRules });
  const shared = { database, jobStore };
  const open = { rateLimitPerMinute: 0 };
  const app = await createTestServer(t, { ...shared, options: { loopback: false, ...open }, apiKeys: [ROOT] });
  const servers = {
    public: app,
    anonymous: await createTestServer(t, { ...shared, options: { loopback: false, anonymous: 'read', ...open } }),
    local: await createTestServer(t, { ...shared, options: open }),
    probes: await createTestServer(t, { ...shared, options: { loopback: false, probesOnly: true, ...open } }),
  };
  const keys = await makeKeys(t, app, database);
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
  const askers: Array<[keyof typeof servers, Asker]> = [
    ...SCOPES.map((scope): [keyof typeof servers, Asker] => [
      'public',
      { name: scope, scopes: [scope], ...bearer(keys[scope]!) },
    ]),
    ['public', { name: 'nobody', scopes: [], isAnonymous: true }],
    ['public', { name: 'a key of the settings', scopes: SCOPES, ...bearer(ROOT) }],
    [
      'public',
      { name: 'a limited key', scopes: ['read', 'operate', 'write'], isLimited: true, ...bearer(keys.limited!) },
    ],
    ['public', { name: 'an expired key', scopes: null, ...bearer(keys.expired!) }],
    ['public', { name: 'a revoked key', scopes: null, ...bearer(keys.revoked!) }],
    ['public', { name: 'an unknown key', scopes: null, ...bearer('ved_12345678_'.padEnd(45, 'x')) }],
    ['anonymous', { name: 'anybody', scopes: ['read'], isAnonymous: true }],
    ['anonymous', { name: 'a revoked key', scopes: null, ...bearer(keys.revoked!) }],
    ['local', { name: 'local', scopes: SCOPES }],
    ['local', { name: 'a revoked key', scopes: null, ...bearer(keys.revoked!) }],
    ['local', { name: 'a proxy', scopes: null, headers: { 'x-forwarded-for': '192.0.2.1' } }],
    ['probes', { name: 'nobody', scopes: [], isAnonymous: true }],
    ['probes', { name: 'read', scopes: ['read'], ...bearer(keys.read!) }],
  ];
  for (const [server, asker] of askers) await checkAnswers(t, servers[server], server, asker);
});

async function makeKeys(t: Test, app: FastifyInstance, database: TestDatabase): Promise<Record<string, string>> {
  const wanted: Record<string, object> = {
    ...Object.fromEntries(SCOPES.map((scope) => [scope, { scopes: [scope] }])),
    limited: { role: 'editor', tags: ['shop'] },
    expired: { role: 'admin', expires_at: new Date(Date.now() + 60_000).toISOString() },
    revoked: { role: 'admin' },
  };
  const keys: Record<string, string> = {};
  const headers = { authorization: `Bearer ${ROOT}` };
  for (const [name, rights] of Object.entries(wanted)) {
    const made = await app.inject({ method: 'POST', url: '/key', headers, payload: { name, ...rights } });
    t.equal(made.statusCode, 201, made.body);
    keys[name] = made.json().key;
    if (name === 'revoked') await app.inject({ method: 'DELETE', url: `/key/${made.json().id}`, headers });
  }
  await database.query("UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE name = 'expired'");
  return keys;
}

async function checkAnswers(t: Test, app: FastifyInstance, server: string, asker: Asker): Promise<void> {
  const places = new Map(app.routeAccess.map(({ url, isPage }) => [`${url}${isPage ? ' page' : ''}`, { url, isPage }]));
  for (const [place, { url: pattern, isPage }] of places) {
    const url = pattern.replace(/:\w+/, '999999').replace('*', 'x');
    for (const method of METHODS) {
      const route = routeOf(app, { method, url, isPage });
      const answer = await app.inject({
        method: method as 'GET',
        url: url === '/website_mock' ? `${url}?status=200` : url,
        headers: {
          ...(asker.authorization ? { authorization: asker.authorization } : {}),
          ...(isPage ? { accept: 'text/html' } : {}),
          ...asker.headers,
        },
      });
      const name = `${asker.name}, ${server}: ${method} ${place}`;
      if (route) checkAnswer(t, answer, { name, method, route, expected: refusalOf(route, asker) });
      else t.equal(answer.statusCode, method === 'OPTIONS' ? 204 : 405, name);
    }
  }
}

/** The route that answers; fixed paths go before those with parameters. */
function routeOf({ routeAccess }: FastifyInstance, wanted: { method: string; url: string; isPage: boolean }) {
  const fitting = routeAccess.filter(({ method, isPage, url }) => {
    const pattern = new RegExp(`^${url.replaceAll('.', '\\.').replace(/:\w+/, '[^/]+').replace('*', '.*')}$`);
    return method === wanted.method && isPage === wanted.isPage && pattern.test(wanted.url);
  });
  return fitting.find(({ url }) => url === wanted.url) ?? fitting[0];
}

function checkAnswer(
  t: Test,
  answer: LightMyRequestResponse,
  { name, method, route, expected }: { name: string; method: string; route: RouteAccess; expected: number | null },
): void {
  const { statusCode, headers } = answer;
  if (expected === null) {
    // Only a person has an account, and forms are of pages of ours.
    const isRefused = statusCode === 401 || (statusCode === 403 && !/^\/(account|profile|sign-)/.test(route.url));
    t.ok(!isRefused && statusCode < 500, `${name}: answered, ${statusCode}`);
    return;
  }
  if (expected === 401 && statusCode === 303) {
    t.match(headers.location, /^\/sign-in(\?to=|$)/, `${name}: a browser is led to the sign-in`);
    return;
  }
  t.equal(statusCode, expected, name);
  if (expected === 401) t.equal(headers['www-authenticate'], 'Bearer realm="vedette"', name);
  if (method === 'HEAD') return;
  if (String(headers['content-type']).startsWith('text/html')) t.match(answer.body, /role="alert"/, name);
  else t.match(answer.json().code, /^VED_(UNAUTHORIZED|FORBIDDEN|FORWARDED)$/, name);
}

/** The status that the table demands; null: it is answered. */
function refusalOf({ scope, isWhole }: RouteAccess, { scopes, isAnonymous, isLimited, headers }: Asker): number | null {
  if (scope === 'public') return null;
  if (scopes === null) return headers ? 403 : 401;
  if (scope === 'self') return isAnonymous ? 401 : null;
  if (!hasScope(scopes, scope)) return isAnonymous ? 401 : 403;
  return isWhole && isLimited ? 403 : null;
}
