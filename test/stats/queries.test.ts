import { test } from 'tap';
import { binOf, percentiles } from '../../src/aggregates/histogram.ts';
import { gridEnd, gridStart } from '../../src/stats/buckets.ts';
import { mergeExtras } from '../../src/stats/extras.ts';
import { createReadModel, gridOf, keptGranularity, readGranularity } from '../../src/stats/index.ts';
import { toNumbers } from '../../src/stats/numbers.ts';
import { sumTallies, uptimeOf } from '../../src/stats/outcomes.ts';
import { readCoverage } from '../../src/stats/queries/coverage.ts';
import { readDatabaseFacts } from '../../src/stats/queries/facts.ts';
import { type MetricsQuery, readMetrics } from '../../src/stats/queries/metrics.ts';
import { type ResultPosition, readResults } from '../../src/stats/queries/results.ts';
import { countSeries, readSeries, type SeriesFilter, type SeriesPosition } from '../../src/stats/queries/series.ts';
import { countDue, nextSlotOf, type ScheduleSpan } from '../../src/stats/queries/spans.ts';
import { readFleetTotals, readJobStates, readSeriesTotals } from '../../src/stats/queries/states.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { insertMetric, insertProgress, insertResult, insertSpan } from './rows.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;
const T0 = Date.UTC(2026, 10, 21, 8);
const noCron = () => {
  throw new Error('no cron here');
};

const metricsQuery = (query: Partial<MetricsQuery>): MetricsQuery => ({
  jobId: 1,
  granularity: 'minute',
  bucketMs: MINUTE,
  bucketOffsetMs: 0,
  fromMs: T0,
  toMs: T0 + 60 * MINUTE,
  limit: 100,
  order: 'asc',
  histogram: true,
  ...query,
});

test('metrics merge exactly into coarser buckets, locations together', async (t) => {
  const database = await createTestDatabase(t);
  const values: number[] = [];
  for (let i = 0; i < 10; i++) {
    const rt = [1_000 * i + 1, 1_000 * i + 900];
    values.push(...rt);
    const hist: Record<string, number> = {};
    for (const value of rt) hist[binOf(value)] = (hist[binOf(value)] ?? 0) + 1;
    const at = T0 + i * MINUTE;
    await insertMetric(database, { at, up: 2, down: 1, rt, data: { 200: 2, 500: 1 }, reasons: { status: 1 }, hist });
  }
  await insertMetric(database, { at: T0, location: 'other', missed: 5, reasons: { overload: 5 } });
  await insertMetric(database, { at: T0 - MINUTE, up: 100 });
  await insertMetric(database, { at: T0, jobId: 2, up: 100 });

  const total = await readMetrics(database, metricsQuery({ bucketMs: null }));
  t.equal(total.more, false);
  t.equal(total.buckets.length, 1);
  const [bucket] = total.buckets;
  t.match(bucket, {
    ...{ fromMs: T0, count: 35, up: 20, degraded: 0, down: 10, missed: 5, rtCount: 20, rtMin: 1, rtMax: 9_900 },
    ...{ rtSum: values.reduce((a, b) => a + b, 0), data: { 200: 20, 500: 10 }, reasons: { status: 10, overload: 5 } },
  });
  const sorted = values.sort((a, b) => a - b);
  for (const rank of [50, 95, 99.9, 100]) {
    const exact = sorted[Math.ceil((rank / 100) * sorted.length) - 1] as number;
    const read = percentiles(bucket?.histogram ?? {}, [rank])[0] as number;
    t.ok(Math.abs(read - exact) <= exact * 0.008, `p${rank}: ${read} for ${exact}`);
  }

  const five = await readMetrics(database, metricsQuery({ bucketMs: 5 * MINUTE, histogram: false }));
  t.same(
    five.buckets.map(({ fromMs, count, histogram }) => [fromMs, count, histogram]),
    [
      [T0, 20, {}],
      [T0 + 5 * MINUTE, 15, {}],
    ],
  );
  const other = await readMetrics(database, metricsQuery({ bucketMs: null, location: 'other' }));
  t.match(other.buckets, [{ count: 5, missed: 5, rtCount: 0, rtMin: null, rtMax: null, rtSum: 0 }]);
  const nothing = await readMetrics(database, metricsQuery({ jobId: 99 }));
  t.same(nothing, { buckets: [], more: false });
});

