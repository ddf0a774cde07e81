import { readFile } from 'node:fs/promises';
import { test } from 'tap';
import { ERRORS } from '../../src/errors.ts';
import { createTestServer } from './test-server.ts';

const uri = 'http://127.0.0.1/';
const json = { 'content-type': 'application/json' };

test('each problem is told with the field it belongs to', async (t) => {
  const app = await createTestServer(t, { options: { allowReset: true } });
  await app.inject({ method: 'POST', url: '/job', payload: { uri, headers: { 'x-a.b': '1' } } });
  const post = (payload: unknown) => ({
    method: 'POST' as const,
    url: '/job',
    headers: json,
    payload: JSON.stringify(payload),
  });
  const cases: ReadonlyArray<[string, object, Array<Record<string, unknown>>]> = [
    ['a field', post({ uri, retries: 'x' }), [{ pointer: '#/retries', detail: 'given "x", accepted: integer' }]],
    ['a missing field', post({}), [{ pointer: '#/uri', detail: 'given nothing, accepted: a value, it is required' }]],
    ['several', post({ uri: 'x', retries: -1 }), [{ pointer: '#/retries' }, { pointer: '#/uri' }]],
    ['no object', post([1]), [{ pointer: '#' }]],
    ['an item of a list', post({ uri, tags: ['a', 1] }), [{ pointer: '#/tags/1' }]],
    ['a name with dots', post({ uri, headers: { 'x.y': 1, x: 'fine' } }), [{ pointer: '#/headers/x.y' }]],
    [
      'a name with a slash and a tilde',
      { method: 'POST', url: '/key', payload: { name: 'a', 'a/b~c': 1 } },
      [{ pointer: '#/a~1b~0c' }],
    ],
    ['a name beyond ASCII', post({ uri, tägs: 1 }), [{ pointer: '#' }]],
    ['part of a name that is there', post({ uri, headers: { a: 'b', 'a b': 'c' } }), [{ pointer: '#/headers' }]],
    ['a name as long as a text', post({ uri, ['x'.repeat(1_000)]: 1 }), [{ pointer: '#' }]],
    [
      'a rule beyond the schema',
      post({ uri, check_cron: '* * * * *', check_period_seconds: 5 }),
      [{ pointer: '#/check_cron' }],
    ],
    ['malformed JSON', { ...post(0), payload: '{"a":' }, [{ pointer: '#' }]],
    ['a text with NUL', post({ uri, headers: { a: '\0' } }), [{ pointer: '#/headers/a' }]],
    ['a key with NUL', post({ uri, headers: { 'a\0': 'x' } }), [{ pointer: '#/headers' }]],
    [
      'a merge patch',
      { method: 'PATCH', url: '/job/1', payload: { headers: { 'x-a.b': null, 'x-c.d': 5 } } },
      [{ pointer: '#/headers/x-c.d' }],
    ],
    [
      'a field of the server',
      { method: 'PUT', url: '/job/1', payload: { uri, source: 'file' } },
      [{ pointer: '#/source' }],
    ],
    [
      'a mask without a secret',
      { method: 'PUT', url: '/job/1', payload: { uri, body: '********' } },
      [{ pointer: '#/body' }],
    ],
    ['another version', { method: 'PUT', url: '/job/1', payload: { uri, version: 9 } }, [{ pointer: '#/version' }]],
    [
      'a body of a route without',
      { method: 'POST', url: '/job/1/start', payload: { now: true } },
      [{ pointer: '#/now' }],
    ],
    [
      'a choice',
      { method: 'POST', url: '/job/bulk', payload: { action: 'fly', selection: { ids: [1] } } },
      [{ pointer: '#/action' }],
    ],
    [
      'a reset',
      { method: 'POST', url: '/db/init', payload: { reset: true, confirm: 'x' } },
      [{ pointer: '#/confirm' }],
    ],
    [
      'a key of the past',
      { method: 'POST', url: '/key', payload: { name: 'a', expires_at: '2020-01-01T00:00:00Z' } },
      [{ pointer: '#/expires_at' }],
    ],
    [
      'rights',
      { method: 'POST', url: '/key', payload: { name: 'a', role: 'admin', tags: ['a'] } },
      [{ pointer: '#/tags' }],
    ],
    [
      'the query',
      { url: '/job?limit=0&sorted=1' },
      [{ parameter: 'sorted' }, { parameter: 'limit', detail: 'given 0, accepted: a number >= 1' }],
    ],
    ['the path', { url: '/job/x' }, [{ parameter: 'job_id', detail: 'given "x", accepted: integer' }]],
    ['a cursor', { url: '/job?cursor=abc' }, [{ parameter: 'cursor' }]],
    ['a range', { url: '/job/1/metrics?from=2026-01-02T00:00Z&to=2026-01-01T00:00Z' }, [{ parameter: 'from' }]],
    [
      'two times',
      { url: '/job/1/results?from=99999999999999999&to=99999999999999999' },
      [{ parameter: 'from' }, { parameter: 'to' }],
    ],
    [
      'buckets',
      { url: '/job/1/metrics?bucket=7s&percentiles=0,101' },
      [{ parameter: 'bucket' }, { parameter: 'percentiles' }, { parameter: 'percentiles' }],
    ],
    ['a header', { method: 'DELETE', url: '/job/1', headers: { 'if-match': 'x' } }, [{ header: 'if-match' }]],
    [
      'a stale header',
      { method: 'DELETE', url: '/job/1', headers: { 'if-match': '"9"' } },
      [{ header: 'if-match', detail: 'given "9", accepted: "1"' }],
    ],
    [
      'a type',
      { method: 'POST', url: '/job', headers: { 'content-type': 'text/plain' }, payload: 'x' },
      [{ header: 'content-type' }],
    ],
    ['a host', { url: '/job', headers: { host: 'evil.test' } }, [{ header: 'host' }]],
  ];
  for (const [name, request, errors] of cases) {
    const answer = await app.inject(request);
    const body = answer.json();
    t.ok(answer.statusCode >= 400, `${name}: ${answer.body}`);
    t.match(body.errors, errors, name);
    t.equal(body.errors?.length, errors.length, `${name}: ${answer.body}`);
  }
  for (const url of ['/nope', '/job/99', '/job/%zz']) t.notOk('errors' in (await app.inject(url)).json(), url);
});

