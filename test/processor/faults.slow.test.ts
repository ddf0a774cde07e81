import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'tap';
import { CommitUnknownError, type Database, type Transaction } from '../../src/postgres/database.ts';
import { FLUSH_STEPS, type FlushStep, type ProcessorHooks } from '../../src/processor/writing/hooks.ts';
import { createRig, type Rig } from './rig.ts';
import { foreignLine, line } from './streams.ts';

/** Does `fault` the first `times` times that a flush comes to `step`. */
function failAt(step: FlushStep, fault: () => Promise<void>, times = 1): ProcessorHooks & { happened: number } {
  const hooks = {
    happened: 0,
    async at(current: FlushStep) {
      if (current !== step || hooks.happened >= times) return;
      hooks.happened++;
      await fault();
    },
  };
  return hooks;
}

function append({ driver }: Rig, from: number, to: number): void {
  for (let slot = from; slot < to; slot++) {
    driver.append('checks', slot % 2, line({ jobId: 1 + (slot % 2), slot }), foreignLine(1 + (slot % 2), slot));
  }
}

for (const step of FLUSH_STEPS) {
  test(`the connection is killed ${step}`, async (t) => {
    const rig = await createRig(t, { checks: 2 });
    append(rig, 0, 10);
    const hooks = failAt(step, async () => {
      await rig.database.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`,
      );
    });
    await rig.start({ hooks });
    await rig.settle();
    append(rig, 10, 20);
    await rig.settle();
    await rig.exact(t);
    t.equal(hooks.happened, 1);
  });

  test(`the process fails ${step}, and goes on`, async (t) => {
    const rig = await createRig(t, { checks: 2 });
    append(rig, 0, 10);
    const hooks = failAt(step, async () => {
      throw new Error('fault');
    });
    await rig.start({ hooks });
    await rig.settle();
    append(rig, 10, 20);
    await rig.settle();
    await rig.exact(t);
    t.equal(hooks.happened, 1);
  });

  test(`the process dies ${step}, and another goes on`, async (t) => {
    const rig = await createRig(t, { checks: 2 });
    append(rig, 0, 10);
    // A dead process: it never comes back from this step, and its connection breaks.
    let bury = () => {};
    const hooks = failAt(
      step,
      () =>
        new Promise((_, reject) => {
          bury = () => reject(new Error('dead'));
        }),
    );
    const dead = await rig.start({ hooks, limits: { stopMs: 1 } });
    while (hooks.happened === 0) await delay(2);
    rig.driver.consumers[0].revoke();
    await rig.database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
    append(rig, 10, 20);
    await rig.start();
    await rig.settle();
    await rig.exact(t);
    await dead.stop();
    t.equal(dead.stats().flushes, 0);
    bury();
    await rig.exact(t);
  });
}

/** A database whose COMMITs, the first `times`, end with an unknown outcome. */
function unknownCommits(database: Database, really: boolean, times: number): Database {
  let left = times;
  return {
    ...database,
    schema: database.schema,
    databaseName: database.databaseName,
    query: (sql, parameters) => database.query(sql, parameters),
    listen: (channel, onPayload) => database.listen(channel, onPayload),
    notify: (channel, payload) => database.notify(channel, payload),
    close: async () => {},
    async transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
      let unknown = false;
      const result = database.transaction(async (tx) => {
        const value = await work(tx);
        // Reading the offsets back is a transaction too, but one that may succeed.
        const { rows } = await tx.query<{ wrote: boolean }>(
          'SELECT pg_current_xact_id_if_assigned() IS NOT NULL AS wrote',
        );
        unknown = rows[0].wrote && left-- > 0;
        if (unknown && !really) throw new CommitUnknownError({ cause: new Error('connection lost') });
        return value;
      });
      const value = await result;
      if (unknown) throw new CommitUnknownError({ cause: new Error('connection lost') });
      return value;
    },
  };
}

for (const really of [true, false]) {
  test(`a COMMIT of unknown outcome that ${really ? 'happened' : 'did not happen'}`, async (t) => {
    const rig = await createRig(t, { checks: 2 });
    append(rig, 0, 10);
    const processor = await rig.start({ database: unknownCommits(rig.database, really, 3) });
    await rig.settle();
    append(rig, 10, 20);
    await rig.settle();
    await rig.exact(t);
    t.equal(processor.stats().lostDeltas, 0, 'nothing was counted twice to find out');
  });
}

test('a zombie writes nothing, however late it wakes', async (t) => {
  const rig = await createRig(t, { checks: 2 });
  append(rig, 0, 10);
  let wake = () => {};
  const asleep = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const hooks = failAt('before-begin', () => asleep);
  const zombie = await rig.start({ hooks });
  while (hooks.happened === 0) await delay(2);
  // Nobody tells it that its partitions are gone.
  const successor = await rig.start();
  await rig.settle();
  append(rig, 10, 20);
  await rig.settle();
  // From now on it is left alone, but what it had counted is still on its way.
  rig.driver.consumers[0].reset = () => {};
  wake();
  await zombie.flush();
  await rig.exact(t);
  t.equal(zombie.stats().results, 0);
  t.equal(zombie.stats().lostDeltas, 2);
  t.equal(successor.stats().results, 20);
});

test('two processors that both believe to own everything', async (t) => {
  const rig = await createRig(t, { checks: 3 });
  const processors = [await rig.start(), await rig.start({ flushIntervalMs: 7 })];
  for (let slot = 0; slot < 150; slot++) {
    for (let partition = 0; partition < 3; partition++) {
      rig.driver.append(
        'checks',
        partition,
        `${line({ jobId: 1 + partition, slot })}\n${foreignLine(9 + partition, slot)}`,
      );
    }
    if (slot % 10 === 0) await delay(10);
  }
  await rig.settle(60_000);
  await rig.exact(t);
  const [a, b] = processors.map((processor) => processor.stats());
  t.equal(a.results + b.results, 450);
});

test('partitions move to and fro under load', async (t) => {
  const rig = await createRig(t, { checks: 4 });
  await rig.start();
  await rig.start();
  rig.driver.consumers[1].revoke();
  const all = [0, 1, 2, 3].map((partition) => ({ topic: 'checks', partition }));
  for (let slot = 0; slot < 400; slot++) {
    rig.driver.append('checks', slot % 4, line({ jobId: 1 + (slot % 4), slot }), foreignLine(1 + (slot % 4), slot));
    if (slot % 23 !== 0) continue;
    await delay(3);
    const [from, to] = slot % 2 === 0 ? [0, 1] : [1, 0];
    rig.driver.consumers[from].revoke(all);
    rig.driver.consumers[to].assign(all);
  }
  await rig.settle();
  await rig.exact(t);
});

test('a series whose results come through two partitions is counted exactly', async (t) => {
  const rig = await createRig(t, { checks: 2 });
  await rig.start();
  await rig.start();
  rig.driver.consumers[0].revoke([{ topic: 'checks', partition: 1 }]);
  rig.driver.consumers[1].revoke([{ topic: 'checks', partition: 0 }]);
  for (let slot = 0; slot < 200; slot++) {
    rig.driver.append('checks', slot % 2, line({ slot }), line({ slot: slot - 1 }));
    if (slot % 20 === 0) await delay(5);
  }
  await rig.settle(60_000);
  const { rows } = await rig.database.query(
    `SELECT (SELECT sum(count)::bigint FROM metrics WHERE granularity = 'minute') AS counted,
       (SELECT count FROM series_progress) AS total,
       (SELECT sum(results + duplicates + fenced)::bigint FROM stream_offsets) AS seen,
       (SELECT sum(results)::bigint FROM stream_offsets) AS results`,
  );
  // Which slots come first is nobody's to say; but none may be counted twice, and every number must say the same.
  const { counted, total, seen, results } = rows[0] as Record<string, number>;
  t.strictSame([total, results], [counted, counted]);
  t.equal(seen, 400);
  t.ok(counted > 0 && counted <= 201, String(counted));
});

test('foreign lines of one series through two partitions and two processors: every total is exact', async (t) => {
  const rig = await createRig(t, { checks: 2 });
  await rig.start();
  await rig.start();
  rig.driver.consumers[0].revoke([{ topic: 'checks', partition: 1 }]);
  rig.driver.consumers[1].revoke([{ topic: 'checks', partition: 0 }]);
  for (let at = 0; at < 200; at++) {
    const own = foreignLine(2 + (at % 2), at, String(200 + (at % 5)));
    rig.driver.append('checks', at % 2, foreignLine(1, at, String(200 + (at % 3))), own);
    if (at % 10 === 0) await delay(7);
  }
  await rig.settle(60_000);
  await rig.exact(t);
});

test('two partitions of one series in one processor', async (t) => {
  const rig = await createRig(t, { checks: 2 });
  rig.driver.batchRecords = 3;
  for (let slot = 0; slot < 60; slot++) rig.driver.append('checks', slot % 2, line({ slot }));
  await rig.start();
  await rig.settle(60_000);
  const { rows } = await rig.database.query<{ counted: number; total: number }>(
    `SELECT (SELECT sum(count)::bigint FROM metrics WHERE granularity = 'minute') AS counted, count AS total FROM series_progress`,
  );
  t.equal(rows[0].counted, rows[0].total);
});
