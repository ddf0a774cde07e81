import assert from 'node:assert/strict';
import fc from 'fast-check';
import { test } from 'tap';
import type { VedetteError } from '../../src/errors.ts';
import { deriveJobId } from '../../src/jobs/derived-id.ts';
import { fullDefinition, writeJobs } from '../../src/jobs/files/export.ts';
import { JobSet } from '../../src/jobs/files/job-set.ts';
import { addText } from '../../src/jobs/files/read.ts';
import { forms, guessForm } from '../../src/jobs/forms/index.ts';
import type { JobDefinition } from '../../src/jobs/store.ts';
import { definitions, rules } from './definitions.ts';

const numRuns = Number(process.env.FORMS_RUNS ?? 60);

function read(name: string, text: string, form?: string): JobDefinition[] {
  const set = new JobSet({ rules, resolve: (variable) => (variable === 'HOST' ? 'h.test' : undefined) });
  addText(set, name, text, form);
  return set.definitions();
}

function problemsOf(name: string, text: string, form?: string): string[] {
  try {
    read(name, text, form);
    return [];
  } catch (error) {
    return (error as VedetteError).message.split('\n');
  }
}

test('what is written in a form means the same jobs when it is read', async (t) => {
  fc.assert(
    fc.property(definitions, (jobs) => {
      for (const form of forms.all()) {
        if (form.name === 'addresses') continue; // It has no numbers: see below.
        const known = jobs.map((job) =>
          Object.fromEntries(Object.entries(job).filter(([field]) => form.fields?.includes(field) ?? true)),
        );
        const text = writeJobs(known, { form, rules });
        const again = read('jobs', text, form.name);
        assert.deepEqual(
          again.map((job) => fullDefinition(job, rules)),
          known.map((job) => fullDefinition(job, rules)),
          text,
        );
        assert.equal(guessForm(`jobs${form.extensions[0]}`, text)?.name, form.name, 'by its ending');
      }
    }),
    { numRuns },
  );
  t.pass('for every form');
});

test('addresses are written one a line, and read with numbers made from them', async (t) => {
  const jobs = ['http://a.test/', 'http://b.test/?x=1'].map((uri, index) => ({ job_id: index + 1, uri }));
  const text = writeJobs(jobs, { form: forms.get('addresses'), rules });
  t.equal(text, 'http://a.test/\nhttp://b.test/?x=1\n');
  t.strictSame(
    read('sites.txt', text).map(({ uri }) => uri),
    jobs.map(({ uri }) => uri),
  );
});

test('a field that a form cannot express is an error, unless it may be lost', async (t) => {
  const form = forms.get('targets');
  const jobs = [
    { job_id: 1, uri: 'http://a.test/', timeout_seconds: 10, enabled: true },
    { job_id: 2, uri: 'http://b.test/', retries: 2, auth: { type: 'bearer', token: 's3cret' } },
  ];
  t.throws(() => writeJobs(jobs, { form, rules }), {
    code: 'VED_USAGE',
    message: [
      'job 2: retries: given 2, accepted: nothing, the form targets has no such field',
      'job 2: auth: given {"type":"bearer","token":"********"}, accepted: nothing, the form targets has no such field',
      'Choose another form (json, yaml, ini, csv), or leave these fields out with --lossy',
    ].join('\n'),
  });
  t.equal(
    writeJobs(jobs, { form, rules, isLossy: true }),
    '- job_id: 1\n  url: http://a.test/\n- job_id: 2\n  url: http://b.test/\n',
  );
});

