import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'tap';
import { claimPartitions, moveOffsets, type OffsetStep } from '../../src/processor/tables/offsets.ts';
import { createTestDatabase } from '../helpers/database.ts';

test('an owner that froze within a COPY does not keep its partitions', async (t) => {
  const database = await createTestDatabase(t);
  const [{ epoch }] = await claimPartitions(database, 'checks', [0], 'frozen');
  const none = { results: 0, foreign: 0, duplicates: 0, fenced: 0, deadLetters: 0 };
  const step: OffsetStep = { topic: 'checks', partition: 0, epoch, from: null, to: 5, ...none };
  let wake = () => {};
  const asleep = new Promise<void>((resolve) => {
    wake = resolve;
  });
  async function* neverEnding() {
    yield Buffer.from('1\n');
    await asleep;
  }
  const frozen = database.transaction(async (tx) => {
    await moveOffsets(tx, [step]);
    await tx.query('CREATE TEMP TABLE numbers (n integer) ON COMMIT DROP');
    await tx.copyFrom('numbers', neverEnding());
  });
  frozen.catch(() => {});
  await delay(5_500);
  const [claimed] = await claimPartitions(database, 'checks', [0], 'next');
  t.match(claimed, { epoch: epoch + 1, nextOffset: null }, 'its work is undone, and another goes on');
  wake();
  await t.rejects(frozen);
});

test('one that is at work is waited for', async (t) => {
  const database = await createTestDatabase(t);
  const [{ epoch }] = await claimPartitions(database, 'checks', [0], 'busy');
  const none = { results: 0, foreign: 0, duplicates: 0, fenced: 0, deadLetters: 0 };
  const busy = database.transaction(async (tx) => {
    await moveOffsets(tx, [{ topic: 'checks', partition: 0, epoch, from: null, to: 5, ...none }]);
    await tx.query('SELECT pg_sleep(1)');
  });
  await delay(200);
  const [claimed] = await claimPartitions(database, 'checks', [0], 'next');
  t.match(claimed, { epoch: epoch + 1, nextOffset: 5 });
  await busy;
});
