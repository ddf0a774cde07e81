import { type Test, test } from 'tap';
import { silentLogger } from '../../src/core/logger.ts';
import type { ConsumerHandler, PartitionRange, StreamRecord } from '../../src/streaming/driver.ts';
import {
  type OwnedPartition,
  type PackedRecords,
  PartitionBook,
  type PartitionBookOptions,
} from '../../src/streaming/partition-book.ts';
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

/** One record for each offset, whose value lies in the memory it is unpacked into. */
function pack(offsets: number[], bytes: number, isBad = false): PackedRecords {
  return {
    lastOffset: offsets[offsets.length - 1] as number,
    bytes,
    unpack: (memory) => {
      if (isBad) throw new Error('it cannot be unpacked');
      return offsets.map((offset) => {
        if (memory.bytes.length < memory.taken + 4) memory.grow(memory.taken, memory.taken + 4);
        memory.bytes.writeInt32BE(offset, memory.taken);
        return { offset, key: null, value: memory.take(memory.taken + 4), headers: {}, timestamp: 0 };
      });
    },
  };
}

test('packed records are unpacked when the handler is free, a few at a time', async (t) => {
  const given: Array<{ offsets: number[]; values: number[]; memory: ArrayBufferLike }> = [];
  const errors: unknown[] = [];
  let drained = 0;
  let letGo = () => {};
  const handler: ConsumerHandler = {
    releasesRecords: true,
    onAssigned: async () => [5],
    onRevoked: () => {},
    onError: (error) => errors.push(error),
    onBatch: async ({ records }) => {
      given.push({
        offsets: records.map(({ offset }) => offset),
        values: records.map(({ value }) => value.readInt32BE()),
        memory: (records[0] as StreamRecord).value.buffer,
      });
      await new Promise<void>((resolve) => {
        letGo = resolve;
      });
    },
  };
  const onDrained = () => {
    drained++;
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const { book, clock } = createBook(t, async () => [5], { handler, onDrained });
  book.assign([CHECKS]);
  await clock.advance(0);
  const owned = book.get('checks', 0) as OwnedPartition;
  const all = book.pushPacked(owned, [pack([3, 4, 5], 1_000), pack([6, 7], 200_000), pack([8], 200_000)], 9);
  t.equal(owned.next, 9);
  t.ok(owned.waitingBytes > 400_000);
  await turn();
  t.strictSame(given[0]?.offsets, [5, 6, 7], 'those before the wanted offset are left out');
  t.equal(drained, 0);
  t.ok(owned.waitingBytes < 201_000, 'what was handed over waits no longer');
  letGo();
  await turn();
  t.strictSame([given[1]?.offsets, given[1]?.values], [[8], [8]]);
  t.equal(given[1]?.memory, given[0]?.memory, 'in memory that the handler has released');
  t.equal(drained, 1);
  t.equal(owned.waitingBytes, 0);
  letGo();
  await all;

  void book.pushPacked(owned, [pack([9], 1, true)], 10);
  await turn();
  t.match(errors, [{ message: 'it cannot be unpacked' }]);
  t.equal(book.get('checks', 0)?.state, 'lost', 'nothing of it is delivered before it is read again');
});