test('uptime is without what came in maintenance', async (t) => {
  const database = await createTestDatabase(t);
  await insertMetric(database, { at: T0, up: 8, degraded: 4, down: 8, missed: 3, maintenance: [2, 1, 7] });
  await insertMetric(database, { at: T0 + MINUTE, down: 2, maintenance: [0, 0, 2] });
  const { buckets } = await readMetrics(database, metricsQuery({}));
  const numbers = buckets.map((bucket) => toNumbers(bucket, { fromMs: T0, toMs: T0 + 1 }, { due: 23, ranks: [] }));
  t.match(numbers, [
    {
      up: 8,
      maintenanceUp: 2,
      maintenanceDegraded: 1,
      maintenanceDown: 7,
      uptime: 9 / 10,
    },
    { down: 2, maintenanceDown: 2, uptime: null },
  ]);
  t.equal(uptimeOf(sumTallies(buckets)), 9 / 10);
});

test('pages of buckets neither skip nor repeat, in both orders', async (t) => {
  const database = await createTestDatabase(t);
  const minutes = [0, 1, 2, 5, 9, 10, 11, 30];
  for (const minute of minutes) await insertMetric(database, { at: T0 + minute * MINUTE, up: 1 });
  for (const order of ['asc', 'desc'] as const) {
    const seen: number[] = [];
    let afterMs: number | undefined;
    for (;;) {
      const page = await readMetrics(database, metricsQuery({ order, limit: 3, afterMs }));
      seen.push(...page.buckets.map(({ fromMs }) => (fromMs - T0) / MINUTE));
      if (!page.more) break;
      t.equal(page.buckets.length, 3);
      afterMs = page.buckets.at(-1)?.fromMs;
    }
    t.same(seen, order === 'asc' ? minutes : [...minutes].reverse(), order);
  }
});

test('weeks begin on Mondays where rows allow it', async (t) => {
  const database = await createTestDatabase(t);
  const monday = Date.UTC(2026, 10, 16);
  for (const day of [-1, 0, 6, 7]) await insertMetric(database, { granularity: 'day', at: monday + day * DAY, up: 1 });
  const week = 7 * DAY;
  const query = {
    granularity: 'day',
    bucketMs: week,
    bucketOffsetMs: gridOf(week, DAY).offsetMs,
    fromMs: 0,
    toMs: monday + 30 * DAY,
  };
  const { buckets } = await readMetrics(database, metricsQuery(query));
  t.same(
    buckets.map(({ fromMs, count }) => [(fromMs - monday) / DAY, count]),
    [
      [-7, 1],
      [0, 2],
      [7, 1],
    ],
  );
  const grid = gridOf(week, DAY);
  t.equal(gridStart(monday + 3 * DAY, grid), monday);
  t.equal(gridEnd(monday, grid), monday);
  t.equal(gridEnd(monday + 1, grid), monday + week);
  t.equal(gridOf(14 * DAY, week).offsetMs, 0, 'rows of seven days lie on the grid of the epoch');
});

test('granularities by name and by length', async (t) => {
  t.same(readGranularity('minute'), { name: 'minute', durationMs: MINUTE });
  t.same(readGranularity('90m'), { name: '90m', durationMs: 90 * MINUTE });
  t.same(readGranularity('1w'), { name: '7d', durationMs: 7 * DAY });
  t.same(readGranularity('week'), readGranularity('1w'));
  for (const text of ['', '0m', 'm', '-5m', '5x', '5.5m', '99999999d', 'constructor', '4000d'])
    t.equal(readGranularity(text), null, text);
  t.same(keptGranularity('60m', ['minute', 'hour']), { name: 'hour', durationMs: 60 * MINUTE });
  t.equal(keptGranularity('day', ['minute', 'hour']), null);
  t.equal(keptGranularity('x', ['minute', 'x']), null);
});