test('YAML: checks with short names, jobs with ours', async (t) => {
  const text = `
# comment
x: &slow { check_period: 5m }
`;
  t.match(problemsOf('a.yaml', text), [
    'a.yaml: line 3: x: given {"check_period":"5m"}, accepted: only the keys checks and jobs',
  ]);
  const good = `checks:
  - url: http://a.test/
  - { name: b, url: "http://\${HOST}/", expected_code: 301, check_period: 5m }
  - &c
    url: http://c.test/
    regexp: "[0-9]+ items"
    check_period: "30"
  - <<: *c
    name: c too
jobs:
  - job_id: 9
    uri: http://d.test/
    headers: { accept: text/html }
`;
  t.strictSame(read('a.yml', good), [
    { job_id: deriveJobId('http://a.test/'), uri: 'http://a.test/', expected_status: 200 },
    { job_id: deriveJobId('b'), job_name: 'b', uri: 'http://h.test/', expected_status: 301, check_period_seconds: 300 },
    {
      job_id: deriveJobId('http://c.test/'),
      uri: 'http://c.test/',
      pattern: '[0-9]+ items',
      check_period_seconds: 30,
      expected_status: '100-999',
    },
    {
      job_id: deriveJobId('c too'),
      uri: 'http://c.test/',
      pattern: '[0-9]+ items',
      check_period_seconds: 30,
      job_name: 'c too',
      expected_status: '100-999',
    },
    { job_id: 9, uri: 'http://d.test/', headers: { accept: 'text/html' } },
  ]);
  t.strictSame(read('empty.yaml', 'checks:\n'), []);
  t.same(
    problemsOf(
      'a.yaml',
      'checks:\n  - url: http://a/\n    tokn: s3cret\n  - urls: x\n    expected_code: 2000\n  - 5\njobs: 7\n',
    ),
    [
      'a.yaml: line 3: checks[0].tokn: given "********", accepted: only the keys url, name, expected_code, regexp, check_period, job_id; forms with every field of a job are JSON, INI, CSV and YAML under jobs',
      'a.yaml: line 4: checks[1].urls: given "********", accepted: no such key; did you mean url?',
      'a.yaml: line 7: jobs: given 7, accepted: a list of jobs',
      'a.yaml: line 4: checks[1].url: given nothing, accepted: a value, it is required',
      'a.yaml: line 5: checks[1].expected_code: given 2000, accepted: a number <= 999',
      'a.yaml: line 6: checks[2]: given 5, accepted: a job: an object, such as one with a uri',
    ],
  );
  t.same(problemsOf('a.yaml', 'checks:\n  - url: "http://a/\n'), [
    'a.yaml: line 3, column 1: given the end of the file, accepted: YAML: Missing closing "quote',
  ]);
  t.match(problemsOf('a.yaml', ''), [/^a\.yaml: line 1: \(root\): given nothing, accepted: a mapping with a list/]);
  const bomb = `checks: &a [1,1,1,1,1,1,1,1,1,1]\njobs: [${'*a,'.repeat(200)}]`;
  t.match(problemsOf('a.yaml', bomb), [/YAML/]);
});

test('targets', async (t) => {
  t.strictSame(
    read(
      'sites.yaml',
      '# ours\n---\n- url: http://a.test/\n  pattern: Yes\n  interval: 30s\n- {url: http://b.test/}\n',
    ),
    [
      { job_id: deriveJobId('http://a.test/'), uri: 'http://a.test/', pattern: 'Yes', check_period_seconds: 30 },
      { job_id: deriveJobId('http://b.test/'), uri: 'http://b.test/' },
    ],
  );
  t.same(problemsOf('sites.yaml', '- url: http://a.test/\n  interval: often\n- url: http://a.test/\n  retries: 2\n'), [
    'sites.yaml: line 4: [1].retries: given 2, accepted: only the keys job_id, name, url, pattern, interval; forms with every field of a job are JSON, INI, CSV and YAML under jobs',
    'sites.yaml: line 2: [0].interval: given "often", accepted: seconds, or a duration such as 30s, 5m or 1h',
    'sites.yaml: line 3: [1].url: given "http://a.test/", accepted: a name of its own (or a job_id), because the job_id is made of it; [0] (line 1) has the same',
  ]);
});

