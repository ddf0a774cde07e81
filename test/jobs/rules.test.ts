import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'tap';
import { checkJobMetrics } from '../../src/aggregates/metrics-plan.ts';
import { MASK } from '../../src/core/masking.ts';
import { formatProblem } from '../../src/core/validation.ts';
import { createJobRules } from '../../src/jobs/rules.ts';
import { monitors } from '../../src/monitors/index.ts';
import { CronSlots } from '../../src/scheduler/cron/cron-slots.ts';
import { context, pem } from '../monitors/support.ts';

const cronProblem = (expression: string, timezone: string | null) => {
  try {
    return new CronSlots(expression, timezone).next(0) === null ? 'an expression that is due at some time' : null;
  } catch (error) {
    return (error as Error).message;
  }
};
const rules = createJobRules({ monitors, context, cronProblem });
const uri = 'http://127.0.0.1/';

function problemsOf(definition: unknown): string[] {
  const result = rules.validate(definition);
  return result.ok ? [] : result.problems.map(formatProblem);
}

const CERTIFICATE = pem('ca');
const SCHEMES = monitors
  .all()
  .flatMap(({ schemes = [] }) => [...schemes])
  .sort()
  .map((scheme) => `${scheme}://`)
  .join(', ')
  .replace(/, ([^,]*)$/, ' and $1');