const span = (given: Partial<ScheduleSpan>): ScheduleSpan => ({
  ...{ jobId: 1, location: 'default', version: 1, periodMs: 1_000, phaseMs: 250, cron: null, cronTimezone: null },
  ...{ fromSlot: T0 + 250, toSlot: null, slotCount: null },
  ...given,
});

test('what was due is counted on the grid, up to now', async (t) => {
  const due = (spans: ScheduleSpan[], fromMs: number, toMs: number, now: number) =>
    countDue(spans, { fromMs, toMs }, now, noCron);
  t.equal(due([span({})], T0, T0 + 10_000, T0 + 60_000), 10);
  t.equal(due([span({})], T0, T0 + 10_000, T0 + 3_250), 4, 'the slot of this very ms is due');
  t.equal(due([span({})], T0, T0 + 10_000, T0 + 3_249), 3);
  t.equal(due([span({})], T0 + 250, T0 + 1_250, T0 + 60_000), 1, 'the end is not included');
  t.equal(due([span({})], T0 + 251, T0 + 1_250, T0 + 60_000), 0);
  t.equal(due([span({ toSlot: T0 + 4_250 })], T0, T0 + 10_000, T0 + 60_000), 5);
  t.equal(due([span({ toSlot: T0 + 249 })], T0, T0 + 10_000, T0 + 60_000), 0, 'closed before its first slot');
  t.equal(due([span({})], T0 - 10_000, T0, T0 + 60_000), 0);
  t.equal(
    due(
      [span({ toSlot: T0 + 4_250 }), span({ periodMs: 500, phaseMs: 0, fromSlot: T0 + 5_000 })],
      T0,
      T0 + 10_000,
      T0 + 60_000,
    ),
    15,
  );
  const cron = span({
    periodMs: null,
    phaseMs: null,
    cron: '* * * * *',
    fromSlot: T0,
    toSlot: T0 + 5 * MINUTE,
    slotCount: 6,
  });
  t.equal(due([cron], T0 - DAY, T0 + DAY, T0 + DAY), 6, 'a whole span knows its number');
  const asked: unknown[] = [];
  const counter = (...args: unknown[]) => asked.push(args) && 2;
  t.equal(countDue([cron], { fromMs: T0 + MINUTE, toMs: T0 + 3 * MINUTE }, T0 + DAY, counter), 2);
  t.same(asked, [['* * * * *', null, T0 + MINUTE, T0 + 3 * MINUTE - 1]]);
});

test('the next slot of an open span', async (t) => {
  t.equal(nextSlotOf(span({}), T0 + 1_000), T0 + 1_250);
  t.equal(nextSlotOf(span({}), T0 + 1_250), T0 + 2_250);
  t.equal(nextSlotOf(span({ fromSlot: T0 + 9_250 }), T0), T0 + 9_250);
  t.equal(nextSlotOf(span({ toSlot: T0 + 9_250 }), T0), null);
  t.equal(nextSlotOf(span({ periodMs: null, cron: '* * * * *' }), T0), null);
});

test('coverage compares what was counted with what was due', async (t) => {
  const database = await createTestDatabase(t);
  await insertSpan(database, { period: 1_000, from: T0, to: T0 + 89_000, slots: 90 });
  await insertMetric(database, { at: T0, up: 60 });
  await insertMetric(database, { at: T0 + MINUTE, up: 20, missed: 7 });
  const query = { jobId: 1, granularity: 'minute', nowMs: T0 + DAY, cronSlots: noCron };
  t.same(await readCoverage(database, { ...query, fromMs: T0, toMs: T0 + 2 * MINUTE }), {
    due: 90,
    counted: 87,
    coverage: 87 / 90,
    known: 80 / 90,
  });
  t.same(await readCoverage(database, { ...query, fromMs: T0, toMs: T0 + MINUTE }), {
    due: 60,
    counted: 60,
    coverage: 1,
    known: 1,
  });
  t.same(await readCoverage(database, { ...query, fromMs: T0 - DAY, toMs: T0 }), {
    due: 0,
    counted: 0,
    coverage: null,
    known: null,
  });
});

