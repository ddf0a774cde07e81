import { test } from 'tap';
import type { VedetteError } from '../../../src/errors.ts';
import { writeJobs } from '../../../src/jobs/files/export.ts';
import { JobSet } from '../../../src/jobs/files/job-set.ts';
import { addText } from '../../../src/jobs/files/read.ts';
import { forms } from '../../../src/jobs/forms/index.ts';
import { rules } from '../definitions.ts';

function read(files: Readonly<Record<string, string>>) {
  const set = new JobSet({ rules, resolve: (name) => ({ SHOP: 'front' })[name] });
  for (const [name, text] of Object.entries(files)) addText(set, name, text, undefined);
  return set.definitions();
}

function messageOf(files: Readonly<Record<string, string>>): string {
  try {
    read(files);
    return 'no problem';
  } catch (error) {
    return (error as VedetteError).message;
  }
}

const json = (...jobs: object[]) => JSON.stringify(jobs);
const front = { job_id: 2, job_name: 'front', uri: 'http://a.test/' };
const cache = { job_id: 3, job_name: 'cache', uri: 'redis://a.test' };
const shop = { job_id: 1, job_name: 'shop', type: 'group', jobs: ['front', 3, 'cache of b'] };

test('groups name jobs of all files, before and after them, and become ids', (t) => {
  const other = '[cache of b]\nurl = redis://b.test\n';
  const definitions = read({ 'a.json': json(shop, front, cache), 'b.ini': other });
  t.match(definitions[0], { job_id: 1, jobs: [2, 3, Number] });
  t.match(definitions[0], { jobs: [2, 3, definitions[3]?.job_id] }, 'an id that is derived from the name');
  t.strictSame(
    definitions.map(({ job_id: jobId }) => jobId),
    [1, 2, 3, definitions[3]?.job_id],
    'in the order of the files',
  );
  const nested = json({ job_id: 9, type: 'group', jobs: ['shop'] }, { ...shop, jobs: [`\${SHOP}`] }, front);
  t.match(read({ 'a.json': nested }), [{ jobs: [1] }, { jobs: [2] }, {}]);
  t.end();
});

test('groups in every form that can express them, and exported as ids', (t) => {
  const text =
    'name,url,type,jobs,require\nfront,http://a.test/,,,\ncache,redis://a.test,,,\nboth,,group,"front, cache",1\n';
  const definitions = read({ 'sites.csv': text });
  t.match(definitions[2], { type: 'group', require: 1, jobs: definitions.slice(0, 2).map((job) => job.job_id) });
  for (const form of forms.all().filter(({ fields }) => fields === undefined)) {
    const written = writeJobs(definitions, { form, rules });
    const again = new JobSet({ rules });
    addText(again, `x${form.extensions[0]}`, written, form.name);
    t.same(again.definitions(), definitions, form.name);
  }
  t.end();
});

test('names that lead nowhere, or to several jobs, and cycles, each with its place', (t) => {
  t.equal(
    messageOf({ 'a.json': json(shop, front, cache) }),
    'a.json: line 1: [0].jobs[2]: given "cache of b", accepted: the job_name of a job of these files, or a job_id',
  );
  const twins = json({ ...shop, jobs: ['front'] }, front, { ...cache, job_name: 'front' });
  t.equal(
    messageOf({ 'a.json': twins }),
    'a.json: line 1: [0].jobs[0]: given "front", accepted: a job_id: 2, 3 have the name',
  );
  const twice = json({ ...shop, jobs: ['front', 2] }, front);
  t.match(messageOf({ 'a.json': twice }), /^a\.json: line 1: \[0\]\.jobs: /);
  const wrong = json({ ...shop, jobs: ['front'], require: 'most' }, { ...front, uri: 'b' });
  t.match(messageOf({ 'a.json': wrong }), /\[1\]\.uri: .*\n.*\[0\]\.require: given "most"/);
  const cycle =
    '- job_id: 1\n  type: group\n  jobs: [two]\n- job_id: 2\n  job_name: two\n  type: group\n  jobs:\n    - 1\n';
  t.equal(
    messageOf({ 'a.yaml': `jobs:\n${cycle.replace(/^/gm, '  ').trimEnd()}\n` }),
    'a.yaml: line 4: jobs[0].jobs[0]: given 2, accepted: a job that does not lead back to the group itself, directly or over other groups',
  );
  t.end();
});
