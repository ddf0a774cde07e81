import { test } from 'tap';
import { checkJobMetrics, checkMetrics, type MetricSetting, planMetrics } from '../../src/aggregates/metrics-plan.ts';
import { commonSelection, JobSelections, MetricSelector, metricOf } from '../../src/aggregates/selection.ts';

const metric = (name: string, field: string) => ({ function: name, field });
const hour = (...aggregates: ReturnType<typeof metric>[]): MetricSetting => ({ granularity: 'hour', aggregates });
const settings: MetricSetting[] = [
  { granularity: 'minute', aggregates: [] },
  hour(metric('avg', 'bytes')),
  { ...hour(metric('max', 'values.days_left')), types: ['tls', 'http'] },
  { ...hour(metric('sum', 'bytes'), metric('min', 'response_time')), tags: ['big'] },
  { granularity: '1m', aggregates: [metric('last', 'values.loss')], types: ['ping'], tags: ['far', 'big'] },
];
const selector = new MetricSelector(planMetrics(settings), settings);
const keys = (type: string, tags: string[] = [], metrics: MetricSetting[] = []) =>
  selector.select({ type, tags, metrics }).levels.map((level) => level.map((one) => one.metric.key));

test('a job has the metrics of all, those of its type and of its tags, and its own', async (t) => {
  t.strictSame(keys('tcp'), [[], ['avg_bytes']]);
  t.strictSame(keys('tls'), [[], ['avg_bytes', 'max_values.days_left']]);
  // No column of the hour has the least response time here, so that it is kept without one.
  t.strictSame(keys('tcp', ['big']), [[], ['avg_bytes', 'sum_bytes', 'min_response_time']]);
  t.strictSame(keys('ping'), [[], ['avg_bytes']], 'of the type, but with neither tag');
  t.strictSame(keys('ping', ['far']), [['last_values.loss'], ['avg_bytes']]);
  t.strictSame(
    keys('tcp', [], [hour(metric('percentiles', 'bytes'), metric('avg', 'bytes')), { ...hour(), granularity: '60s' }]),
    [[], ['avg_bytes', 'histogram_bytes']],
  );
  const unknown = [
    hour(metric('median', 'bytes'), metric('max', 'values.A')),
    { granularity: '5m', aggregates: [metric('max', 'bytes')] },
  ];
  t.equal(selector.select({ type: 'tcp', tags: [], metrics: unknown }), selector.base, 'nothing that is unknown here');
  t.equal(
    selector.select({ type: 'tls', tags: ['x'], metrics: [] }),
    selector.select({ type: 'http', tags: [], metrics: [] }),
    'equal metrics are one selection',
  );
});

test('what two selections have in common keeps the metrics of all', async (t) => {
  const [a, b] = [
    selector.select({ type: 'tls', tags: ['big'], metrics: [] }),
    selector.select({ type: 'tls', tags: [], metrics: [hour(metric('last', 'bytes'))] }),
  ];
  const both = commonSelection(a, b);
  t.strictSame(
    both.levels.map((level) => level.map(({ metric: { key }, index, isOfAll }) => [key, index, isOfAll])),
    [
      [],
      [
        ['avg_bytes', 0, true],
        ['max_values.days_left', 1, false],
      ],
    ],
  );
  t.equal(commonSelection(a, a), a);
});

test('the selections of jobs say what columns have to keep, and never less than before', async (t) => {
  const jobs = new JobSelections(selector);
  t.strictSame(
    jobs.extras.map(({ key }) => key),
    ['avg_bytes'],
  );
  jobs.set(1, { type: 'ping', tags: ['far'], metrics: [] });
  t.strictSame(
    jobs.extras.map(({ key }) => key),
    ['avg_bytes', 'last_values.loss'],
  );
  t.strictSame(
    jobs.ofSome(1, 'minute').map(({ key }) => key),
    ['last_values.loss'],
  );
  t.strictSame(
    [jobs.hasOfSome('last_values.loss', 'minute'), jobs.hasOfSome('last_values.loss', 'hour')],
    [true, false],
  );
  jobs.set(1, { type: 'ping', tags: [], metrics: [] });
  t.equal(jobs.of(1), selector.base);
  t.equal(jobs.extras.length, 2);
});

test('a key of stored metrics is read as it was made', async (t) => {
  t.match(metricOf('max_values.days_left'), { aggregate: { name: 'max' }, field: 'values.days_left' });
  t.match(metricOf('avg_timings.tls_resumed'), { aggregate: { name: 'avg' }, field: 'timings.tls_resumed' });
  for (const key of ['', '_', 'max', 'median_bytes', 'max_status', 'max_values.A']) t.equal(metricOf(key), null, key);
});

test('metrics of some jobs need a granularity that is counted for all', async (t) => {
  t.strictSame(checkMetrics(settings), []);
  t.strictSame(checkMetrics([{ ...hour(metric('max', 'bytes')), types: ['tls'] }]), [], 'beside the built-in ones');
  const accepted = 'one of minute, hour, day: the granularities that are counted for all jobs';
  t.strictSame(checkMetrics([{ granularity: '5m', aggregates: [metric('max', 'bytes')], tags: ['x'] }]), [
    { path: '[0].granularity', given: '5m', accepted },
  ]);
  const own = [{ granularity: '5m', aggregates: [metric('median', 'bytes'), metric('percentiles', 'bytes')] }];
  t.match(checkJobMetrics(own, []), [
    { path: '[0].granularity', given: '5m', accepted },
    { path: '[0].aggregates[0].function', given: 'median', accepted: /^one of min, max/ },
  ]);
  t.strictSame(checkJobMetrics([hour(metric('max', 'status'))], settings).length, 1);
  t.strictSame(checkJobMetrics([{ granularity: '60s', aggregates: [metric('max', 'bytes')] }], settings), []);
});
