import fc from 'fast-check';
import type { World, WorldJob } from './worlds.ts';

const TAGS = ['shop', 'shop', 'bank', 'eu', 'Shop', 's'];
const WORDS = ['alpha', 'beta', 'a%b', 'A_c', 'zeta'];
const OUTCOMES = ['up', 'degraded', 'down', 'missed'];
/** Of jobs, of foreign results, and one that nobody uses. */
const IDS = { jobs: [1, 2, 3, 4, 5, 6, 7, 8], foreign: [9, 10], all: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] };

export interface Asked {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';
  path: string;
  query?: Record<string, string>;
  body?: Record<string, unknown>;
  headers?: Record<string, string>;
}

const tags = fc.option(fc.uniqueArray(fc.constantFrom(...TAGS), { minLength: 1, maxLength: 3 }), { freq: 6 });
const word = fc.constantFrom(...WORDS);

const job: fc.Arbitrary<WorldJob> = fc.record({
  id: fc.constantFrom(...IDS.jobs),
  name: fc.option(
    fc.tuple(word, fc.integer({ min: 1, max: 3 })).map(([text, n]) => `${text} ${n}`),
    { freq: 4 },
  ),
  host: word.map((text) => `${text.replace(/\W|_/g, '')}.test`),
  tags,
  running: fc.boolean(),
  source: fc.constantFrom('api', 'api', 'api', 'file') as fc.Arbitrary<'api' | 'file'>,
  isRemoved: fc.constantFrom(true, false, false, false),
  ageMinutes: fc.integer({ min: 0, max: 3 }),
  locations: fc.uniqueArray(fc.constantFrom('default', 'eu'), { maxLength: 2 }),
  results: fc.array(fc.constantFrom(...OUTCOMES), { maxLength: 3 }),
  metrics: fc.integer({ min: 0, max: 3 }),
  isScheduled: fc.boolean(),
});

export const worlds: fc.Arbitrary<World> = fc.record({
  jobs: fc.uniqueArray(job, { selector: ({ id }) => id, minLength: 2, maxLength: 8, size: 'max' }),
  foreign: fc.subarray(IDS.foreign),
});

export const limits = fc.uniqueArray(fc.constantFrom(...TAGS), { minLength: 1, maxLength: 3 });

/** Some of the parameters, each as text; most are left out, or nothing would fit. */
const query = (fields: Record<string, fc.Arbitrary<string | number | boolean>>) =>
  fc
    .record(
      Object.fromEntries(
        Object.entries(fields).map(([name, field]) => [name, rarely(field, name === 'limit' ? 2 : 4)]),
      ),
    )
    .map((given) => {
      const entries = Object.entries(given).filter(([, value]) => value !== null);
      return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
    });
const rarely = <T>(arbitrary: fc.Arbitrary<T>, oneIn: number): fc.Arbitrary<T | null> =>
  fc.oneof({ weight: oneIn - 1, arbitrary: fc.constant(null) }, { weight: 1, arbitrary });

const id = fc.constantFrom(...IDS.all);
const limit = fc.constantFrom(1, 1, 2, 3);
const location = fc.constantFrom('default', 'eu', 'foreign-secret');
const sorts = ['job_id', 'job_name', 'created_at', 'updated_at'].flatMap((key) => [key, `-${key}`]);
const manyTags = fc.uniqueArray(fc.constantFrom(...TAGS), { minLength: 1, maxLength: 2 });
const times = {
  from: fc.constantFrom('2026-11-21T08:28:00Z', '2026-11-21T00:00:00Z'),
  to: fc.constant('2026-11-21T08:29:00Z'),
};

const filters = {
  tag: manyTags.map((list) => list.join()),
  q: fc.constantFrom('a', 'ALPHA', 'test', '%', '_', 'zeta', 'detail'),
  outcome: fc.uniqueArray(fc.constantFrom(...OUTCOMES), { minLength: 1 }).map((list) => list.join()),
  running: fc.boolean(),
};

const read = (path: fc.Arbitrary<string>, parameters: Parameters<typeof query>[0], headers = {}): fc.Arbitrary<Asked> =>
  fc.record({
    method: fc.constantFrom('GET' as const, 'GET' as const, 'GET' as const, 'HEAD' as const),
    path,
    query: query(parameters),
    headers: fc.constant(headers),
  });

const at = (rest = '') => id.map((jobId) => `/job/${jobId}${rest}`);
const page = {
  tag: fc.constantFrom(...TAGS),
  q: filters.q,
  running: filters.running,
  outcome: fc.constantFrom(...OUTCOMES),
};

