import { test } from 'tap';
import { applyRepair, planRepair } from '../../../src/processor/series/repair.ts';
import { verify } from '../../../src/processor/verify/index.ts';
import { rebuild } from '../../../src/processor/verify/rebuild.ts';
import type { TestDatabase } from '../../helpers/database.ts';
import { createRig } from '../rig.ts';
import { line, START_MS } from '../streams.ts';

const DAY_MS = 86_400_000;
const leaseEpochs = async () => () => 3;

test('a series that was silenced goes on, and what was left out can be counted again', async (t) => {
  const rig = await createRig(t);
  const { database, driver } = rig;
  driver.now = () => Date.now();
  // As an earlier version counted it: every epoch is believed.
  await rig.start({ resultsStore: 'all' });
  const lines = [line({ slot: 0 }), line({ slot: 1, epoch: 9_007_199_254_740_991 }), line({ slot: 2 })];
  driver.append('checks', 0, lines.join('\n'), line({ slot: 3, epoch: 3 }), line({ jobId: 2, slot: 3 }));
  await rig.settle();
  const results = { store: 'all' as const, keptFromMs: 0 };
  const options = { database, driver, leaseEpochs, jobId: 1, results };
  const plan = await planRepair(options);
  t.match(plan.repairs, [
    { becomes: { epoch: 3, slot: START_MS + 3_000 }, letters: [{ kind: 'repaired', offset: 0, line: 1 }] },
  ]);
  t.match(await planRepair({ ...options, jobId: 2 }), { repairs: [] });
  t.equal((await applyRepair(options)).repairs.length, 1);
  t.equal((await applyRepair(options)).repairs.length, 0, 'not twice');
  t.match(await planRepair(options), { repairs: [] });
  driver.append('checks', 0, line({ slot: 4, epoch: 3 }));
  await rig.settle();
  const { rows } = await database.query('SELECT epoch, slot FROM series_progress WHERE job_id = 1');
  t.strictSame(rows, [{ epoch: 3, slot: START_MS + 4_000 }]);
  const range = { fromMs: START_MS - (START_MS % DAY_MS), toMs: START_MS - (START_MS % DAY_MS) + DAY_MS };
  const all = { database, driver, topics: ['checks'], results, ...range };
  t.ok((await verify(all)).differenceCount > 0, 'what was left out is a difference');
  t.match(await rebuild(all, () => {}), { written: true });
  t.match(await verify(all), { ok: true, differenceCount: 0, unprovableCount: 0, rowDifferences: [] });
  t.strictSame((await verify(all)).rowDifferences, []);
  const counted = await database.query(
    "SELECT sum(count)::int AS n FROM metrics WHERE granularity = 'day' AND job_id = 1",
  );
  t.strictSame(counted.rows, [{ n: 4 }]);
});

test('without its lines in the stream it goes on behind what raw results or minutes say', async (t) => {
  const rig = await createRig(t);
  const { database, driver } = rig;
  await rig.start({ resultsStore: 'all' });
  driver.append('checks', 0, line({ slot: 5 }), line({ jobId: 2, slot: 5 }));
  await rig.settle();
  await database.query('UPDATE series_progress SET slot = 4080000000000, last_ts = 4080000000000');
  await database.query('DELETE FROM results WHERE job_id = 2');
  driver.trim('checks', 0, 2);
  const options = { database, driver, leaseEpochs };
  t.match((await planRepair({ ...options, jobId: 1 })).repairs, [
    { becomes: { epoch: 1, slot: START_MS + 5_000 }, letters: [] },
  ]);
  t.match((await planRepair({ ...options, jobId: 2 })).repairs, [{ becomes: { epoch: 1, slot: START_MS + 59_999 } }]);
});

test('totals, the last result, counters and raw results are those of a stream without the mistaken lines', async (t) => {
  const rig = await createRig(t, { checks: 2 });
  const { database, driver } = rig;
  driver.now = () => Date.now();
  const future = Math.round((4_080_000_000_000 - START_MS) / 1_000);
  const down = { outcome: 'down', reason: 'status', status: '503' } as const;
  const results = { store: 'all' as const, keptFromMs: 0 };
  const processor = await rig.start({ resultsStore: 'all' });
  driver.append(
    ...(['checks', 0] as const),
    [line({ slot: 0 }), line({ slot: 1, ...down }), line({ slot: 2, epoch: 99, status: '418' })].join('\n'),
    [line({ slot: 3, ...down }), line({ slot: 3, ...down }), line({ slot: 9, slots: 5 })].join('\n'),
    line({ jobId: 3, slot: 2, epoch: 99 }),
  );
  driver.append('checks', 1, line({ jobId: 2, slot: 0 }));
  await rig.settle();
  await processor.stop();
  // An earlier version took a slot of times to come, too.
  driver.append('checks', 1, line({ jobId: 2, slot: future, ...down }), line({ jobId: 2, slot: 1 }), 'rubbish');
  const earlier = await rig.start({ resultsStore: 'all', database: inTheYear2100(database) });
  await rig.settle();
  const range = { fromMs: START_MS - (START_MS % DAY_MS), toMs: START_MS - (START_MS % DAY_MS) + DAY_MS };
  const all = { database, driver, topics: ['checks'], results, ...range };
  await earlier.stop();
  await rig.start({ resultsStore: 'all' });
  for (const jobId of [1, 2, 3]) {
    const { repairs } = await applyRepair({ database, driver, leaseEpochs, jobId, results });
    t.equal(repairs.length, 1, `job ${jobId}`);
  }
  driver.append('checks', 0, line({ slot: 10, epoch: 3 }));
  await rig.settle();
  await rebuild(all, () => {});
  const report = await verify(all);
  t.strictSame(report.rowDifferences, []);
  t.equal(report.ok, true);
  const { rows } = await database.query(
    'SELECT job_id AS job, count, up, down, missed, codes FROM series_progress ORDER BY job_id',
  );
  t.strictSame(rows.slice(0, 1), [{ job: 1, count: 9, up: 2, down: 2, missed: 5, codes: { 200: 2, 503: 2 } }]);
  t.match(rows[2], { job: 3, count: 0, codes: {} });
  t.match(rows[1], { job: 2, count: 2, up: 2, down: 0 });
});

/** The database as a processor sees it that takes any time for the present. */
function inTheYear2100(database: TestDatabase): TestDatabase {
  return new Proxy(database, {
    get(target, property) {
      const value = Reflect.get(target, property);
      if (typeof value !== 'function') return value;
      if (property !== 'query') return value.bind(target);
      return async (sql: string, parameters?: unknown[]) =>
        sql.includes('clock_timestamp()) * 1000')
          ? { rows: [{ now: 4_102_444_800_000 }] }
          : target.query(sql, parameters);
    },
  });
}