test('results of locations that a job is not scheduled at are no slots', async (t) => {
  const database = await createTestDatabase(t);
  await insertSpan(database, { from: T0 });
  await insertMetric(database, { at: T0, up: 20, down: 5, missed: 5, data: { 200: 20, 500: 5 } });
  await insertMetric(database, { at: T0, location: 'once', up: 7, missed: 1, data: { 200: 7 } });
  const readModel = createReadModel({ database, cronSlots: noCron });
  const range = { granularity: 'minute', fromMs: T0, toMs: T0 + MINUTE, nowMs: T0 + MINUTE };
  const half = { coverage: 30 / 60, known: 25 / 60 };

  t.same(await readModel.coverage({ ...range, jobId: 1 }), { due: 60, counted: 38, ...half });
  const page = await readModel.buckets({ ...range, ...metricsQuery(range), nowMs: range.nowMs, percentiles: [] });
  t.match(page.coverage, { counted: 38, ...half });
  t.match(page.buckets, [{ count: 38, up: 27, ...half }]);
  const overview = await readModel.overview({ ...range, jobIds: [1, 2], dueUntilMs: range.nowMs });
  t.match(overview.get(1), { known: 25 / 60, uptime: 27 / 32, buckets: [{ count: 38 }] });
  t.match(overview.get(2), { known: null, buckets: [] });
});

test('raw results page newest first; rows of one instant are told apart', async (t) => {
  const database = await createTestDatabase(t);
  const times = [0, 1, 1, 1, 2, 5 * 3_600_000, 5 * 3_600_000, 9 * 3_600_000];
  for (const [index, time] of times.entries()) {
    await insertResult(database, {
      at: T0 + time,
      offset: index,
      outcome: index % 2 ? 'down' : 'up',
      foreign: time === 1,
    });
  }
  await insertResult(database, { jobId: 2, at: T0 });
  const range = { jobId: 1, fromMs: 0, toMs: T0 + DAY };
  for (const limit of [1, 2, 3, 100]) {
    const seen: number[] = [];
    let after: ResultPosition | undefined;
    do {
      const page = await readResults(database, { ...range, limit, after });
      t.ok(page.results.length <= limit);
      seen.push(...page.results.map(({ recordOffset }) => recordOffset));
      after = page.next ?? undefined;
      // Rows move in the table: where they lie there means nothing.
      await database.query('UPDATE results SET attempt = attempt WHERE record_offset % 2 = 0');
    } while (after);
    t.same(seen.length, times.length, `limit ${limit}`);
    t.same(new Set(seen).size, times.length);
    t.same(
      seen.map((index) => times[index]),
      [...times].reverse(),
    );
  }
  t.equal((await readResults(database, { ...range, outcome: 'down', limit: 100 })).results.length, 4);
  t.equal((await readResults(database, { ...range, toMs: T0 + 2, limit: 100 })).results.length, 4);
  t.equal((await readResults(database, { ...range, location: 'x', limit: 100 })).results.length, 0);
});

test('states of jobs: newest result over locations and topics, summed counts', async (t) => {
  const database = await createTestDatabase(t);
  await insertProgress(database, { slot: T0, up: 3, codes: { 200: 3 } });
  await insertProgress(database, {
    slot: T0 + 5_000,
    topic: 'mine',
    outcome: 'down',
    up: 1,
    down: 1,
    codes: { 200: 1, 500: 1 },
  });
  await insertProgress(database, { slot: T0 + 1_000, location: 'other', up: 4, codes: { 200: 4 } });
  await insertProgress(database, { jobId: 2, slot: -1, outcome: null });
  await insertSpan(database, { period: 1_000, phase: 250, from: T0 + 250 });
  const states = await readJobStates(database, [1, 2, 3], T0 + 7_000);
  t.match(states.get(1), {
    ...{ last: { outcome: 'down', location: 'default', slot: T0 + 5_000, rtMicros: 12_345, status: '200' } },
    ...{ counts: { count: 9, up: 8, down: 1 }, codes: { 200: 8, 500: 1 }, scheduled: true, nextSlot: T0 + 7_250 },
  });
  t.same(
    states.get(1)?.locations.map(({ location, outcome }) => [location, outcome]),
    [
      ['default', 'down'],
      ['other', 'up'],
    ],
  );
  for (const jobId of [2, 3])
    t.match(states.get(jobId), { last: null, locations: [], scheduled: false, nextSlot: null });
  t.same(await readJobStates(database, [], T0), new Map());
  t.match(await readFleetTotals(database), { series: 4, count: 9, up: 8, down: 1 });
  t.equal((await readSeriesTotals(database, 2)).length, 2);
});