const reads: Array<{ weight: number; arbitrary: fc.Arbitrary<Asked> }> = [
  {
    weight: 6,
    arbitrary: read(fc.constant('/job'), { ...filters, limit, sort: fc.constantFrom(...sorts), total: fc.boolean() }),
  },
  { weight: 3, arbitrary: read(at(), {}) },
  {
    weight: 3,
    arbitrary: read(at('/metrics'), {
      ...times,
      granularity: fc.constantFrom('minute', 'hour'),
      bucket: fc.constantFrom('total', '2m', '1h'),
      location,
      percentiles: fc.constant('50,99'),
      order: fc.constantFrom('asc', 'desc'),
      limit,
    }),
  },
  { weight: 3, arbitrary: read(at('/results'), { ...times, limit, location, outcome: fc.constantFrom(...OUTCOMES) }) },
  {
    weight: 4,
    arbitrary: read(fc.constant('/series'), {
      job_id: id,
      location,
      foreign: fc.boolean(),
      total: fc.boolean(),
      limit,
    }),
  },
  { weight: 3, arbitrary: read(fc.constant('/'), page, { accept: 'text/html' }) },
  { weight: 1, arbitrary: read(fc.constantFrom('/', '/instances', '/metrics', '/dead-letters'), {}) },
  { weight: 1, arbitrary: fc.record({ method: fc.constant('OPTIONS' as const), path: at() }) },
];

const definition = fc
  .record(
    {
      job_name: word,
      tags: fc.uniqueArray(fc.constantFrom(...TAGS), { maxLength: 3 }),
      enabled: fc.boolean(),
      jobs: fc.uniqueArray(id, { minLength: 1, maxLength: 2 }),
    },
    { requiredKeys: [] },
  )
  .map((given): Record<string, unknown> => {
    return 'jobs' in given ? { type: 'group', ...given } : { uri: 'http://made.test/', ...given };
  });
const ifMatch = fc.constantFrom({}, {}, { 'if-match': '"1"' }, { 'if-match': '"2"' });
const ids = fc
  .oneof(
    id.map((jobId) => [jobId]),
    fc.uniqueArray(id, { minLength: 2, maxLength: 3 }),
  )
  .map((list) => ({ ids: list }));
const filter = fc
  .record(
    { tag: fc.constantFrom(...TAGS), outcome: fc.constantFrom(...OUTCOMES), q: filters.q, running: fc.boolean() },
    { requiredKeys: [] },
  )
  .filter((given) => Object.keys(given).length > 0);

const changes: Array<{ weight: number; arbitrary: fc.Arbitrary<Asked> }> = [
  {
    weight: 3,
    arbitrary: fc.record({
      method: fc.constant('POST' as const),
      path: fc.constant('/job'),
      body: fc
        .tuple(definition, fc.option(id))
        .map(([given, jobId]) => (jobId === null ? given : { job_id: jobId, ...given })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ method: fc.constant('PUT' as const), path: at(), body: definition, headers: ifMatch }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      method: fc.constant('PATCH' as const),
      path: at(),
      body: fc
        .record({ tags, job_name: fc.option(word), uri: fc.constant('nonsense') }, { requiredKeys: [] })
        .map((given) =>
          'uri' in given && given.job_name !== undefined
            ? given
            : (({ uri: _uri, ...rest }) => rest)(given as { uri?: string }),
        ),
      headers: ifMatch,
    }),
  },
  { weight: 1, arbitrary: fc.record({ method: fc.constant('DELETE' as const), path: at(), headers: ifMatch }) },
  {
    weight: 3,
    arbitrary: fc.record({
      method: fc.constant('POST' as const),
      path: fc.tuple(id, fc.constantFrom('start', 'stop', 'check')).map(([jobId, action]) => `/job/${jobId}/${action}`),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      method: fc.constant('POST' as const),
      path: fc.constant('/job/bulk'),
      body: fc
        .tuple(
          fc.constantFrom('start', 'stop', 'delete', 'tag', 'untag', 'untag'),
          manyTags,
          fc.oneof(ids, filter),
          fc.boolean(),
        )
        .map(([action, list, selection, isDry]) => ({
          ...{ action, selection, dry_run: isDry },
          ...(action === 'tag' || action === 'untag' ? { tags: list } : {}),
        })),
    }),
  },
];

const untagged: fc.Arbitrary<Asked> = fc.tuple(fc.constantFrom(...TAGS), fc.boolean()).map(([tag, isDry]) => ({
  method: 'POST',
  path: '/job/bulk',
  body: { action: 'untag', tags: [tag], selection: { tag }, dry_run: isDry },
}));
changes.push({ weight: 2, arbitrary: untagged });

export const requests = fc.array(fc.oneof(...reads, ...changes), { minLength: 15, maxLength: 30, size: 'max' });
