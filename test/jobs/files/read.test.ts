import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Test, test } from 'tap';
import { systemClock } from '../../../src/core/clock.ts';
import { createLogger } from '../../../src/core/logger.ts';
import type { VedetteError } from '../../../src/errors.ts';
import { JobSet, type JobSetOptions } from '../../../src/jobs/files/job-set.ts';
import { addText, readJobFiles } from '../../../src/jobs/files/read.ts';
import { createJobFilesWatcher } from '../../../src/jobs/files/watcher.ts';
import { createJobRules } from '../../../src/jobs/rules.ts';
import type { JobDefinition } from '../../../src/jobs/store.ts';
import { monitors } from '../../../src/monitors/index.ts';
import { context } from '../../monitors/support.ts';

const rules = createJobRules({ monitors, context, cronProblem: () => null });
const secrets: Record<string, string> = { TOKEN: 's3cret', HOST: 'a.test', BAD: 'http:/s3cret' };
const options = { rules, resolve: (name: string) => secrets[name] };
const reference = (name: string) => `\${${name}}`;
const job = (jobId: number, more: object = {}) => ({ job_id: jobId, uri: 'http://a.test/', ...more });

function parseJobFile(text: string, given: JobSetOptions): JobDefinition[] {
  const set = new JobSet(given);
  addText(set, 'jobs.json', text, undefined);
  return set.definitions();
}

function messageOf(text: string): string {
  try {
    parseJobFile(text, options);
    return 'no problem';
  } catch (error) {
    return (error as VedetteError).message;
  }
}

test('job files with mistakes, each with its place', async (t) => {
  for (const [text, message] of [
    ['', 'jobs.json: line 1, column 1: given the end of the file, accepted: a value'],
    [
      '[\n  {"job_id": 1,}\n]',
      'jobs.json: line 2, column 16: given "}", accepted: a name in double quotes (no comma before })',
    ],
    ['[\n  {"job_id": 1},\n]', 'jobs.json: line 3, column 1: given "]", accepted: a value (no comma before ])'],
    ["[{'job_id': 1}]", 'jobs.json: line 1, column 3: given "\'", accepted: a name in double quotes or }'],
    ['[{"job_id" 1}]', 'jobs.json: line 1, column 12: given "1", accepted: a colon'],
    ['[{"job_id": 1}', 'jobs.json: line 1, column 15: given the end of the file, accepted: a comma or ]'],
    ['[{"job_id": 01}]', 'jobs.json: line 1, column 14: given "1", accepted: a comma or }'],
    [
      '[{"uri": "http://a\n/"}]',
      'jobs.json: line 1, column 10: given "\\"", accepted: a text that ends on its line, with \\" for quotes and \\\\ for backslashes',
    ],
    ['[] // none', 'jobs.json: line 1, column 4: given "/", accepted: the end of the file'],
    ['[{"a": tru}]', 'jobs.json: line 1, column 8: given "t", accepted: a value'],
    ['[{"a": 1 "b": 2}]', 'jobs.json: line 1, column 10: given "\\"", accepted: a comma or }'],
    ['[', 'jobs.json: line 1, column 2: given the end of the file, accepted: a value or ]'],
    [
      '[\n{"a": "\\q"}]',
      'jobs.json: line 2, column 7: given "\\"", accepted: a text that ends on its line, with \\" for quotes and \\\\ for backslashes',
    ],
    [
      '[{"a": 1,\n "b": {"a": 2,\n "a": 3}}]',
      'jobs.json: line 3: [0].b.a: given a key that was given before, accepted: each key once',
    ],
    ['7', 'jobs.json: line 1: (root): given 7, accepted: a list of jobs, or an object with such a list named jobs'],
    [
      '{"job": []}',
      'jobs.json: line 1: job: given [], accepted: only the key jobs: a list of jobs, or an object with such a list named jobs\njobs.json: line 1: jobs: given nothing, accepted: a list of jobs',
    ],
    [
      JSON.stringify([{ uri: 'http://a/' }]),
      'jobs.json: line 1: [0].job_id: given nothing, accepted: a number of its own: jobs in a file need one',
    ],
    [
      JSON.stringify([job(1), job(2), job(1)]),
      'jobs.json: line 1: [2].job_id: given 1, accepted: a number of its own, [0] (line 1) has it',
    ],
    [
      JSON.stringify({ jobs: [job(1), 'x', job(3, { uri: 'b', methd: 'get' })] }),
      [
        'jobs.json: line 1: jobs[1]: given "********", accepted: a job: an object, such as one with a uri',
        'jobs.json: line 1: jobs[2].methd: given "********", accepted: no such key; did you mean method?',
        'jobs.json: line 1: jobs[2].uri: given "b", accepted: an http:// or https:// address',
      ].join('\n'),
    ],
    [
      JSON.stringify([job(1, { auth: { type: 'bearer', token: reference('NONE') } })]),
      `jobs.json: line 1: [0].auth.token: given "${reference('NONE')}", accepted: ${reference('NAME')} of an environment variable that is set; NONE is not`,
    ],
    [
      JSON.stringify([job(1, { uri: reference('BAD') })]),
      `jobs.json: line 1: [0].uri: given "${reference('BAD')}", accepted: an http:// or https:// address`,
    ],
  ] as const) {
    t.equal(messageOf(text), message);
  }
  const many = messageOf(JSON.stringify(Array.from({ length: 300 }, () => ({ uri: 'x' }))));
  t.match(many, /\nand 500 further problems$/);
  await t.rejects(readJobFiles({ ...options, paths: ['/nowhere/jobs.json'] }), {
    code: 'VED_JOBS_FILE_INVALID',
    message: '/nowhere/jobs.json: there is no such file',
  });
});