test('an answer lists twenty problems and says how many more there are', async (t) => {
  const app = await createTestServer(t);
  const refuse = async (count: number) => {
    const selection = { ids: Array.from({ length: count }, () => 0) };
    return (await app.inject({ method: 'POST', url: '/job', payload: { uri, tags: selection.ids } })).json();
  };
  const few = await refuse(20);
  t.equal(few.errors.length, 20, 'as many as are listed');
  t.notOk('further_errors' in few);
  const many = await refuse(30);
  t.equal(many.errors.length, 20);
  t.equal(many.further_errors, 10);
  t.match(many.message, /; and 10 more problems$/);
  const long = await app.inject({
    method: 'POST',
    url: '/key',
    payload: { name: 'a', ['k'.repeat(100_000)]: 'v'.repeat(100_000) },
  });
  t.ok(long.body.length < 3_000, `${long.body.length} bytes`);
});

test('no entry tells a secret', async (t) => {
  const app = await createTestServer(t);
  await app.inject({ method: 'POST', url: '/job', payload: { uri: 'http://u:s3cret@127.0.0.1/?token=s3cret' } });
  const bodies: unknown[] = [
    { uri, headers: { authorization: ['s3cret'] } },
    { uri, headers: { 'authorization: s3cret': 'x' } },
    { uri, auth: { type: 'basic', username: 'a:b', password: 's3cret', pasword: 's3cret' } },
    { uri, auth: { type: 'bearer', token: 's3cret s3cret' } },
    { uri: 'http://u:s3cret@127.0.0.1:0/?token=s3cret' },
    { uri, pasword: 's3cret' },
    's3cret',
    ['s3cret'],
  ];
  const requests = [
    ...bodies.map((payload) => ({
      method: 'POST' as const,
      url: '/job',
      headers: json,
      payload: JSON.stringify(payload),
    })),
    { method: 'POST' as const, url: '/job', headers: json, payload: '{"uri": s3cret' },
    { method: 'POST' as const, url: '/job', headers: json, payload: '{"password":"s3cret",}' },
    { method: 'POST' as const, url: '/key', payload: { name: 'a', password: 's3cret' } },
    { url: '/job?api_key=s3cret' },
  ];
  for (const request of requests) {
    const answer = await app.inject(request);
    t.ok(answer.statusCode >= 400, answer.body);
    t.ok(answer.json().errors.length > 0, answer.body);
    t.notMatch(answer.body, /s3cret/, JSON.stringify(request));
  }
});

test('problem details whatever is accepted, unless plain JSON alone is named', async (t) => {
  const app = await createTestServer(t);
  const typeFor = async (accept?: string) => {
    const answer = await app.inject({ url: '/job/9', headers: accept === undefined ? {} : { accept } });
    t.equal(answer.json().code, 'VED_JOB_NOT_FOUND');
    t.equal(answer.headers.vary, 'accept');
    return String(answer.headers['content-type']).split(';')[0];
  };
  for (const accept of [
    ...[undefined, '*/*', 'text/html', 'application/*', ',;,', 'application/json, application/problem+json'],
    ...['application/problem+json', 'application/json;q=0, */*'],
  ])
    t.equal(await typeFor(accept), 'application/problem+json', String(accept));
  for (const accept of [
    'application/json',
    'application/json, text/plain, */*',
    'Application/JSON;q=0.5',
    'application/json, application/problem+json;q=0',
  ])
    t.equal(await typeFor(accept), 'application/json', accept);
});

test('the type of a problem leads to what its code means, without a key', async (t) => {
  const app = await createTestServer(t, { options: { loopback: false } });
  const refused = (await app.inject('/job')).json();
  t.match(refused, { status: 401, type: '/error/VED_UNAUTHORIZED' });
  const answer = await app.inject(refused.type);
  t.equal(answer.body, `VED_UNAUTHORIZED (401 Unauthorized)\n\n${ERRORS.VED_UNAUTHORIZED.text}\n`);
  for (const code of Object.keys(ERRORS)) t.equal((await app.inject(`/error/${code}`)).statusCode, 200, code);
  t.match((await app.inject('/error/VED_NONE')).json(), { code: 'VED_VALIDATION', errors: [{ parameter: 'code' }] });
  const probes = await createTestServer(t, { options: { probesOnly: true } });
  t.equal(
    (await probes.inject((await probes.inject('/job')).json().type)).statusCode,
    200,
    'of a process without the API, too',
  );
});

test('the example in the README is an answer', async (t) => {
  const app = await createTestServer(t);
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const [example] = /^ {4}\{\n {6}"type": "\/error\/.*?^ {4}\}$/ms.exec(readme) ?? [];
  const answer = await app.inject({ method: 'POST', url: '/job', payload: { retries: 11 } });
  t.strictSame(JSON.parse(example as string), answer.json());
});
