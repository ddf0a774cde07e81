import { test } from 'tap';
import { MASK } from '../../src/core/masking.ts';
import { writeJobs } from '../../src/jobs/files/export.ts';
import { JobSet } from '../../src/jobs/files/job-set.ts';
import { addText } from '../../src/jobs/files/read.ts';
import { forms } from '../../src/jobs/forms/index.ts';
import type { JobDefinition } from '../../src/jobs/store.ts';
import { rules } from './definitions.ts';

const ref = (name: string): string => `$${`{secret:${name}}`}`;
const uri = 'http://127.0.0.1/';
const key = (fields: object) => ({ uri, ...fields });

function problemsOf(definition: object): string[] {
  const checked = rules.validate(definition);
  return checked.ok ? [] : checked.problems.map(({ path, accepted }) => `${path}: ${accepted}`);
}

test('references are accepted where secrets make sense, several in one text', (t) => {
  const accepted: object[] = [
    {
      uri: `https://${ref('user')}:${ref('password')}@a.test/${ref('path')}?key=${ref('k')}&x=a${ref('x')}b#${ref('f')}`,
    },
    key({ headers: { authorization: `Bearer ${ref('a.b-c_D')}`, cookie: `a=${ref('a')}; b=${ref('b')}` } }),
    key({ method: 'POST', body: `{"password":"${ref('password')}"}` }),
    key({ auth: { type: 'basic', username: ref('user'), password: `${ref('a')}${ref('b')}` } }),
    key({ auth: { type: 'bearer', token: ref('x'.repeat(63)) } }),
    ...['http', 'socks5'].map((kind) => key({ proxy: `${kind}://${ref('user')}:${ref('password')}@p.test:3128` })),
    key({ tls: { ca: ref('ca'), cert: `${ref('cert')}\n${ref('chain')}`, key: ref('.key') } }),
    key({ job_name: `shows ${ref('a')}`, description: ref('b'), tags: [ref('c')] }),
  ];
  for (const definition of accepted) t.strictSame(problemsOf(definition), [], JSON.stringify(definition));
  t.end();
});

test('elsewhere they are refused, as are names that lead out of a folder', (t) => {
  const elsewhere = /^[\w.-]+: no reference to a secret here; they are for uri, proxy, headers\.\*, body, auth/;
  const fields: object[] = [
    ...[{ pattern: ref('a') }, { forbidden_pattern: `x${ref('a')}` }, { json_condition: `json.a == "${ref('a')}"` }],
    { expected_headers: { 'x-a': ref('a') } },
  ];
  for (const field of fields) t.match(problemsOf(key(field)), [elsewhere], JSON.stringify(field));
  for (const address of [`http://${ref('a')}/`, `http://a.test:${ref('a')}/`, `${ref('a')}://a.test/`, ref('a')]) {
    t.match(problemsOf({ uri: address }), [/^uri: .*http:\/\/ or https:\/\/ address/], address);
  }
  const names = ['', '.', '..', '../a', 'a/b', '/etc/passwd', '..data', 'a b', 'ä', 'a\n', 'x'.repeat(64)];
  for (const name of names) {
    const problems = problemsOf(key({ headers: { 'x-a': ref(name) } })).filter((text) => /NAME/.test(text));
    t.match(problems, [/^headers\.x-a: \$\{secret:NAME\} with a NAME of letters, digits/], JSON.stringify(name));
  }
  t.match(problemsOf(key({ body: '${secret:a' })), [/^body: /], 'one that does not end');
  t.strictSame(problemsOf(key({ body: `$${ref('a b')} ${ref('a')}` })), [], 'an escape may hold anything');
  t.match(problemsOf(key({ auth: { type: 'basic', username: `a:${ref('b')}`, password: '' } })), [/without a colon/]);
  const many = Array.from({ length: 33 }, (_, index) => ref(`a${index}`)).join('');
  t.match(problemsOf(key({ body: many })), [/references to at most 32 secrets/]);
  t.end();
});