test('good job files, with references and a byte order mark', async (t) => {
  const text = `\uFEFF${JSON.stringify({ jobs: [job(1, { headers: { a: `${reference('TOKEN')}-${reference('HOST')}`, b: `$${reference('TOKEN')}`, c: '$5' } })] })}`;
  t.strictSame(parseJobFile(text, options), [
    job(1, { headers: { a: 's3cret-a.test', b: reference('TOKEN'), c: '$5' } }),
  ]);
  t.strictSame(parseJobFile('[]', options), []);
  const { resolve, ...without } = options;
  t.ok(resolve);
  const literal = job(1, { body: reference('TOKEN') });
  t.strictSame(parseJobFile(JSON.stringify([literal]), without), [literal]);
});

interface Applied {
  ids: number[];
}

async function createScene(t: Test, text: string, watched = 'jobs.json') {
  const folder = t.testdir({ 'jobs.json': text });
  const path = join(folder, 'jobs.json');
  const paths = [join(folder, watched)];
  const applied: Applied[] = [];
  let failures: unknown[] = [];
  let onApplied = () => {};
  const store = {
    applyFile: async (definitions: readonly JobDefinition[]) => {
      const failure = failures.shift();
      if (failure) throw failure;
      const ids = definitions.map(({ job_id }) => job_id as number);
      applied.push({ ids });
      onApplied();
      return { created: ids, changed: [], removed: [], unchanged: [] };
    },
  };
  const watcher = createJobFilesWatcher({
    paths,
    read: () => readJobFiles({ ...options, paths }),
    store,
    clock: systemClock,
    logger: createLogger({ level: 'silent' }),
    pollMs: 20,
    debounceMs: 10,
    isRetryable: (error) => error === 'away',
  });
  t.teardown(() => watcher.stop());
  return {
    path,
    folder,
    applied,
    watcher,
    fail: (...errors: unknown[]) => {
      failures = errors;
    },
    until: async (count: number) => {
      // The watcher does not keep the process alive.
      const alive = setInterval(() => {}, 1_000);
      await new Promise<void>((resolve) => {
        onApplied = () => applied.length >= count && resolve();
        onApplied();
      });
      clearInterval(alive);
    },
  };
}

test('the file is applied at start and whenever it changes, however it is written', async (t) => {
  const { path, applied, watcher, until } = await createScene(t, JSON.stringify([job(1)]));
  t.match(await watcher.start(), { created: [1] });
  writeFileSync(path, JSON.stringify([job(1), job(2)]));
  await until(2);
  writeFileSync(`${path}.new`, JSON.stringify([job(3)]));
  renameSync(`${path}.new`, path);
  await until(3);
  writeFileSync(path, '[{"job_id"');
  await new Promise((resolve) => setTimeout(resolve, 80));
  rmSync(path);
  await new Promise((resolve) => setTimeout(resolve, 80));
  writeFileSync(path, JSON.stringify([job(4)]));
  await until(4);
  t.strictSame(
    applied.map(({ ids }) => ids),
    [[1], [1, 2], [3], [4]],
    'what was wrong or missing changed nothing',
  );
  await watcher.stop();
  writeFileSync(path, '[]');
  await new Promise((resolve) => setTimeout(resolve, 60));
  t.equal(applied.length, 4);
});