test('INI', async (t) => {
  const text = `; comment\r
[DEFAULT]\r
interval = 5m\r
tls.verify = no\r
\r
[apache]\r
url: http://a.test/?a=b:c\r
expected_status = 200, 300-399\r
tags = web, prod\r
pattern = "It \\"works\\""\r
\r
[other]\r
uri = http://\${HOST}/\r
interval = 30\r
headers.Accept = text/html\r
retries =\r
body = 5\r
`;
  t.strictSame(read('sites.ini', text), [
    {
      job_id: deriveJobId('apache'),
      job_name: 'apache',
      check_period_seconds: 300,
      tls: { verify: false },
      uri: 'http://a.test/?a=b:c',
      expected_status: [200, '300-399'],
      tags: ['web', 'prod'],
      pattern: 'It "works"',
    },
    {
      job_id: deriveJobId('other'),
      job_name: 'other',
      tls: { verify: false },
      uri: 'http://h.test/',
      check_period_seconds: 30,
      headers: { Accept: 'text/html' },
      body: '5',
    },
  ]);
  t.same(
    problemsOf(
      'sites.ini',
      'url = x\n[a]\nurl = http://a.test/\nuri = http://b.test/\npattern = "\\d"\nMIIEvQIBADANBg\n[a]\nretries = many\ntls.verfy = no\nintervl = 5\n',
    ),
    [
      'sites.ini: line 1: url: given a field, accepted: a [section] before the first field',
      'sites.ini: line 6: [a]: given other text, accepted: [section], name = value, or a comment; line breaks within double quotes are written \\n',
      'sites.ini: line 7: [a]: given "a", accepted: a name of its own, line 2 has it',
      'sites.ini: line 4: [a].uri: given "********", accepted: one value; url on line 3 gives another',
      'sites.ini: line 5: [a].pattern: given "********", accepted: text in double quotes as in JSON (\\\\ for a backslash, \\" for a quote), or text without quotes around it',
    ],
  );
  t.match(problemsOf('sites.ini', '[a]\nurl=http://a/\nretries = many\ntls.verfy = no\nintervl = 5\n'), [
    /^sites\.ini: line 5: \[a\]\.intervl: given "\*{8}", accepted: only the keys job_id, /,
    'sites.ini: line 3: [a].retries: given "many", accepted: integer',
    'sites.ini: line 4: [a].tls.verfy: given "********", accepted: no such key; did you mean verify?',
  ]);
});

test('CSV', async (t) => {
  const text =
    '\uFEFFname;url;interval;tags;tls.verify\r\n"a; ""b""";http://a.test/;30s;"x,y";no\r\n\r\n;  http://b.test/ ;;;\r\n';
  t.strictSame(read('sites.csv', text), [
    {
      job_id: deriveJobId('a; "b"'),
      job_name: 'a; "b"',
      uri: 'http://a.test/',
      check_period_seconds: 30,
      tags: ['x', 'y'],
      tls: { verify: false },
    },
    { job_id: deriveJobId('http://b.test/'), uri: 'http://b.test/' },
  ]);
  t.same(
    problemsOf('sites.csv', 'url,intervall,uri,,enabled\nhttp://a/,5,,,maybe\n"a\nb",,,x,yes,more\n"http://c/\n'),
    [
      'sites.csv: line 5: cell 1: given text that begins with a quote, accepted: a quote at the end of the cell, and quotes within it doubled',
      'sites.csv: line 1: intervall: given "intervall", accepted: no such field; did you mean interval?',
      'sites.csv: line 1: uri: given "uri", accepted: a field once, column 1 has it',
      'sites.csv: line 4: cell 4: given a value, accepted: a name in the header',
      'sites.csv: line 4: cell 6: given a value, accepted: no more than 5 cells',
      'sites.csv: line 2: enabled: given "maybe", accepted: boolean',
      'sites.csv: line 3: url: given "a\\nb", accepted: an http:// or https:// address',
    ],
  );
});

test('CSV: a cell behind one of several lines, and rows before a quote that does not match', async (t) => {
  t.same(problemsOf('sites.csv', 'url,name,enabled\n"a\r\nb","c\nd",maybe\n"http://a/"x,b,yes\nhttp://c/,c,no\n'), [
    'sites.csv: line 5: cell 1: given text that begins with a quote, accepted: a quote at the end of the cell, and quotes within it doubled',
    'sites.csv: line 4: enabled: given "maybe", accepted: boolean',
    'sites.csv: line 2: url: given "a\\r\\nb", accepted: an http:// or https:// address',
  ]);
  t.strictSame(
    read('sites.csv', 'url,name\rhttp://a.test/,5" disk\r').map(({ job_name }) => job_name),
    ['5" disk'],
  );
});

test('the form: by ending, by content, by name', async (t) => {
  t.match(problemsOf('jobs.txt', 'hello'), [
    'jobs.txt: its form is not clear, accepted: one of json, yaml, targets, ini, csv, addresses, by its ending or --format',
  ]);
  t.equal(read('jobs.txt', '[a]\nurl=http://a.test/').length, 1);
  t.equal(read('jobs.txt', '[{"job_id": 1, "uri": "http://a.test/"}]').length, 1);
  t.equal(read('jobs.txt', 'url\nhttp://a.test/').length, 1);
  t.equal(read('jobs.json', 'url\nhttp://a.test/', 'csv').length, 1);
});
