import { test } from 'tap';
import type { KeptFor } from '../../src/processor/counting/bounds.ts';
import { verify } from '../../src/processor/verify/index.ts';
import { rebuild } from '../../src/processor/verify/rebuild.ts';
import { createRig, type Rig } from './rig.ts';
import { foreignLine, line, START_MS } from './streams.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const RANGE = { fromMs: START_MS - (START_MS % DAY_MS), toMs: START_MS - (START_MS % DAY_MS) + DAY_MS };
const KEPT: KeptFor = { metrics: { minute: 7 * DAY_MS, hour: 90 * DAY_MS, day: null }, results: 2 * DAY_MS };
const leaseEpochs = async () => (location: string) => (location === 'default' ? 3 : -1);

function check(rig: Rig) {
  return verify({ database: rig.database, driver: rig.driver, topics: ['checks'], ...RANGE });
}

async function letters(rig: Rig) {
  const { rows } = await rig.database.query<{ kind: string; record_offset: number; line: number; error: string }>(
    'SELECT kind, record_offset, line, error FROM dead_letters ORDER BY record_offset, line',
  );
  return rows;
}

async function tables(rig: Rig): Promise<string[]> {
  const { rows } = await rig.database.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY relname`,
  );
  return rows.map(({ name }) => name);
}

for (const [what, attack, kind] of [
  ['an epoch that nobody was given', line({ slot: 1, epoch: 9_007_199_254_740_991 }), 'epoch'],
  ['an epoch of a location without schedulers', line({ slot: 1, epoch: 1, location: 'nowhere' }), 'epoch'],
  ['a slot of 2099', line({ slot: 0 }).replace(/"slot":\d+/, '"slot":4080000000000'), 'future'],
  ['a start in 2099', line({ slot: 1 }).replace(/"ts":\d+/, '"ts":4080000000000'), 'future'],
  ['a foreign line of 2099', foreignLine(1, 4_080_000_000_000 - START_MS), 'future'],
  ['a fence of 2099', line({ slot: 0, slots: 0 }).replace(/"slot":\d+/, '"slot":4080000000000'), 'future'],
] as const) {
  test(`${what} silences nothing`, async (t) => {
    const rig = await createRig(t);
    await rig.start({ leaseEpochs, resultsStore: 'all' });
    rig.driver.append('checks', 0, [line({ slot: 0 }), attack, line({ slot: 2 })].join('\n'));
    rig.driver.append('checks', 0, line({ slot: 3, epoch: 3 }), line({ jobId: 2, slot: 3 }));
    await rig.settle();
    t.match(await letters(rig), [
      { kind, record_offset: 0, line: 1, error: /^(epoch|slot|ts): given \d+, accepted: / },
    ]);
    const { rows } = await rig.database.query('SELECT job_id, epoch, count FROM series_progress ORDER BY job_id');
    t.strictSame(rows, [
      { job_id: 1, epoch: 3, count: 3 },
      { job_id: 2, epoch: 1, count: 1 },
    ]);
    t.notOk(
      (await tables(rig)).some((name) => name.includes('2099')),
      'no table of 2099',
    );
    t.match(await check(rig), { differenceCount: 0, unprovableCount: 0, unequalPartitions: [], results: 4 });
  });
}

test('an epoch that is new in the leases is looked up before it is refused', async (t) => {
  const rig = await createRig(t);
  let highest = 1;
  let asked = 0;
  const leases = async () => {
    asked++;
    const now = highest;
    return () => now;
  };
  await rig.start({ leaseEpochs: leases });
  rig.driver.append('checks', 0, line({ slot: 0 }), line({ slot: 1 }));
  await rig.settle();
  highest = 2;
  for (let slot = 2; slot < 20; slot++) rig.driver.append('checks', 0, line({ slot, epoch: 2 }));
  await rig.settle();
  t.strictSame(await letters(rig), []);
  t.ok(asked <= 3, `asked ${asked} times`);
  await rig.exact(t);
});

test('endless statuses are 64 and the others, the same after another reading', async (t) => {
  const rig = await createRig(t, { checks: 2 });
  await rig.start({ leaseEpochs, resultsStore: 'all' });
  for (let block = 0; block < 20; block++) {
    const lines = Array.from({ length: 250 }, (_, n) => line({ slot: block * 250 + n, status: `S${block * 200 + n}` }));
    rig.driver.append('checks', 0, lines.join('\n'));
    rig.driver.append('checks', 1, line({ jobId: 2, slot: block, status: '404' }));
    await rig.settle();
  }
  const { rows } = await rig.database.query<{ keys: number; other: number; size: number }>(
    `SELECT (SELECT count(*) FROM jsonb_object_keys(data))::int AS keys, (data ->> 'other')::int AS other,
       pg_column_size(data) AS size FROM metrics WHERE granularity = 'day' AND job_id = 1`,
  );
  t.match(rows, [{ keys: 65, other: 5000 - 64 }]);
  t.ok(rows[0].size < 4_000, `${rows[0].size} bytes`);
  t.match(await check(rig), { ok: true, differenceCount: 0 });
  await rig.database.query(`UPDATE metrics SET data = '{}', writes = writes + 1 WHERE granularity = 'day'`);
  const options = { database: rig.database, driver: rig.driver, topics: ['checks'], ...RANGE };
  t.match(await rebuild(options, () => {}), { written: true });
  t.match(await check(rig), { ok: true, differenceCount: 0 });
});

test('dates of long ago make no table that retention would drop', async (t) => {
  const rig = await createRig(t);
  await rig.start({ leaseEpochs, keptFor: KEPT, resultsStore: 'all' });
  const before = await tables(rig);
  for (let day = 0; day < 1_000; day += 50) {
    const lines = Array.from({ length: 50 }, (_, n) => foreignLine(1 + n, -(day + n) * 5 * DAY_MS));
    rig.driver.append('checks', 0, lines.join('\n'));
  }
  await rig.settle();
  const made = (await tables(rig)).filter((name) => !before.includes(name));
  t.strictSame(
    made.filter((name) => !/^metrics_day_\d{4}$/.test(name)),
    [],
  );
  t.ok(made.length <= 15, made.join());
  const { rows } = await rig.database.query(
    `SELECT granularity, sum(count)::int AS count FROM metrics GROUP BY granularity ORDER BY granularity`,
  );
  t.strictSame(rows, [{ granularity: 'day', count: 1_000 }]);
  t.strictSame(await letters(rig), [], 'nothing is refused for its age');
});

test('a year of missed slots of an unknown job makes the rows that are kept, and others are counted meanwhile', async (t) => {
  const rig = await createRig(t, { checks: 2 });
  await rig.start({ leaseEpochs, keptFor: KEPT, resultsStore: 'all', limits: { catchUpIntervalMs: 50 } });
  const nowSlot = Math.floor((Date.now() - START_MS) / MINUTE_MS);
  const other = (n: number) => line({ jobId: 2, slot: nowSlot * 60 - 600 + n });
  const heap = process.memoryUsage().heapUsed;
  rig.driver.append('checks', 0, line({ jobId: 77, slot: nowSlot, slots: 525_600, periodMs: MINUTE_MS }));
  let slowest = 0;
  for (let n = 0; n < 10; n++) {
    const began = performance.now();
    rig.driver.append('checks', 1, other(n));
    for (;;) {
      const { rows } = await rig.database.query('SELECT FROM series_progress WHERE job_id = 2 AND count > $1', [n]);
      if (rows.length > 0) break;
    }
    slowest = Math.max(slowest, performance.now() - began);
  }
  await rig.settle();
  const { rows } = await rig.database.query<{ granularity: string; rows: number; count: number }>(
    `SELECT granularity, count(*)::int AS rows, sum(count)::int AS count FROM metrics WHERE job_id = 77
     GROUP BY granularity ORDER BY granularity`,
  );
  t.comment(
    `others waited ${Math.round(slowest)} ms, heap ${Math.round((process.memoryUsage().heapUsed - heap) / 1e6)} MB`,
  );
  t.match(
    rows.map(({ granularity }) => granularity),
    ['day', 'hour', 'minute'],
  );
  t.equal(rows[0].count, 525_600, 'every slot counts in the days');
  t.ok(rows[2].rows <= 8 * 1440 + 1, `${rows[2].rows} rows of minutes`);
  t.ok(rows[1].rows <= 122 * 24, `${rows[1].rows} rows of hours`);
  t.equal(rows[2].count, rows[2].rows);
  t.ok(slowest < 5_000);
});

test('a range longer than room is made for is counted in parts of it', async (t) => {
  const rig = await createRig(t);
  const processor = await rig.start({ limits: { rows: 100, catchUpRows: 100 }, flushIntervalMs: 1 });
  rig.driver.append(
    'checks',
    0,
    [line({ slot: 1 }), line({ slot: 100_000, slots: 99_998 }), foreignLine(1, 5)].join('\n'),
  );
  rig.driver.append('checks', 0, line({ slot: 100_001 }));
  await rig.settle();
  await rig.exact(t);
  t.ok(processor.stats().flushes > 3, `${processor.stats().flushes} flushes`);
});

test('a job has so many locations and no more', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const lines = Array.from({ length: 300 }, (_, n) => line({ slot: n, location: `l${n}` }));
  for (let at = 0; at < 300; at += 100) rig.driver.append('checks', 0, lines.slice(at, at + 100).join('\n'));
  rig.driver.append('checks', 0, [line({ slot: 400, location: 'l3' }), line({ jobId: 2, slot: 1 })].join('\n'));
  await rig.settle();
  const found = await letters(rig);
  t.equal(found.length, 44);
  t.match(found[0], { kind: 'locations', error: /^location: job 1 has results of 256 other locations/ });
  t.match(await check(rig), { differenceCount: 0, unequalPartitions: [] });
});
