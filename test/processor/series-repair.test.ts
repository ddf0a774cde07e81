import { test } from 'tap';
import { rebuild } from '../../src/processor/rebuild.ts';
import { applyRepair, planRepair } from '../../src/processor/series-repair.ts';
import { verify } from '../../src/processor/verify.ts';
import { createRig } from './rig.ts';
import { line, START_MS } from './streams.ts';

const DAY_MS = 86_400_000;
const leaseEpochs = async () => () => 3;

test('a series that was silenced goes on, and what was left out can be counted again', async (t) => {
  const rig = await createRig(t);
  const { database, driver } = rig;
  driver.now = () => Date.now();
  // As an earlier version counted it: every epoch is believed.
  await rig.start();
  const lines = [line({ slot: 0 }), line({ slot: 1, epoch: 9_007_199_254_740_991 }), line({ slot: 2 })];
  driver.append('checks', 0, lines.join('\n'), line({ slot: 3, epoch: 3 }), line({ jobId: 2, slot: 3 }));
  await rig.settle();
  const options = { database, driver, leaseEpochs, jobId: 1 };
  const plan = await planRepair(options);
  t.match(plan.repairs, [{ epoch: 3, slot: START_MS + 3_000, letters: [{ kind: 'repaired', offset: 0, line: 1 }] }]);
  t.match(await planRepair({ ...options, jobId: 2 }), { repairs: [] });
  t.equal(await applyRepair(database, plan), true);
  t.equal(await applyRepair(database, plan), false, 'not twice');
  t.match(await planRepair(options), { repairs: [] });
  driver.append('checks', 0, line({ slot: 4, epoch: 3 }));
  await rig.settle();
  const { rows } = await database.query('SELECT epoch, slot FROM series_progress WHERE job_id = 1');
  t.strictSame(rows, [{ epoch: 3, slot: START_MS + 4_000 }]);
  const range = { fromMs: START_MS - (START_MS % DAY_MS), toMs: START_MS - (START_MS % DAY_MS) + DAY_MS };
  const all = { database, driver, topics: ['checks'], ...range };
  t.ok((await verify(all)).differenceCount > 0, 'what was left out is a difference');
  t.match(await rebuild(all, () => {}), { written: true });
  t.match(await verify(all), { differenceCount: 0, unprovableCount: 0 });
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
  t.match((await planRepair({ ...options, jobId: 1 })).repairs, [{ epoch: 1, slot: START_MS + 5_000, letters: [] }]);
  t.match((await planRepair({ ...options, jobId: 2 })).repairs, [{ epoch: 1, slot: START_MS + 59_999 }]);
});
