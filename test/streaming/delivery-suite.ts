import { randomBytes } from 'node:crypto';
import { type Test, test } from 'tap';
import type { OutgoingRecord, RecordBatch, StreamDriver, StreamProducer } from '../../src/streaming/driver.ts';
import { Recorder } from './recorder.ts';

/** What a driver has to bring to be tested by the suite. */
export interface DeliveryHarness {
  /** A driver on the same log, each call as from another process. Closed at teardown. */
  createDriver(t: Test): Promise<StreamDriver>;
  /** The same, with a way to let it die without a word, as by kill -9: its connections are cut and stay so. */
  createMortalDriver?(t: Test): Promise<{ driver: StreamDriver; die: () => Promise<void> }>;
  /** Makes the log forget the records of a partition below `offset`, as retention does. Absent: not tested. */
  forget?(topic: string, partition: number, offset: number): Promise<void>;
  /** Which tests, by their titles, and why the others cannot run on this log. Default: all of them. */
  only?: { titles: RegExp; why: string };
  /** Replication of topics. */
  replication?: number;
}

/** The rules of driver.ts, tested against a real log. Every driver passes the same suite. */
export function deliverySuite(name: string, harness: DeliveryHarness): void {
  const suite = (what: string, body: (t: Test) => Promise<void>) => {
    const { only } = harness;
    return test(`${name}: ${what}`, { skip: only && !only.titles.test(what) ? only.why : false }, body);
  };

  const createTopic = async (driver: StreamDriver, partitions: number): Promise<string> => {
    const topic = `suite-${randomBytes(6).toString('hex')}`;
    const { replication } = harness;
    const spec = { topic, partitions, ...(replication === undefined ? {} : { replication }) };
    await driver.ensureTopics([spec], { create: true });
    return topic;
  };

  const consume = async (driver: StreamDriver, group: string, topic: string, recorder = new Recorder()) => {
    const consumer = await driver.createConsumer({ group, topics: [topic], handler: recorder });
    return { consumer, recorder };
  };

  suite('topics are made once, and told with their real number of partitions', async (t) => {
    const driver = await harness.createDriver(t);
    const missing = `suite-${randomBytes(6).toString('hex')}`;
    await t.rejects(driver.ensureTopics([{ topic: missing, partitions: 2 }], { create: false }), {
      code: 'VED_TOPIC_MISSING',
    });
    const topic = await createTopic(driver, 3);
    t.equal((await driver.ensureTopics([{ topic, partitions: 3 }], { create: false })).get(topic), 3);
    t.equal((await driver.ensureTopics([{ topic, partitions: 9 }], { create: true })).get(topic), 3, 'not changed');
    const ranges = await driver.ranges(topic);
    t.strictSame(ranges.map(({ partition }) => partition).sort(), [0, 1, 2]);
    t.ok(ranges.every(({ low, high }) => low === high));
  });

  suite('records arrive in order per partition, whole, and only after they were acknowledged', async (t) => {
    const driver = await harness.createDriver(t);
    const topic = await createTopic(driver, 2);
    const producer = await driver.createProducer();
    const { recorder } = await consume(driver, topic, topic);
    for (let round = 0; round < 20; round++) {
      await producer.send([0, 1].flatMap((partition) => numbered(topic, partition, round * 5, 5)));
    }
    await recorder.until('200 records', () => recorder.delivered.length >= 200);
    for (const partition of [0, 1]) t.strictSame(recorder.texts(partition), sequence(partition, 100));
    t.strictSame(recorder.violations, []);
    const ranges = await driver.ranges(topic);
    t.ok(ranges.every(({ low, high }) => high - low >= 100));
    const sent = {
      topic,
      partition: 1,
      key: 'köy',
      value: Buffer.from('žluťoučký 🐎'),
      headers: { schema: 'v1', ünï: 'ç🐎' },
    };
    const before = Date.now();
    await producer.send([sent, { topic, partition: 1, value: Buffer.alloc(0) }]);
    await recorder.until('202 records', () => recorder.delivered.length >= 202);
    const [record, empty] = recorder.batches
      .filter(({ partition }) => partition === 1)
      .flatMap(({ records }) => records)
      .slice(-2);
    t.equal(record.value.toString(), 'žluťoučký 🐎');
    t.equal(record.key?.toString(), 'köy');
    t.match(record.headers, { schema: 'v1', ünï: 'ç🐎' });
    t.ok(Math.abs(record.timestamp - before) < 60_000);
    t.equal(empty.value.length, 0);
    t.equal(empty.key, null);
  });

  suite('big records, and many at once', async (t) => {
    const driver = await harness.createDriver(t);
    const topic = await createTopic(driver, 1);
    const producer = await driver.createProducer();
    // 1 MB is what a broker takes by default, the batch around it included.
    const big = [randomBytes(900_000), Buffer.alloc(900_000, 'a line of results '), randomBytes(10)];
    for (const value of big) await producer.send([{ topic, partition: 0, value }]);
    await producer.send(numbered(topic, 0, 0, 3_000));
    const { recorder } = await consume(driver, topic, topic);
    await recorder.until('3003 records', () => recorder.delivered.length >= 3_003);
    const records = recorder.batches.flatMap(({ records }) => records);
    big.forEach((value, index) => {
      t.ok(records[index].value.equals(value), `${value.length} bytes`);
    });
    t.strictSame(recorder.texts().slice(3), sequence(0, 3_000));
    t.strictSame(recorder.violations, []);
  });

  suite('reading begins where onAssigned says', async (t) => {
    const driver = await harness.createDriver(t);
    const topic = await createTopic(driver, 2);
    const producer = await driver.createProducer();
    await producer.send([0, 1].flatMap((partition) => numbered(topic, partition, 0, 10)));
    const { high } = (await driver.ranges(topic)).find(({ partition }) => partition === 1)!;
    const startAt = ({ partition }: { partition: number }) => (partition === 0 ? null : high - 3);
    const { recorder } = await consume(driver, topic, topic, new Recorder({ startAt }));
    await recorder.until('13 records', () => recorder.delivered.length >= 13);
    t.strictSame(recorder.texts(0), sequence(0, 10));
    t.strictSame(recorder.texts(1), sequence(1, 10).slice(7));
    const beyond = await consume(driver, `${topic}-beyond`, topic, new Recorder({ startAt: () => high + 1_000 }));
    await beyond.recorder.until('an error for each partition', () => beyond.recorder.errors.length >= 2);
    t.match(beyond.recorder.errors[0], { code: 'VED_OFFSET_LOST', message: topic });
    t.equal(beyond.recorder.delivered.length, 0, 'an offset beyond the end: nothing is read');
  });

  suite('a failing onAssigned delivers nothing and is asked again', async (t) => {
    const driver = await harness.createDriver(t);
    const topic = await createTopic(driver, 1);
    await (await driver.createProducer()).send(numbered(topic, 0, 0, 3));
    let asked = 0;
    const startAt = () => {
      if (++asked <= 2) throw new Error('the database is away');
      return null;
    };
    const { recorder } = await consume(driver, topic, topic, new Recorder({ startAt }));
    await recorder.until('3 records', () => recorder.delivered.length >= 3);
    t.equal(asked, 3);
    t.strictSame(recorder.violations, []);
  });

  suite('back pressure: one partition that waits holds up itself only', async (t) => {
    const driver = await harness.createDriver(t);
    const topic = await createTopic(driver, 2);
    const producer = await driver.createProducer();
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const onBatch = async ({ partition }: RecordBatch) => (partition === 0 ? held : undefined);
    const { recorder } = await consume(driver, topic, topic, new Recorder({ onBatch }));
    await producer.send(numbered(topic, 0, 0, 1));
    await recorder.until('the first of partition 0', () => recorder.texts(0).length > 0);
    await producer.send([...numbered(topic, 0, 1, 9), ...numbered(topic, 1, 0, 10)]);
    await recorder.until('all of partition 1', () => recorder.texts(1).length === 10);
    t.equal(recorder.batches.filter(({ partition }) => partition === 0).length, 1, 'nothing more while it waits');
    letGo();
    await recorder.until('the rest', () => recorder.texts(0).length === 10);
    t.strictSame(recorder.texts(0), sequence(0, 10));
    t.strictSame(recorder.violations, []);
  });

  suite('reset asks again where to go on, also from within a batch', async (t) => {
    const driver = await harness.createDriver(t);
    const topic = await createTopic(driver, 2);
    const producer = await driver.createProducer();
    const marks = new Map<number, number | null>([
      [0, null],
      [1, null],
    ]);
    let failures = 2;
    const recorder: Recorder = new Recorder({
      startAt: ({ partition }) => marks.get(partition) ?? null,
      onBatch: ({ partition, records }) => {
        if (partition === 0 && failures-- > 0) consumer.reset([{ topic, partition }]);
        else marks.set(partition, records[records.length - 1].offset + 1);
      },
    });
    const { consumer } = await consume(driver, topic, topic, recorder);
    await producer.send([...numbered(topic, 0, 0, 5), ...numbered(topic, 1, 0, 5)]);
    // How the records are cut into batches is the driver's business: a reset may come after the first of them.
    await recorder.until(
      'partition 0 to its end, twice from its beginning again',
      () => failures < 0 && recorder.texts(0).at(-1) === '0:4' && recorder.texts(1).length >= 5,
    );
    t.equal(recorder.texts(0).filter((text) => text === '0:0').length, 3);
    t.strictSame(recorder.texts(0).slice(-5), sequence(0, 5));
    t.strictSame(recorder.texts(1), sequence(1, 5), 'the other partition is not disturbed');
    marks.set(1, null);
    consumer.reset([{ topic, partition: 1 }]);
    await recorder.until('partition 1 again', () => recorder.texts(1).length >= 10);
    t.strictSame(recorder.violations, []);
  });

  suite('two consumers share the partitions; who closes hands over', async (t) => {
    const [one, two] = [await harness.createDriver(t), await harness.createDriver(t)];
    const topic = await createTopic(one, 4);
    const producer = await one.createProducer();
    const first = await consume(one, topic, topic);
    await first.recorder.until('all partitions', () => first.recorder.owned.size === 4);
    const second = await consume(two, topic, topic);
    await second.recorder.until('a half', () => second.recorder.owned.size === 2);
    await first.recorder.until('a half', () => first.recorder.owned.size === 2);
    t.equal(new Set([...first.recorder.owned, ...second.recorder.owned]).size, 4);
    await producer.send([0, 1, 2, 3].flatMap((partition) => numbered(topic, partition, 0, 5)));
    await first.recorder.until('its records', () => first.recorder.delivered.length >= 10);
    await second.recorder.until('its records', () => second.recorder.delivered.length >= 10);
    await second.consumer.close();
    t.equal(second.recorder.owned.size, 0, 'everything was revoked');
    await first.recorder.until('all partitions again', () => first.recorder.owned.size === 4);
    const count = second.recorder.delivered.length;
    await producer.send([0, 1, 2, 3].flatMap((partition) => numbered(topic, partition, 5, 5)));
    const all = [0, 1, 2, 3].flatMap((partition) => sequence(partition, 10));
    await first.recorder.until(
      'the rest',
      () => new Set([...first.recorder.texts(), ...second.recorder.texts()]).size === 40,
    );
    t.strictSame([...new Set([...first.recorder.texts(), ...second.recorder.texts()])].sort(), all.sort());
    t.equal(second.recorder.delivered.length, count, 'nothing is delivered after close');
    t.strictSame([...first.recorder.violations, ...second.recorder.violations], []);
  });

  suite('groups do not disturb each other', async (t) => {
    const driver = await harness.createDriver(t);
    const topic = await createTopic(driver, 2);
    const [one, two] = [await consume(driver, `${topic}-a`, topic), await consume(driver, `${topic}-b`, topic)];
    await (await driver.createProducer()).send(numbered(topic, 0, 0, 5));
    for (const { recorder } of [one, two]) {
      await recorder.until('all records', () => recorder.delivered.length === 5);
      t.equal(recorder.owned.size, 2);
    }
  });

  suite('a member that died is replaced', async (t) => {
    const mortal = await harness.createMortalDriver?.(t);
    if (!mortal) {
      t.comment('NOT RUN: nothing can be cut between this log and its clients');
      return;
    }
    const survivor = await harness.createDriver(t);
    const topic = await createTopic(survivor, 4);
    const producer = await survivor.createProducer();
    const first = await consume(mortal.driver, topic, topic);
    await first.recorder.until('all partitions', () => first.recorder.owned.size === 4);
    const second = await consume(survivor, topic, topic);
    await second.recorder.until('a half', () => second.recorder.owned.size === 2);
    await mortal.die();
    await producer.send([0, 1, 2, 3].flatMap((partition) => numbered(topic, partition, 0, 5)));
    await second.recorder.until('everything', () => second.recorder.delivered.length >= 20, 60_000);
    t.equal(second.recorder.owned.size, 4);
    t.strictSame(second.recorder.violations, []);
  });

  suite('a send that was repeated is delivered twice, in order', async (t) => {
    const driver = await harness.createDriver(t);
    const topic = await createTopic(driver, 1);
    const producer = await driver.createProducer();
    const { recorder } = await consume(driver, topic, topic);
    const records = numbered(topic, 0, 0, 3);
    await producer.send(records);
    await producer.send(records);
    await recorder.until('both', () => recorder.delivered.length === 6);
    t.strictSame(recorder.texts(), [...sequence(0, 3), ...sequence(0, 3)]);
  });

  suite('sends from many sides at a time are all there, each in its order', async (t) => {
    const drivers = [await harness.createDriver(t), await harness.createDriver(t)];
    const topic = await createTopic(drivers[0], 3);
    const { recorder } = await consume(drivers[0], topic, topic);
    const producers: StreamProducer[] = [];
    for (const driver of [...drivers, ...drivers]) producers.push(await driver.createProducer());
    await Promise.all(
      producers.map(async (producer, index) => {
        for (let round = 0; round < 25; round++) {
          // Different orders of partitions: nobody may wait for the other for ever.
          const partitions = index % 2 === 0 ? [0, 1, 2] : [2, 1, 0];
          await producer.send(
            partitions.map((partition) => ({ topic, partition, value: Buffer.from(`${index} ${round}`) })),
          );
        }
      }),
    );
    await recorder.until('300 records', () => recorder.delivered.length >= 300);
    for (const partition of [0, 1, 2]) {
      for (const index of producers.keys()) {
        const mine = recorder.texts(partition).filter((text) => text.startsWith(`${index} `));
        t.strictSame(
          mine,
          Array.from({ length: 25 }, (_, round) => `${index} ${round}`),
        );
      }
    }
    t.strictSame(recorder.violations, []);
  });

  suite('stretches are read outside any group', async (t) => {
    const driver = await harness.createDriver(t);
    const topic = await createTopic(driver, 2);
    const producer = await driver.createProducer();
    await producer.send([...numbered(topic, 0, 0, 10), ...numbered(topic, 1, 0, 10)]);
    const ranges = await driver.ranges(topic);
    const { low, high } = ranges.find(({ partition }) => partition === 1)!;
    const read = async (from: number, to: number) => {
      const texts: string[] = [];
      for await (const { records } of driver.read(topic, [{ partition: 1, from, to }])) {
        texts.push(...records.map(({ value }) => value.toString()));
      }
      return texts;
    };
    t.strictSame(await read(low, high), sequence(1, 10));
    t.strictSame(await read(low + 2, low + 5), sequence(1, 10).slice(2, 5));
    t.strictSame(await read(low + 8, high + 100), sequence(1, 10).slice(8), 'beyond the end it ends early');
    t.strictSame(await read(high, high), []);

    const ending = new AbortController();
    const followed: string[] = [];
    const stretches = ranges.map(({ partition, low: from }) => ({ partition, from }));
    for await (const { records, partition } of driver.read(topic, stretches, ending.signal)) {
      followed.push(...records.map(({ value }) => value.toString()));
      if (followed.length === 20) void producer.send(numbered(topic, partition, 10, 1));
      if (followed.length === 21) ending.abort();
    }
    t.equal(followed.length, 21, 'a stretch without an end is followed until the signal aborts');
  });

  if (harness.forget) {
    const forget = harness.forget.bind(harness);
    suite('what retention dropped before it was read stops the partition, until its offset is set again', async (t) => {
      const driver = await harness.createDriver(t);
      const topic = await createTopic(driver, 1);
      const producer = await driver.createProducer();
      await producer.send(numbered(topic, 0, 0, 10));
      const [{ low: first }] = await driver.ranges(topic);
      await forget(topic, 0, first + 4);
      t.equal((await driver.ranges(topic))[0].low, first + 4);
      let stored: number | null = first;
      const { recorder, consumer } = await consume(driver, topic, topic, new Recorder({ startAt: () => stored }));
      await recorder.until('an error', () => recorder.errors.length > 0);
      t.match(recorder.errors[0], { code: 'VED_OFFSET_LOST', message: topic });
      t.equal(recorder.delivered.length, 0, 'nothing is read');
      stored = null;
      // As it does by itself half a minute later.
      consumer.reset([{ topic, partition: 0 }]);
      await recorder.until('the rest', () => recorder.delivered.length >= 6);
      t.strictSame(recorder.texts(), sequence(0, 10).slice(4));
      const [{ high }] = await driver.ranges(topic);
      await forget(topic, 0, high);
      t.strictSame((await driver.ranges(topic))[0], { partition: 0, low: high, high });
      const late = await consume(driver, `${topic}-late`, topic, new Recorder({ startAt: () => high }));
      await late.recorder.until('the partition', () => late.recorder.owned.size === 1);
      await producer.send(numbered(topic, 0, 10, 1));
      await late.recorder.until('the new one', () => late.recorder.delivered.length === 1);
      t.strictSame(late.recorder.errors, [], 'the end of the log is no lost offset');
    });
  }

  suite('close waits for the batch under way, and leaves nothing behind', async (t) => {
    const driver = await harness.createDriver(t);
    const topic = await createTopic(driver, 1);
    const producer = await driver.createProducer();
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const { recorder, consumer } = await consume(driver, topic, topic, new Recorder({ onBatch: () => held }));
    await producer.send(numbered(topic, 0, 0, 1));
    await recorder.until('a batch', () => recorder.batches.length === 1);
    let closed = false;
    const closing = consumer.close().then(() => {
      closed = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    t.notOk(closed, 'the handler is still at it');
    letGo();
    await closing;
    t.equal(recorder.owned.size, 0);
    await driver.close();
    await driver.close();
    await t.rejects(producer.send(numbered(topic, 0, 1, 1)), 'a closed driver sends nothing');
  });
}

function numbered(topic: string, partition: number, from: number, count: number): OutgoingRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    topic,
    partition,
    key: String(partition),
    value: Buffer.from(`${partition}:${from + index}`),
  }));
}

function sequence(partition: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${partition}:${index}`);
}
