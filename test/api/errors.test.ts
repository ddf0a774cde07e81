import { connect } from 'node:net';
import { test } from 'tap';
import { ERRORS } from '../../src/errors.ts';
import { createTestServer } from './test-server.ts';

const job = { job_name: 'a', check_period_seconds: 1, uri: 'http://127.0.0.1/' };

test('every refusal has one shape, and says what is accepted', async (t) => {
  const app = await createTestServer(t, { options: { bodyLimitBytes: 2_000 } });
  const json = { 'content-type': 'application/json' };
  const cases: ReadonlyArray<[string, object, number, string, RegExp]> = [
    ['no such path', { url: '/nope' }, 404, 'VED_NOT_FOUND', /There is no \/nope/],
    ['no job', { url: '/job/7' }, 404, 'VED_JOB_NOT_FOUND', /There is no job 7/],
    [
      'a path that is no job id',
      { url: '/job/x' },
      400,
      'VED_VALIDATION',
      /^path: job_id: given "x", accepted: integer$/,
    ],
    [
      'an id beyond int4',
      { url: '/job/2147483648' },
      400,
      'VED_VALIDATION',
      /job_id: given 2147483648, accepted: a number <= /,
    ],
    ['a bad escape', { url: '/job/%zz' }, 400, 'VED_VALIDATION', /not a valid url/i],
    [
      'an unknown parameter',
      { url: '/job?sorted=1' },
      400,
      'VED_VALIDATION',
      /^query: sorted: given "1", accepted: no such key; did you mean sort\?/,
    ],
    [
      'a limit out of range',
      { url: '/job?limit=0' },
      400,
      'VED_VALIDATION',
      /^query: limit: given 0, accepted: a number >= 1$/,
    ],
    ['a forged cursor', { url: '/job?cursor=abc' }, 400, 'VED_VALIDATION', /cursor: given "abc", accepted/],
    ['NUL in a parameter', { url: '/job?q=%00' }, 400, 'VED_VALIDATION', /^query: q: /],
    ['a wrong method', { method: 'DELETE', url: '/job' }, 405, 'VED_METHOD_NOT_ALLOWED', /accepted: GET, HEAD, POST/],
    [
      'start by GET',
      { url: '/job/1/start' },
      405,
      'VED_METHOD_NOT_ALLOWED',
      /send POST, for example curl -X POST http:/,
    ],
    ['stop by GET', { url: '/job/1/stop' }, 405, 'VED_METHOD_NOT_ALLOWED', /send POST/],
    [
      'malformed JSON',
      { method: 'POST', url: '/job', headers: json, payload: '{"a":' },
      400,
      'VED_VALIDATION',
      /^body: not JSON/,
    ],
    [
      'no body',
      { method: 'POST', url: '/job', headers: json },
      400,
      'VED_VALIDATION',
      /^body: \(root\): given nothing, accepted: a job/,
    ],
    [
      'a list',
      { method: 'POST', url: '/job', payload: [] },
      400,
      'VED_VALIDATION',
      /^body: \(root\): given \[\], accepted: a job/,
    ],
    [
      'all problems at once',
      { method: 'POST', url: '/job', payload: { job_name: 1, check_period_seconds: '5', urll: 'x' } },
      400,
      'VED_VALIDATION',
      /^body: uri: given nothing.*; urll: given "\*{8}", accepted: only the keys.*; job_name: given 1, accepted: string; check_period_seconds: given "5", accepted: number$/,
    ],
    [
      'a body that is no JSON',
      { method: 'POST', url: '/job', headers: { 'content-type': 'text/plain' }, payload: 'x' },
      415,
      'VED_UNSUPPORTED_MEDIA_TYPE',
      /given "text\/plain", accepted: application\/json/,
    ],
    [
      'a form',
      {
        method: 'POST',
        url: '/job/1/start',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        payload: 'a=b',
      },
      415,
      'VED_UNSUPPORTED_MEDIA_TYPE',
      /accepted: application\/json/,
    ],
    [
      'a large body',
      { method: 'POST', url: '/job', payload: { ...job, uri: 'x'.repeat(3_000) } },
      413,
      'VED_BODY_TOO_LARGE',
      /larger than 2000 bytes/,
    ],
    [
      'a body for start',
      { method: 'POST', url: '/job/1/start', payload: { now: true } },
      400,
      'VED_VALIDATION',
      /^body: now: given true, accepted: no body/,
    ],
    [
      '__proto__',
      { method: 'POST', url: '/job', headers: json, payload: '{"__proto__":{"a":1}}' },
      400,
      'VED_VALIDATION',
      /^body: a key __proto__/,
    ],
    [
      'NUL in the body',
      { method: 'POST', url: '/job', headers: json, payload: '{"job_name":"a\\u0000"}' },
      400,
      'VED_VALIDATION',
      /job_name: text with NUL/,
    ],
    [
      'a lone surrogate',
      { method: 'POST', url: '/job', headers: json, payload: '{"headers":{"\\ud800":"a"}}' },
      400,
      'VED_VALIDATION',
      /lone surrogate/,
    ],
    [
      'deep nesting',
      { method: 'POST', url: '/job', headers: json, payload: '['.repeat(900) + ']'.repeat(900) },
      400,
      'VED_VALIDATION',
      /900 levels deep/,
    ],
    [
      'reset where it is not allowed',
      { method: 'POST', url: '/db/init', payload: { reset: true, confirm: 'vedette' } },
      403,
      'VED_RESET_FORBIDDEN',
      /server.allow_reset/,
    ],
    [
      'a strange If-Match',
      { method: 'DELETE', url: '/job/7', headers: { 'if-match': '"abc"' } },
      400,
      'VED_VALIDATION',
      /^header: if-match: given/,
    ],
  ];
  for (const [name, request, statusCode, code, message] of cases) {
    const answer = await app.inject(request);
    const body = answer.json();
    t.equal(answer.statusCode, statusCode, `${name}: ${answer.body}`);
    t.match(body, { statusCode, code, error: String, message }, name);
    const { type, title, status, detail, errors: _errors, ...known } = body;
    t.same(Object.keys(known), ['statusCode', 'code', 'error', 'message'], name);
    const meant = {
      type: `/error/${code}`,
      title: ERRORS[code as 'VED_INTERNAL'].text,
      status: statusCode,
      detail: body.message,
    };
    t.same({ type, title, status, detail }, meant, name);
    t.ok(code in ERRORS);
    t.match(answer.headers['content-type'], /^application\/problem\+json/);
    if (statusCode === 405) t.match(answer.headers.allow, /OPTIONS/);
  }
});

