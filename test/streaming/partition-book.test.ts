import { test } from 'tap';
import { silentLogger } from '../../src/core/logger.ts';
import type { PartitionRange } from '../../src/streaming/driver.ts';
import { type OwnedPartition, PartitionBook } from '../../src/streaming/partition-book.ts';

test('what is read while the log is asked for its end is not taken for lost', async (t) => {
  const errors: unknown[] = [];
  const known: OwnedPartition[] = [];
  let answer: (ranges: PartitionRange[]) => void = () => {};
  let isAsked = () => {};
  const book = new PartitionBook({
    handler: {
      onAssigned: async () => [5],
      onRevoked: () => {},
      onBatch: async () => {},
      onError: (error) => errors.push(error),
    },
    logger: silentLogger,
    log: {
      identity: async () => 'the same',
      ranges: () =>
        new Promise((resolve) => {
          answer = resolve;
          isAsked();
        }),
    },
    onKnown: (partitions) => known.push(...partitions),
  });
  t.teardown(() => book.close());
  // Nothing else keeps this process alive.
  const alive = setInterval(() => {}, 1_000);
  t.teardown(() => clearInterval(alive));
  const asked = () =>
    new Promise<void>((resolve) => {
      isAsked = resolve;
    });
  const range = { partition: 0, low: 0, high: 6 };

  let asking = asked();
  book.assign([{ topic: 'checks', partition: 0 }]);
  await asking;
  answer([range]);
  await new Promise((resolve) => setImmediate(resolve));
  const [owned] = known;
  owned.state = 'active';

  asking = asked();
  const verified = book.verify([owned]);
  await asking;
  const record = (offset: number) => ({ offset, key: null, value: Buffer.from('x'), headers: {}, timestamp: 0 });
  void book.push(owned, [record(5), record(6), record(7)], 8);
  answer([range]);
  t.equal(await verified, true);
  t.strictSame(errors, []);
  t.equal(book.get('checks', 0), owned, 'it is read on');

  asking = asked();
  const again = book.verify([owned]);
  await asking;
  answer([{ ...range, high: 3 }]);
  await again;
  t.match(errors, [{ code: 'VED_OFFSET_LOST' }], 'one that ends before what was read is noticed');
});