const TABLE: ReadonlyArray<[definition: unknown, ...problems: string[]]> = [
  [null, '(root): given null, accepted: a job: an object, such as one with a uri'],
  [[], '(root): given [], accepted: a job: an object, such as one with a uri'],
  [{}, 'uri: given nothing, accepted: a value, it is required'],
  [{ uri, type: 'htttp' }, `type: given "htttp", accepted: one of ${monitors.names().join(', ')}; did you mean http?`],
  [{ uri, type: 7 }, `type: given 7, accepted: one of ${monitors.names().join(', ')}`],
  [{ uri, url: 1 }, 'url: given 1, accepted: no such key; did you mean uri?'],
  [{ uri, jobname: 'a' }, 'jobname: given "********", accepted: no such key; did you mean job_name?'],
  [{ uri, job_id: 0 }, 'job_id: given 0, accepted: a number >= 1'],
  [{ uri, job_id: '1' }, 'job_id: given "1", accepted: integer'],
  [{ uri, job_id: 2 ** 31 }, 'job_id: given 2147483648, accepted: a number <= 2147483647'],
  [{ uri: '/a' }, 'uri: given "/a", accepted: an http:// or https:// address'],
  [
    { uri: 'ftp://a/' },
    `uri: given "ftp://a/", accepted: an http:// or https:// address; there are jobs for ${SCHEMES}`,
  ],
  [{ uri: 'ftp://a/', type: 'http' }, 'uri: given "ftp://a/", accepted: an http:// or https:// address'],
  [{ uri: 'http://' }, 'uri: given "http://", accepted: an http:// or https:// address'],
  [{ uri: 'http://[::1/' }, 'uri: given "http://[::1/", accepted: an http:// or https:// address'],
  [{ uri: 'http://a:99999/' }, 'uri: given "http://a:99999/", accepted: an http:// or https:// address'],
  [{ uri: 'http://a:0/' }, 'uri: given "http://a:0/", accepted: an http:// or https:// address with a port 1 to 65535'],
  [{ uri, check_period_seconds: 0 }, 'check_period_seconds: given 0, accepted: a number >= 0.1'],
  [{ uri, check_period_seconds: '5' }, 'check_period_seconds: given "5", accepted: number'],
  [
    { uri, check_period_seconds: 5, check_cron: '* * * * *' },
    'check_cron: given "* * * * *", accepted: nothing beside check_period_seconds: one of the two',
  ],
  [
    { uri, check_cron: '61 * * * *' },
    'check_cron: given "61 * * * *", accepted: a cron expression: Invalid value for minute: 61',
  ],
  [
    { uri, check_cron: '* *' },
    'check_cron: given "* *", accepted: a cron expression of 5 or 6 fields, or @hourly and the like',
  ],
  [
    { uri, check_cron: '2030-01-01T00:00:00' },
    'check_cron: given "2030-01-01T00:00:00", accepted: a cron expression of 5 or 6 fields, or @hourly and the like',
  ],
  [
    { uri, check_cron: '0 0 31 2 *' },
    'check_cron: given "0 0 31 2 *", accepted: a cron expression that matches some day',
  ],
  [
    { uri, check_cron: '0 * * * *', check_cron_timezone: 'Mars/Olympus' },
    'check_cron_timezone: given "Mars/Olympus", accepted: a time zone such as Europe/Berlin',
  ],
  [{ uri, check_cron_timezone: 'UTC' }, 'check_cron_timezone: given "UTC", accepted: nothing without check_cron'],
  [
    { uri, check_period_seconds: 5, timeout_seconds: 5 },
    'timeout_seconds: given 5, accepted: less than the 5 seconds to the next slot, which must find the check ended',
  ],
  [
    { uri, timeout_seconds: 61 },
    'timeout_seconds: given 61, accepted: less than the 60 seconds to the next slot, which must find the check ended',
  ],
  [
    { uri, check_cron: '*/7 * * * * *', timeout_seconds: 5 },
    'timeout_seconds: given 5, accepted: less than the 4 seconds to the next slot, which must find the check ended',
  ],
  [{ uri, retries: 11 }, 'retries: given 11, accepted: a number <= 10'],
  [{ uri, enabled: 'yes' }, 'enabled: given "yes", accepted: boolean'],
  [{ uri, tags: 'a' }, 'tags: given "a", accepted: array'],
  [
    { uri, topic: 'a b' },
    'topic: given "a b", accepted: letters, digits, dots, dashes and underscores: topic of its results instead of the default one',
  ],
  [
    { uri, location: ['eu', ''] },
    'location[1]: given "", accepted: letters, digits, dots, dashes and underscores, at most 63',
  ],
  [
    { uri, method: 'BREW' },
    'method: given "BREW", accepted: one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, get, head, post, put, patch, delete, options',
  ],
  [{ uri, headers: { 'a b': 'c' } }, 'headers.a...: given "********", accepted: a header name'],
  [
    { uri, headers: { 'X-A': 'b\r\nX-C: d' } },
    'headers.X-A: given "b\\r\\nX-C: d", accepted: a header value: one line, no characters above U+00FF',
  ],
  [{ uri, headers: { a: '1', A: '2' } }, 'headers.A: given "A", accepted: each header once, in whatever case'],
  [
    { uri, headers: { 'Content-Length': '9' } },
    'headers.Content-Length: given "9", accepted: no such header, it is set by Vedette',
  ],
  [{ uri, expected_status: 99 }, 'expected_status: given 99, accepted: a number >= 100'],
  [
    { uri, expected_status: ['2xx', 'ok'] },
    'expected_status[1]: given "ok", accepted: a status such as 200, a range such as "200-299", or a class such as "2xx"',
  ],
  [
    { uri, expected_status: ['299-200'] },
    'expected_status[0]: given "299-200", accepted: a range whose first status is not above its last',
  ],
  [{ uri, pattern: '(a' }, 'pattern: given "(a", accepted: a regular expression of RE2: missing closing ): `(a`'],
  [
    { uri, pattern: '(?=a)' },
    'pattern: given "(?=a)", accepted: a regular expression of RE2: invalid or unsupported Perl syntax: `(?=`',
  ],
  [
    { uri, expected_headers: { 'x-a': '[' } },
    'expected_headers.x-a: given "[", accepted: a regular expression of RE2: missing closing ]: `[`',
  ],
  [{ uri, redirects: { maxx: 1 } }, 'redirects.maxx: given 1, accepted: no such key; did you mean max?'],
  [
    { uri, tls: { full_handshake_seconds: 60 } },
    'tls.full_handshake_seconds: given 60, accepted: nothing without tls.resume: true',
  ],
  [
    { uri, tls: { resume: false, full_handshake_seconds: 60 } },
    'tls.full_handshake_seconds: given 60, accepted: nothing without tls.resume: true',
  ],
  [
    { uri, tls: { resume: true, full_handshake_seconds: 0 } },
    'tls.full_handshake_seconds: given 0, accepted: a number > 0',
  ],
  [
    { uri, tls: { resume: true, full_handshake_seconds: 86_401 } },
    'tls.full_handshake_seconds: given 86401, accepted: a number <= 86400',
  ],
  [{ uri, tls: { cert: CERTIFICATE } }, 'tls.key: given nothing, accepted: tls.cert and tls.key together'],
  [
    { uri, tls: { ca: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' } },
    'tls.ca: given "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----", accepted: a certificate in PEM that can be read',
  ],
  [
    { uri, tls: { cert: pem('client'), key: pem('server') } },
    `tls.key: given "${MASK}", accepted: the private key of tls.cert`,
  ],
  [
    { uri, auth: { type: 'basic' } },
    'auth.username: given nothing, accepted: a user name, basic needs it',
    'auth.password: given nothing, accepted: a password, basic needs it',
  ],
  [
    { uri, auth: { type: 'bearer', token: 'a b' } },
    `auth.token: given "${MASK}", accepted: printable ASCII without spaces`,
  ],
  [
    { uri, auth: { type: 'basic', username: 'u', pasword: 's3cret', password: 'p' } },
    `auth.pasword: given "${MASK}", accepted: no such key; did you mean password?`,
  ],
  [{ uri, auth: 's3cret' }, `auth: given "${MASK}", accepted: object`],
  [
    { uri: 'ftp://me:s3cret@a/' },
    `uri: given "ftp://me:${MASK}@a/", accepted: an http:// or https:// address; there are jobs for ${SCHEMES}`,
  ],
  [{ uri, job_name: 'a\u0000b' }, 'job_name: given "a\\u0000b", accepted: text without NUL, of whole characters'],
  [{ uri, body: 'half \ud83d' }, 'body: given "********", accepted: text without NUL, of whole characters'],
];

test('what is wrong with a definition, all at once, each with path, value and what is accepted', async (t) => {
  for (const [definition, ...problems] of TABLE) {
    t.strictSame(problemsOf(definition), problems, JSON.stringify(definition)?.slice(0, 120));
  }
  const many = problemsOf({
    jobname: 'x',
    uri: 'ftp://x',
    check_period_seconds: 5,
    timeout_seconds: 5,
    pattern: '(',
    headers: { 'a b': 'c', te: 'x' },
  });
  t.equal(many.length, 6, many.join('\n'));
  t.notMatch(TABLE.flatMap(([definition]) => problemsOf(definition)).join(), /s3cret/);
});

test('no job sends its results to a topic of copies, which is not counted', async (t) => {
  const { validate } = createJobRules({ monitors, context, cronProblem, copyTopics: ['failed'] });
  t.match(validate({ uri, topic: 'failed' }), { ok: false, problems: [{ path: 'topic', given: 'failed' }] });
  t.match(validate({ uri, topic: 'other' }), { ok: true });
});

test('metrics of a job are held against those of all, and are part of the job', async (t) => {
  const metricProblems = (metrics: Parameters<typeof checkJobMetrics>[0]) => checkJobMetrics(metrics, []);
  const { validate, toJob, toDefinition } = createJobRules({ monitors, context, cronProblem, metricProblems });
  const metrics = [{ granularity: '60m', aggregates: [{ function: 'percentiles', field: 'bytes' }] }];
  t.match(validate({ uri, metrics }), { ok: true });
  const job = toJob({ job_id: 1, uri, metrics }, 1);
  t.strictSame([job.metrics, toDefinition(job).metrics], [metrics, metrics]);
  t.notOk('metrics' in toDefinition(toJob({ job_id: 1, uri, metrics: [] }, 1)));
  const wrong = [
    { granularity: '5m', aggregates: [{ function: 'max', field: 'bytes' }] },
    {
      granularity: 'hour',
      aggregates: [
        { function: 'median', field: 'bytes' },
        { function: 'max', field: 'status' },
      ],
    },
  ];
  t.match(validate({ uri, metrics: wrong }), {
    ok: false,
    problems: [
      { path: 'metrics[0].granularity', given: '5m', accepted: /^one of minute, hour, day: / },
      { path: 'metrics[1].aggregates[0].function', given: 'median' },
      { path: 'metrics[1].aggregates[1].field', given: 'status' },
    ],
  });
  t.match(validate({ uri, metrics: [{ granularity: 'hour' }] }), {
    ok: false,
    problems: [{ path: 'metrics[0].aggregates' }],
  });
  t.match(validate({ uri, metrics: [{ granularity: 'x', aggregates: [] }] }), { ok: false });
});

test('addresses begin with any letter, neither with a space nor with a backslash', async (t) => {
  for (const letter of 'abcdefghijklmnopqrstuvwxyzSZ0[é') {
    const host = letter === '[' ? '[::1]' : `${letter}hop.test`;
    t.same(problemsOf({ uri: `HTTPS://${host}/` }), [], host);
  }
  for (const refused of ['http:// a.test/', 'http://\\a.test/', 'http:///a', 'http://?a']) {
    t.equal(problemsOf({ uri: refused }).length, 1, refused);
  }
});

test('a good definition is mapped with its defaults, and back', async (t) => {
  const job = rules.toJob({ job_id: 3, uri, check_period_seconds: 1, method: 'get' }, 3);
  t.match(job, {
    jobId: 3,
    name: uri,
    type: 'http',
    periodMs: 1000,
    cron: null,
    timeoutMs: 800,
    retries: 0,
    locations: ['default'],
    tags: [],
    enabled: true,
    topic: null,
    options: { uri, method: 'get' },
  });
  t.equal(rules.hostOf(job), '127.0.0.1');
  t.equal(rules.toJob({ uri }, 1).timeoutMs, 10_000);
  t.match(rules.toJob({ uri }, 1), { periodMs: 60_000 });
  t.match(rules.toJob({ uri, check_cron: '*/5 * * * * *' }, 1), {
    periodMs: null,
    cron: '*/5 * * * * *',
    timeoutMs: 4_000,
  });
  t.match(rules.toJob({ uri, check_period_seconds: 0.3333 }, 1), { periodMs: 333, timeoutMs: 266 });
  for (const definition of [
    { uri },
    {
      uri,
      check_cron: '@hourly',
      check_cron_timezone: 'Europe/Berlin',
      timeout_seconds: 0.5,
      retries: 2,
      enabled: false,
    },
    { uri, job_name: 'shop', description: 'd', tags: ['a'], location: ['eu', 'us'], topic: 'own', pattern: 'x' },
  ]) {
    t.strictSame(problemsOf(definition), []);
    const there = rules.toJob(definition, 9);
    const back = rules.toDefinition(there);
    t.strictSame(problemsOf(back), []);
    t.strictSame(rules.toJob(back, 9), there);
  }
});

test('secrets are masked wherever they may stand, and come back', async (t) => {
  const definition = {
    uri: 'https://ann:p4ss@a.test/x',
    auth: { type: 'basic', username: 'ann', password: 'p4ss' },
    headers: {
      Authorization: 'p4ss',
      Cookie: 'p4ss',
      'X-Api-Key': 'p4ss',
      'x-auth-token': 'p4ss',
      accept: 'text/html',
    },
    tls: { verify: true, key: 'p4ss', cert: 'public' },
  };
  const shown = rules.redact(definition);
  t.notMatch(JSON.stringify(shown), /p4ss/);
  t.match(shown, { auth: { username: 'ann' }, headers: { accept: 'text/html' }, tls: { cert: 'public' } });
  t.strictSame(rules.restoreSecrets(shown, definition), definition);
  const moved = { ...shown, headers: { authorization: MASK }, uri: `https://bob:${MASK}@b.test/` };
  t.match(rules.restoreSecrets(moved, definition), {
    headers: { authorization: 'p4ss' },
    uri: 'https://bob:p4ss@b.test/',
  });
  t.throws(() => rules.restoreSecrets({ uri, auth: { type: 'bearer', token: MASK } }, definition), {
    code: 'VED_VALIDATION',
    message: `auth.token: given "${MASK}", accepted: the secret itself, none is stored`,
  });
  t.throws(() => rules.restoreSecrets({ uri: `http://a:${MASK}@b/` }, { uri }), { code: 'VED_VALIDATION' });
  t.equal(rules.redact({ uri: 'http://a:b:c@d@e/' }).uri, `http://a:${MASK}@e/`, 'up to the last @');
});

test('a job that was read is checked as it says', async (t) => {
  const server = createServer((_request, response) => response.end('ok'));
  t.teardown(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const job = rules.toJob({ uri: `http://127.0.0.1:${port}/`, pattern: '^ok$' }, 1);
  const result = await rules.prepare(job)({ timeoutMs: 5_000, signal: new AbortController().signal });
  t.match(result, { outcome: 'up', status: '200', bytes: 2 });
});

test('a definition is bounded as a whole', async (t) => {
  const headers = Object.fromEntries(Array.from({ length: 80 }, (_, index) => [`x-${index}`, 'v'.repeat(8_000)]));
  const { ok, ...rest } = rules.validate({ job_id: 1, uri: 'https://example.org/', headers });
  t.notOk(ok);
  t.match(rest, { problems: [{ given: /^\d+ bytes of JSON$/, accepted: /at most 524288 bytes/ }] });
});

test('a prepared probe says whether it keeps state between tries', (t) => {
  for (const keepAlive of [true, false]) {
    const { value } = rules.validate({ uri, keep_alive: keepAlive }) as { value: Record<string, unknown> };
    t.equal(rules.prepare(rules.toJob(value, 1)).keeps, keepAlive);
  }
  t.end();
});