test('facts of the database', async (t) => {
  const database = await createTestDatabase(t);
  await insertMetric(database, { at: T0, up: 1 });
  await database.query('ANALYZE');
  const facts = await readDatabaseFacts(database);
  t.match(facts, {
    database: database.databaseName,
    schema: 'public',
    serverVersion: /^\d+/,
    jobs: { total: 0, running: 0 },
  });
  t.ok(facts.databaseBytes > 1_000_000);
  const tables = new Map(facts.tables.map((table) => [table.table, table]));
  t.equal(tables.get('metrics')?.estimatedRows, 1, 'partitions together');
  t.ok((tables.get('metrics')?.bytes ?? 0) > 0);
  t.ok(tables.has('results') && tables.has('series_progress'));
  t.notOk(
    [...tables.keys()].some((name) => /\d{4}/.test(name)),
    'no partition by itself',
  );
  t.same(facts.stream, { results: 0, foreignResults: 0, duplicates: 0, fenced: 0, deadLetters: 0 });
});

test('configured aggregates merge by their own rule', async (t) => {
  t.same(mergeExtras([]), {});
  t.same(
    mergeExtras([
      { min_bytes: 5, max_bytes: 9, sum_bytes: 14 },
      { min_bytes: 3, max_bytes: 4, sum_bytes: 7 },
    ]),
    {
      ...{ min_bytes: 3, max_bytes: 9, sum_bytes: 21 },
    },
  );
  const avg_bytes = { sum: 30, count: 4 };
  t.same(mergeExtras([{ avg_bytes }]), { avg_bytes: 7.5 }, 'also of one row');
  t.same(mergeExtras([{ avg_bytes }, { avg_bytes: { sum: 6, count: 1 } }, {}]), { avg_bytes: 7.2 });
  t.same(avg_bytes, { sum: 30, count: 4 });
  t.same(mergeExtras([{ gone_bytes: { a: 1 } }]), { gone_bytes: { a: 1 } });
  t.same(mergeExtras([{ gone_bytes: 5 }, { gone_bytes: 3, max_bytes: 1 }]), { max_bytes: 1 });
});

test('series: a filter that little passes looks at a bounded number of them, and no page is lost', async (t) => {
  const database = await createTestDatabase(t);
  for (let jobId = 1; jobId <= 25; jobId++) {
    await insertProgress(database, { jobId, slot: jobId, up: 1 });
    if (jobId !== 12 && jobId !== 24) await insertSpan(database, { jobId, from: 0 });
  }
  await insertProgress(database, { jobId: 3, location: 'mars', slot: -1, up: 1 });
  const collect = async (filter: SeriesFilter, limit: number) => {
    const pages: string[][] = [];
    let after: SeriesPosition | undefined;
    do {
      const page = await readSeries(database, { ...filter, limit, after, maxLookedAt: 10 });
      pages.push(page.series.map(({ jobId, location }) => `${jobId} ${location}`));
      after = page.next ?? undefined;
    } while (after);
    return pages;
  };
  t.same(await collect({ foreign: true }, 5), [['3 mars'], ['12 default'], ['24 default']]);
  t.same(await collect({ foreign: true }, 1), [['3 mars'], ['12 default'], ['24 default'], []].slice(0, 3));
  t.same(await collect({ location: 'mars' }, 5), [['3 mars'], [], []]);
  t.same((await collect({ foreign: false }, 4)).flat().length, 23);
  t.same(
    (await collect({}, 7)).map((page) => page.length),
    [7, 7, 7, 5],
  );
  t.same(await collect({ jobId: 3 }, 1), [['3 default'], ['3 mars']]);
  t.equal(await countSeries(database, { foreign: true }), 3);
  t.equal(await countSeries(database, {}), 26);
});