test('OPTIONS says what is possible; HEAD answers like GET', async (t) => {
  const app = await createTestServer(t);
  const options = await app.inject({ method: 'OPTIONS', url: '/job/1' });
  t.equal(options.statusCode, 204);
  t.equal(options.headers.allow, 'DELETE, GET, HEAD, PATCH, PUT, OPTIONS');
  t.equal((await app.inject({ method: 'HEAD', url: '/health/live' })).statusCode, 200);
  t.equal((await app.inject({ method: 'OPTIONS', url: '/nope' })).statusCode, 404);
});

test('PostgreSQL that is away is 503 with Retry-After, never 500', async (t) => {
  const app = await createTestServer(t);
  for (const url of ['/job/1/metrics', '/job/1/results', '/dead-letters']) {
    const answer = await app.inject({ url });
    t.equal(answer.statusCode, 503, url);
    t.equal(answer.json().code, 'VED_DATABASE_UNAVAILABLE');
    t.ok(Number(answer.headers['retry-after']) > 0);
  }
});

test('a defect is 500 without a word about it, and is logged', async (t) => {
  const logged: unknown[] = [];
  const { createLogger } = await import('../../src/core/logger.ts');
  const logger = createLogger({ level: 'silent' });
  const record = (...args: unknown[]) => void logged.push(args);
  Object.assign(logger, { child: () => logger, error: record, debug: () => undefined });
  const app = await createTestServer(t, {
    logger,
    liveInstances: async () => {
      throw new TypeError('secret inside');
    },
  });
  const answer = await app.inject({ url: '/instances' });
  t.equal(answer.statusCode, 500);
  t.equal(answer.json().code, 'VED_INTERNAL');
  t.notMatch(answer.body, /secret inside/);
  const { instance } = answer.json();
  t.match(instance, /^urn:uuid:[\da-f-]{36}$/);
  t.match(logged, [[{ err: { message: 'secret inside' }, instance }, 'request failed']]);
});

test('the rate limit answers 429 and lets probes and the practice site through', async (t) => {
  const app = await createTestServer(t, { options: { rateLimitPerMinute: 3 } });
  for (let i = 0; i < 3; i++) {
    const { statusCode, headers } = await app.inject({ url: '/openapi.jsonx' });
    t.equal(statusCode, 404);
    t.match(headers, { 'ratelimit-limit': '3', 'ratelimit-remaining': String(2 - i) }, 'what is left is said before');
  }
  for (const url of ['/job', '/nope']) {
    const answer = await app.inject({ url });
    t.equal(answer.statusCode, 429, url);
    t.equal(answer.json().code, 'VED_RATE_LIMITED');
    t.ok(Number(answer.headers['retry-after']) > 0);
    t.match(answer.headers, {
      'ratelimit-policy': '"default";q=3;w=60',
      ratelimit: /^"default";r=0;t=\d+$/,
      ...{ 'ratelimit-limit': '3', 'ratelimit-remaining': '0', 'ratelimit-reset': answer.headers['retry-after'] },
    });
  }
  for (const url of ['/health/live', '/website_mock?status=200', '/metrics']) {
    for (let i = 0; i < 5; i++) t.equal((await app.inject({ url })).statusCode, 200, url);
  }
});

test('what is not HTTP is answered on the socket in the same shape', async (t) => {
  const app = await createTestServer(t);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as { port: number };
  const cases: ReadonlyArray<[string, number, string]> = [
    ['NONSENSE\r\n\r\n', 400, 'VED_VALIDATION'],
    [`GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'VED_HEADERS_TOO_LARGE'],
  ];
  for (const [sent, statusCode, code] of cases) {
    const text = await exchange(port, sent);
    t.match(text, new RegExp(`^HTTP/1.1 ${statusCode} `));
    t.match(text, /\r\nContent-Type: application\/problem\+json/);
    t.match(JSON.parse(text.slice(text.indexOf('\r\n\r\n'))), {
      type: `/error/${code}`,
      status: statusCode,
      statusCode,
      code,
    });
  }
});

function exchange(port: number, sent: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(sent));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
  });
}
