import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { test } from 'tap';
import { type Logger, silentLogger } from '../../src/core/logger.ts';
import { Slices } from '../../src/core/slices.ts';
import { createRig, storedRows } from './rig.ts';
import { anyRecord, foreignLine, line, START_MS } from './streams.ts';

test('results become rows, totals and offsets', async (t) => {
  const rig = await createRig(t, { checks: 2 });
  rig.driver.append('checks', 0, [line({ slot: 1 }), line({ slot: 2, status: '404', outcome: 'down' })].join('\n'));
  rig.driver.append('checks', 1, line({ jobId: 2, slot: 1, responseTime: 0.5 }), line({ jobId: 2, slot: 90 }));
  const processor = await rig.start();
  await rig.settle();
  await rig.exact(t);
  t.match(processor.stats(), { results: 4, records: 3, duplicates: 0, deadLetters: 0, lag: 0, failingSince: null });
  const { rows } = await rig.database.query(
    'SELECT count, up, down, codes, last_outcome, last_status, last_ts, since_slot FROM series_progress WHERE job_id = 1',
  );
  t.strictSame(rows, [
    {
      count: 2,
      up: 1,
      down: 1,
      codes: { 200: 1, 404: 1 },
      last_outcome: 'down',
      last_status: '404',
      last_ts: START_MS + 2003,
      since_slot: START_MS + 2000,
    },
  ]);
  const [consumer] = rig.driver.consumers;
  t.match(consumer.committed.at(-1), { topic: 'checks' });
});

test('others have their turn between the partitions of a flush; what comes then is counted once, now or next', async (t) => {
  const rig = await createRig(t, { checks: 4 });
  let slot = 0;
  const append = () => {
    slot++;
    for (const partition of [0, 1, 2, 3]) rig.driver.append('checks', partition, line({ jobId: 1 + partition, slot }));
  };
  let [nowMs, turns] = [0, 0];
  const nextTurn = async () => {
    turns++;
    if (turns <= 8) append();
    await delay(20);
  };
  // Each slice is used up as soon as it is asked for.
  const slices = () => new Slices({ nextTurn, nowMs: () => (nowMs += 10) });
  const processor = await rig.start({ slices });
  append();
  while (slot < 9) await delay(5);
  await rig.settle();
  await processor.flush();
  t.equal(turns % 4, 0, 'one for each partition of each flush');
  await rig.exact(t);
});

test('repetitions, zombies and cut ranges count as rule 4 says, over flushes and restarts', async (t) => {
  const rig = await createRig(t);
  const first = await rig.start();
  rig.driver.append('checks', 0, line({ slot: 1 }), line({ slot: 2 }), line({ slot: 2 }));
  await rig.settle();
  rig.driver.append('checks', 0, line({ slot: 5, slots: 5, epoch: 2 }), line({ slot: 6, epoch: 1 }));
  await rig.settle();
  await first.stop();
  rig.driver.append('checks', 0, line({ slot: 200, slots: 300, epoch: 2 }), line({ slot: 200, epoch: 3 }));
  rig.driver.append('checks', 0, line({ slot: 201, epoch: 2 }), foreignLine(1, 500), foreignLine(1, 500));
  await rig.start();
  await rig.settle();
  await rig.exact(t);
});

test('lines that cannot be read are kept apart with their bytes, and the rest counts', async (t) => {
  const rig = await createRig(t);
  const bad = Buffer.from([0x7b, 0xff, 0x00, 0x7d]);
  rig.driver.append('checks', 0, Buffer.concat([Buffer.from(`${line({ slot: 1 })}\n`), bad]), line({ slot: 2 }));
  const processor = await rig.start();
  await rig.settle();
  await rig.exact(t);
  t.equal(processor.stats().deadLetters, 1);
  const { rows } = await rig.database.query(
    'SELECT topic, partition, record_offset, line, bytes, error FROM dead_letters',
  );
  t.match(rows, [{ topic: 'checks', partition: 0, record_offset: 0, line: 1, bytes: bad, error: /UTF-8/ }]);
});

test('late results land in the bucket of their slot', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  rig.driver.append('checks', 0, line({ slot: 10_000_000 }), line({ jobId: 2, slot: -50_000_000 }));
  await rig.settle();
  rig.driver.append('checks', 0, line({ jobId: 2, slot: -49_999_999 }));
  await rig.settle();
  await rig.exact(t);
  t.equal(Object.keys(await storedRows(rig.database)).length, 6);
});