test('references are shown, what stands beside them is not, and both come back', (t) => {
  const definition: JobDefinition = {
    uri: `https://ann:${ref('p')}@a.test/?token=${ref('t')}&key=literal-${ref('t')}&page=2`,
    proxy: `socks5://${ref('user')}:${ref('p')}@p.test:1080`,
    headers: {
      authorization: `Bearer ${ref('t')}`,
      cookie: `a=${ref('a')}; b=${ref('b')}`,
      'x-key': `s3cret${ref('k')}`,
    },
    auth: { type: 'basic', username: ref('user'), password: ref('p') },
    body: `{"a":"${ref('a')}"}`,
    tls: { key: ref('key'), cert: ref('cert') },
  };
  const shown = rules.redact(definition);
  t.strictSame(shown, {
    ...definition,
    uri: `https://ann:${ref('p')}@a.test/?token=${ref('t')}&key=${MASK}&page=2`,
    headers: { ...(definition.headers as object), 'x-key': `${MASK}${ref('k')}` },
    body: `${MASK}${ref('a')}${MASK}`,
  });
  t.strictSame(rules.restoreSecrets(shown, definition), definition);
  const moved = { ...shown, uri: `https://ann:${ref('q')}@b.test/?key=${MASK}` };
  t.equal(rules.restoreSecrets(moved, definition).uri, `https://ann:${ref('q')}@b.test/?key=literal-${ref('t')}`);
  const other = { ...shown, body: `${MASK}${ref('other')}${MASK}` };
  t.throws(
    () => rules.restoreSecrets(other, definition),
    /body: given .*, accepted: the secret itself, none is stored/,
  );
  const { job_name: _name, ...unnamed } = rules.toDefinition(rules.toJob(definition, 1));
  t.match(unnamed, definition, 'a job has them as they are written');
  t.equal(rules.targetOf(rules.toJob(definition, 1)), shown.uri);
  t.end();
});

test('every form of job file reads and writes them as they are', (t) => {
  const job = {
    job_id: 1,
    uri: `https://ann:${ref('p')}@a.test/?a=1&token=${ref('t')}`,
    headers: { authorization: `Bearer ${ref('t-1')}`, 'x-a': ref('x') },
    body: `{"a":"${ref('a')}", "b": "$${ref('literally')}"}`,
  };
  const resolve = (name: string) => (name === 'STAGE' ? 'prod' : undefined);
  const read = (name: string, text: string, form?: string) => {
    const set = new JobSet({ rules, resolve });
    addText(set, name, text, form);
    return set.definitions();
  };
  for (const form of forms.all()) {
    const known = form.fields === undefined ? job : { job_id: 1, uri: job.uri };
    const text = writeJobs([known], { form, rules });
    const { job_id: _id, ...fields } = known;
    // In INI the title of a section is a name.
    const [{ job_name: _name, ...again } = {}] = read('jobs', text, form.name);
    t.strictSame({ ...again, ...fields }, again, form.name);
  }
  const byHand: Array<[name: string, text: string]> = [
    ['a.ini', `[a]\nurl = ${uri}\nheaders.X-A = Bearer ${ref('a')}\n`],
    ['a.csv', `name,url,headers.X-A\na,${uri},Bearer ${ref('a')}\n`],
    ['a.yaml', `jobs:\n  - job_id: 1\n    uri: ${uri}\n    headers:\n      X-A: Bearer ${ref('a')}\n`],
  ];
  for (const [name, text] of byHand) t.match(read(name, text), [{ headers: { 'X-A': `Bearer ${ref('a')}` } }], name);
  t.match(
    read('a.json', JSON.stringify([key({ job_id: 1, body: ref('$' + '{STAGE}-token') })])),
    [{ body: ref('prod-token') }],
    'a variable may choose the secret',
  );
  t.end();
});