test('an invalid file at start is answered; a database that is away is waited for', async (t) => {
  const broken = await createScene(t, '[');
  t.match(await broken.watcher.start(), { code: 'VED_JOBS_FILE_INVALID' });
  broken.fail('away', 'away');
  writeFileSync(broken.path, JSON.stringify([job(1)]));
  await broken.until(1);
  const failing = await createScene(t, JSON.stringify([job(1)]));
  failing.fail(new Error('a defect'));
  await t.rejects(failing.watcher.start(), { message: 'a defect' });
  await failing.until(1);
});

test('a folder: files that come, change and go, in any form; a broken one changes nothing of the whole', async (t) => {
  const { folder, applied, watcher, until } = await createScene(t, JSON.stringify([job(1)]), '.');
  await watcher.start();
  writeFileSync(join(folder, 'more.ini'), '[b]\nurl = http://b.test/\njob_id = 2\n');
  await until(2);
  writeFileSync(join(folder, '.hidden.json'), '[');
  writeFileSync(join(folder, 'notes.txt'), 'none of ours');
  writeFileSync(join(folder, 'third.csv'), 'job_id,url\n3,http://c.test/\n4\n');
  await new Promise((resolve) => setTimeout(resolve, 80));
  writeFileSync(join(folder, 'third.csv'), 'job_id,url\n3,http://c.test/\n');
  await until(3);
  rmSync(join(folder, 'jobs.json'));
  await until(4);
  rmSync(join(folder, 'more.ini'));
  rmSync(join(folder, 'third.csv'));
  await new Promise((resolve) => setTimeout(resolve, 80));
  t.strictSame(
    applied.map(({ ids }) => ids).filter((ids, index, all) => String(ids) !== String(all[index - 1])),
    [[1], [1, 2], [1, 2, 3], [2, 3]],
    'a folder without any job file changes nothing either',
  );
});

test('several files are one set; every problem of each names its file', async (t) => {
  const folder = t.testdir({
    'a.yaml': 'checks:\n  - url: http://a.test/\n    job_id: 7\n  - url: nonsense\n    check_period: soon\n',
    'b.csv': 'job_id,name,url\n7,b,http://b.test/\n,same,http://c.test/\n',
    'c.ini': '[same]\nurl = http://d.test/\n',
    sub: { 'a.yaml': '- url: http://a.test/\n  intervall: 5\n' },
    empty: {},
  });
  const paths = [folder, 'sub/a.yaml', 'empty', 'gone'].map((name, at) => (at === 0 ? name : join(folder, name)));
  await t.rejects(readJobFiles({ ...options, paths }), {
    code: 'VED_JOBS_FILE_INVALID',
    message: [
      `${folder}/empty: there is no job file in this folder, accepted: files that end in .json, .yaml, .yml, .ini, .cfg, .conf, .csv, .tsv`,
      `${folder}/gone: there is no such file`,
      `${folder}/a.yaml: line 5: checks[1].check_period: given "soon", accepted: seconds, or a duration such as 30s, 5m or 1h`,
      `${folder}/a.yaml: line 4: checks[1].url: given "nonsense", accepted: an http:// or https:// address`,
      `b.csv: line 2: job_id: given 7, accepted: a number of its own, checks[0] (${folder}/a.yaml line 3) has it`,
      'c.ini: line 1: [same].job_name: given "same", accepted: a name of its own (or a job_id), because the job_id is made of it; b.csv line 3 has the same',
      `${folder}/sub/a.yaml: line 2: [0].intervall: given 5, accepted: no such key; did you mean interval?`,
    ].join('\n'),
  });
  t.strictSame(
    (await readJobFiles({ ...options, paths: [join(folder, 'c.ini'), join(folder, 'b.csv')] }).catch(String))
      .toString()
      .match(/job_id is made of it/g),
    ['job_id is made of it'],
  );
});