test('blocks of thousands of results, with little room', async (t) => {
  const rig = await createRig(t, { checks: 3 });
  for (let block = 0; block < 6; block++) {
    const lines = Array.from({ length: 2_000 }, (_, index) =>
      line({ jobId: 1 + (index % 500) * 3 + (block % 3), slot: block * 4 + Math.floor(index / 500) }),
    );
    rig.driver.append('checks', block % 3, lines.join('\n'));
  }
  const processor = await rig.start({ limits: { rows: 100, catchUpRows: 100 }, flushIntervalMs: 60_000 });
  await rig.settle();
  await rig.exact(t);
  t.ok(processor.stats().flushes >= 2, 'it did not wait for the timer');
});

test('while there is always more to read flushes are few; once all is read the numbers do not wait any longer', async (t) => {
  const rig = await createRig(t);
  rig.driver.batchRecords = 1;
  for (let slot = 1; slot <= 2_000; slot++) rig.driver.append('checks', 0, line({ slot }));
  const limits = { behindMs: 0, catchUpIntervalMs: 600_000 };
  const processor = await rig.start({ limits, flushIntervalMs: 1 });
  await rig.settle();
  await rig.exact(t);
  t.ok(processor.stats().flushes <= 20, `${processor.stats().flushes} flushes`);
  t.equal(processor.stats().catchingUp, false);
});

test('series beyond the limit are forgotten and read again', async (t) => {
  const rig = await createRig(t);
  rig.driver.batchRecords = 3;
  for (let round = 0; round < 20; round++) {
    const jobs = [round % 7, (round * 3) % 7].map((job) => line({ jobId: 1 + job, slot: Math.floor(round / 2) }));
    rig.driver.append('checks', 0, jobs.join('\n'));
  }
  await rig.start({ limits: { series: 2, rows: 3, catchUpRows: 3 } });
  await rig.settle();
  await rig.exact(t);
});

test('a log that ends before what was counted of it is told, a log that lost records is gone on with', async (t) => {
  const rig = await createRig(t, { checks: 2 });
  await rig.database.query("INSERT INTO stream_offsets (topic, partition, next_offset) VALUES ('checks', 0, 100)");
  rig.driver.append('checks', 1, line({ slot: 1 }));
  const problems: string[] = [];
  const logger = Object.assign(Object.create(silentLogger), {
    error: ({ err }: { err: Error }) => void problems.push(err.message),
  }) as Logger;
  const processor = await rig.start({ logger });
  while (processor.stats().results === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  t.match(problems, [/checks\/0 ends at 0, but was counted to 100/]);
  await processor.stop();
  rig.driver.append('checks', 1, line({ slot: 2 }), line({ slot: 3 }));
  rig.driver.trim('checks', 1, 2);
  const next = await rig.start();
  while (next.stats().results === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  t.equal(rig.driver.consumers[1].resets.length, 1, 'it looked twice before it believed it');
  const { rows } = await rig.database.query('SELECT next_offset FROM stream_offsets WHERE partition = 1');
  t.strictSame(rows, [{ next_offset: 3 }]);
});

test('results arrive in any portions: rows are those of the naive model', async (t) => {
  const streams = fc.array(fc.array(anyRecord, { minLength: 1, maxLength: 6 }), { minLength: 2, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(streams, fc.integer({ min: 1, max: 7 }), async (portions, batchRecords) => {
      await t.test('one stream', async (t) => {
        const rig = await createRig(t, { checks: 1, other: 1 });
        rig.driver.batchRecords = batchRecords;
        let processor = await rig.start();
        for (const [index, records] of portions.entries()) {
          rig.driver.append(index % 3 === 2 ? 'other' : 'checks', 0, ...records);
          if (index % 2 === 0) await rig.settle();
          if (index % 3 !== 1) continue;
          if (index % 2 === 0) await processor.stop();
          else rig.driver.consumers.at(-1)?.revoke();
          processor = await rig.start();
        }
        await rig.settle();
        await rig.exact(t);
      });
    }),
    { numRuns: 12, endOnFailure: true },
  );
});
