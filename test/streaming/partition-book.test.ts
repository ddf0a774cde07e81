import { type Test, test } from 'tap';
import { silentLogger } from '../../src/core/logger.ts';
import type { PartitionRange } from '../../src/streaming/driver.ts';
import { type OwnedPartition, PartitionBook, type PartitionBookOptions } from '../../src/streaming/partition-book.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

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

/** A book on a clock of its own, whose handler answers with `answer`. */
function createBook(t: Test, answer: () => Promise<Array<number | null>>, options: Partial<PartitionBookOptions> = {}) {
  const clock = createFakeClock();
  const seen = { asked: 0, errors: [] as unknown[], revoked: 0, delivered: [] as number[], known: 0 };
  const book = new PartitionBook({
    handler: {
      onAssigned: () => {
        seen.asked++;
        return answer();
      },
      onRevoked: (partitions) => {
        seen.revoked += partitions.length;
      },
      onBatch: async ({ records }) => {
        seen.delivered.push(...records.map(({ offset }) => offset));
      },
      onError: (error) => seen.errors.push(error),
    },
    logger: silentLogger,
    clock,
    log: { ranges: async () => [{ partition: 0, low: 2, high: 9 }] },
    onKnown: (partitions) => {
      for (const partition of partitions) partition.state = 'active';
      seen.known += partitions.length;
    },
    ...options,
  });
  t.teardown(() => book.close());
  return { book, clock, seen };
}

const CHECKS = { topic: 'checks', partition: 0 };

test('a handler that fails is asked again after growing pauses, or its partition is given up for as long', async (t) => {
  const fails = () => Promise.reject(new Error('the database is away'));
  const kept = createBook(t, fails);
  kept.book.assign([CHECKS]);
  await kept.clock.advance(0);
  t.equal(kept.seen.asked, 1);
  await kept.clock.advance(250);
  t.equal(kept.seen.asked, 2);
  await kept.clock.advance(499);
  t.equal(kept.seen.asked, 2);
  await kept.clock.advance(1);
  t.equal(kept.seen.asked, 3);
  t.strictSame(kept.seen.errors, [], 'nobody has to act');

  const pauses: number[] = [];
  const given: ReturnType<typeof createBook> = createBook(t, fails, {
    onRefused: (partitions, pauseMs) => {
      pauses.push(pauseMs);
      given.book.revoke(partitions);
    },
  });
  given.book.assign([CHECKS]);
  await given.clock.advance(60_000);
  t.strictSame([given.seen.asked, given.seen.revoked, pauses], [1, 1, [250]], 'whoever has it next asks');
});

test('a partition is lost when the handler or the log says so, and asked about every 30 s', async (t) => {
  let answer: () => Promise<Array<number | null>> = () =>
    Promise.reject(Object.assign(new Error('another topic'), { code: 'VED_OFFSET_LOST' }));
  const { book, clock, seen } = createBook(t, () => answer());
  book.assign([CHECKS]);
  await clock.advance(29_999);
  t.match(seen.errors, [{ message: 'another topic' }]);
  t.equal(seen.asked, 1);
  answer = async () => [1];
  await clock.advance(1);
  t.match(seen.errors.at(-1), { code: 'VED_OFFSET_LOST', message: /from offset 1, but holds 2 to 9/ });
  answer = async () => [null];
  await clock.advance(30_000);
  t.equal(seen.known, 1);
  t.equal(book.get('checks', 0)?.next, 2, 'the first retained record');
});

test('what is pushed after a reset belongs to the old ownership and is dropped', async (t) => {
  const { book, clock, seen } = createBook(t, async () => [4]);
  book.assign([CHECKS]);
  await clock.advance(0);
  const record = (offset: number) => ({ offset, key: null, value: Buffer.from('x'), headers: {}, timestamp: 0 });
  const first = book.get('checks', 0) as OwnedPartition;
  await book.push(first, [record(3), record(4)], 9);
  t.strictSame(seen.delivered, [4], 'and what lies before the wanted offset');
  book.reset([CHECKS]);
  await book.push(first, [record(5)], 9);
  t.strictSame(seen.delivered, [4]);
  await clock.advance(0);
  await book.push(book.get('checks', 0) as OwnedPartition, [record(4), record(5)], 9);
  t.strictSame(seen.delivered, [4, 4, 5]);
});
