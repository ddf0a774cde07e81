import fc from 'fast-check';
import { createJobRules } from '../../src/jobs/rules.ts';
import type { JobDefinition } from '../../src/jobs/store.ts';
import { monitors } from '../../src/monitors/index.ts';
import { context } from '../monitors/support.ts';

export const rules = createJobRules({ monitors, context, cronProblem: () => null });

const NASTY = [
  ...[
    '',
    ' ',
    ' a',
    'a ',
    '"',
    '"a"',
    '"a" or "b"',
    "'",
    ',',
    ';a',
    '#a',
    '[a]',
    'a]',
    '=',
    ':',
    '\\',
    '\\n',
    '$',
    '\t',
  ],
  ...[
    'null',
    'true',
    'no',
    '~',
    '5m',
    '007',
    '1e3',
    '200',
    '- a',
    'a: b',
    '{',
    '{"a":1}',
    '["a"]',
    '*a',
    '&a',
    '!a',
    '%',
  ],
  ...[
    'a\nb',
    'a\r\nb',
    '\u0085',
    '\u2028',
    '\ufeff',
    'ä€😀',
    '__proto__',
    'DEFAULT',
    'job 7',
    '=1+1',
    '@a',
    '| a',
    '> a',
  ],
  ...['A', '$A', '$$A'].map((name) => name.replace('A', '{A}')),
  ...['$A', '$$A'].map((name) => name.replace('A', '{secret:a.b}')),
];
const LETTERS = ['a', 'Z', '0', ' ', '"', ',', '\n', 'é', '😀'];
const text = (maxLength: number) =>
  fc
    .array(fc.oneof(fc.constantFrom(...NASTY), fc.string({ unit: fc.constantFrom(...LETTERS), maxLength: 6 })), {
      maxLength: 4,
    })
    .map((parts) => parts.join(''))
    .filter((value) => value.length <= maxLength);
const name = fc.constantFrom('default', 'eu-1', 'a.b', '200', 'null');
const headerName = fc.constantFrom('Accept', 'x-a.b', '__proto__', "it's", '#x', '200', 'X-Token');
const seconds = fc.oneof(fc.integer({ min: 1, max: 90 }), fc.double({ min: 0.1, max: 1e4, noNaN: true }));
const status = fc.constantFrom<string | number>(200, 404, '200', '2xx', '300-399');

/** Valid definitions with a job_id, every field in every form that it may have. */
const definition: fc.Arbitrary<JobDefinition> = fc
  .record(
    {
      job_id: fc.integer({ min: 1, max: 2_147_483_647 }),
      uri: fc.constantFrom('http://a.test/', 'https://u:pw@b.test/?a=1,2;3#x', 'http://[::1]:80/"'),
      job_name: text(200),
      description: text(500),
      type: fc.constant('http'),
      check_period_seconds: seconds.map((value) => value + 10),
      timeout_seconds: fc.constantFrom(0.05, 0.25, 1, 10),
      retries: fc.nat(10),
      enabled: fc.boolean(),
      tags: fc.uniqueArray(text(64), { maxLength: 4 }),
      location: fc.oneof(name, fc.uniqueArray(name, { minLength: 1, maxLength: 3 })),
      topic: fc.constantFrom('checks-2', '7', 'a.b'),
      metrics: fc.array(
        fc.record({
          granularity: fc.constantFrom('minute', 'hour', '5m'),
          aggregates: fc.array(
            fc.record({ function: fc.constantFrom('max', 'avg'), field: fc.constantFrom('bytes', 'values.a') }),
            { minLength: 1, maxLength: 2 },
          ),
        }),
        { maxLength: 2 },
      ),
      method: fc.constantFrom('GET', 'get', 'POST'),
      headers: fc.dictionary(headerName, text(40)),
      expected_headers: fc.dictionary(headerName, fc.constantFrom('', '^a', '"', '5')),
      forbidden_headers: fc.dictionary(headerName, fc.constantFrom('', '^a', ',')),
      json_condition: fc.constantFrom('json.a == "b, c"', 'has(json.x) || size(json) > 1', 'true'),
      forbidden_pattern: fc.constantFrom('Fatal error', '"', ' '),
      body: text(200),
      expected_status: fc.oneof(status, fc.uniqueArray(status, { minLength: 1, maxLength: 3 })),
      pattern: fc.constantFrom(
        '^ok$',
        ' a',
        '"a"',
        '"a" or "b"',
        '\\d+, [,;]',
        'no',
        '[a]',
        '{',
        '#',
        '',
        '\n',
        `$${'{A}'}`,
      ),
      max_response_time_seconds: seconds,
      max_body_bytes: fc.nat(16_777_216),
      keep_alive: fc.boolean(),
      proxy: fc.constantFrom('http://p.test:3128', 'socks5://u:s3cret,pw@10.0.0.1:1080', 'https://u:pw%40x@[::1]:443/'),
      http_version: fc.constantFrom('1.1', '2', 'auto', 1.1, 2),
      redirects: fc.record({ follow: fc.boolean(), max: fc.nat(20) }, { requiredKeys: [] }),
      tls: fc.record(
        {
          verify: fc.boolean(),
          expiry_warning_days: fc.nat(90),
          resume: fc.constant(true),
          pins: fc.uniqueArray(fc.constantFrom(`sha256/${'A'.repeat(43)}=`, `sha256/${'b+/9'.repeat(10)}xyz=`), {
            minLength: 1,
          }),
        },
        { requiredKeys: [] },
      ),
      auth: fc.oneof(
        fc.record({ type: fc.constant('basic'), username: text(20), password: text(20) }),
        fc.record({ type: fc.constant('bearer'), token: fc.constantFrom('s3cret', '"t"', '007') }),
      ),
    },
    { requiredKeys: ['job_id', 'uri'] },
  )
  .map((candidate): JobDefinition => JSON.parse(JSON.stringify(candidate)))
  .filter((candidate) => rules.validate(candidate).ok);

/** Sets of them, no id twice. */
export const definitions = fc.uniqueArray(definition, { selector: ({ job_id }) => job_id, minLength: 1, maxLength: 6 });
