import { test } from 'tap';
import { reset } from '../../src/installation/reset.ts';
import { shardOf } from '../../src/jobs/shard.ts';
import { verify } from '../../src/processor/verify/index.ts';
import { createRig } from './rig.ts';
import { line, START_MS } from './streams.ts';

test('after a reset, results of before are not counted: neither those in the stream nor those on their way', async (t) => {
  const { database, driver, start, settle } = await createRig(t);
  await database.query(`INSERT INTO shard_leases (location, shard, owner, epoch) VALUES ('default', $1, 'one', 5)`, [
    shardOf(1),
  ]);
  const processor = await start();
  driver.append('checks', 0, line({ slot: 1, epoch: 5 }), line({ slot: 2, epoch: 5 }));
  await settle();
  await processor.stop();
  driver.append('checks', 0, line({ slot: 3, epoch: 5 }));
  await reset(database);
  const second = await start();
  driver.append('checks', 0, line({ slot: 4, epoch: 5 }), line({ slot: 5, epoch: 6 }), line({ slot: 6, epoch: 6 }));
  await settle();
  const series = await database.query('SELECT count, epoch, slot FROM series_progress');
  t.same(series.rows, [{ count: 2, epoch: 6, slot: START_MS + 6_000 }]);
  t.match(second.stats(), { results: 2, fenced: 2, duplicates: 0 });
  const report = await verify({
    ...{ database, driver, topics: ['checks'] },
    fromMs: START_MS - 60_000,
    toMs: START_MS + 60_000,
  });
  t.match(report, { differences: [], unequalPartitions: [], differenceCount: 0 });

  // A processor that runs through it notices, and goes on.
  await reset(database);
  driver.append('checks', 0, line({ slot: 7, epoch: 6 }));
  await database.query(`UPDATE epoch_floors SET epoch = 6`);
  driver.append('checks', 0, line({ slot: 8, epoch: 7 }));
  await settle();
  t.same((await database.query('SELECT count, slot FROM series_progress')).rows, [
    { count: 1, slot: START_MS + 8_000 },
  ]);
});
