import type {
  ConsumerHandler,
  ConsumerOptions,
  OffsetRange,
  OutgoingRecord,
  PartitionRange,
  RecordBatch,
  StreamConsumer,
  StreamDriver,
  StreamProducer,
  StreamRecord,
  TopicPartition,
} from '../../src/streaming/driver.ts';

export interface FakeDriver extends StreamDriver {
  /** Appends records of the given values, one each, and wakes the consumers. */
  append(topic: string, partition: number, ...values: Array<string | Buffer>): void;
  /** Removes records below `low`, as retention does. */
  trim(topic: string, partition: number, low: number): void;
  /** Every record that was ever appended, by partition. */
  everything(): Array<TopicPartition & { records: StreamRecord[]; high: number }>;
  readonly consumers: FakeConsumer[];
  /** What records are stamped with. */
  now: () => number;
  /** How many records a batch has at most. Default 10. */
  batchRecords: number;
}

interface FakeConsumer extends StreamConsumer {
  /** Takes partitions away, as a rebalance does. Without an argument: all. */
  revoke(partitions?: readonly TopicPartition[]): void;
  assign(partitions: readonly TopicPartition[]): void;
  /** A zombie does not hear that its partitions are gone: it is delivered to like before. */
  readonly handler: ConsumerHandler;
  readonly resets: TopicPartition[];
  readonly committed: Array<TopicPartition & { offset: number }>;
}

interface Log {
  all: StreamRecord[];
  /** Those that are retained. */
  records: StreamRecord[];
  low: number;
  high: number;
}

/** An in-memory stream. Every consumer is assigned all partitions of its topics at once, unless told otherwise. */
export function createFakeDriver(layout: Record<string, number>, options: { assignAll?: boolean } = {}): FakeDriver {
  const logs = new Map<string, Log>();
  for (const [topic, partitions] of Object.entries(layout)) {
    for (let partition = 0; partition < partitions; partition++) {
      logs.set(`${topic} ${partition}`, { all: [], records: [], low: 0, high: 0 });
    }
  }
  const logOf = ({ topic, partition }: TopicPartition): Log => logs.get(`${topic} ${partition}`)!;
  const wakers = new Set<() => void>();
  const wake = () => {
    const waiting = [...wakers];
    wakers.clear();
    for (const waker of waiting) waker();
  };
  const batch = (place: TopicPartition, from: number, most: number): RecordBatch | null => {
    const { records, high } = logOf(place);
    const start = records.findIndex((record) => record.offset >= from);
    if (start < 0) return null;
    return { ...place, records: records.slice(start, start + most), highWatermark: high };
  };
  const driver: FakeDriver = {
    name: 'fake',
    consumers: [],
    batchRecords: 10,
    append(topic, partition, ...values) {
      const log = logOf({ topic, partition });
      for (const value of values) {
        const offset = log.high++;
        const record = { offset, timestamp: driver.now(), key: null, value: Buffer.from(value), headers: {} };
        log.records.push(record);
        log.all.push(record);
      }
      wake();
    },
    now: () => Date.now(),
    everything() {
      return [...logs].map(([key, { all, high }]) => ({ ...placeOf(key), records: all, high }));
    },
    trim(topic, partition, low) {
      const log = logOf({ topic, partition });
      log.records = log.records.filter((record) => record.offset >= low);
      log.low = low;
    },
    async ensureTopics() {
      return new Map(Object.entries(layout));
    },
    async ends(topic) {
      return new Map((await driver.ranges(topic)).map(({ partition, high }) => [partition, high]));
    },
    async ranges(topic): Promise<PartitionRange[]> {
      return Array.from({ length: layout[topic] }, (_, partition) => {
        const { low, high } = logOf({ topic, partition });
        return { partition, low, high };
      });
    },
    async createProducer(): Promise<StreamProducer> {
      return {
        async send(records: readonly OutgoingRecord[]) {
          for (const { topic, partition, value } of records) driver.append(topic, partition, value);
        },
        async close() {},
      };
    },
    async createConsumer({ topics, handler }: ConsumerOptions): Promise<FakeConsumer> {
      const consumer = createConsumer(handler);
      driver.consumers.push(consumer);
      const all = topics.flatMap((topic) =>
        Array.from({ length: layout[topic] }, (_, partition) => ({ topic, partition })),
      );
      if (options.assignAll !== false) consumer.assign(all);
      return consumer;
    },
    async *read(topic: string, stretches: readonly OffsetRange[]) {
      for (const { partition, from, to = Number.POSITIVE_INFINITY } of stretches) {
        for (let at = from; at < to; ) {
          const next = batch({ topic, partition }, at, driver.batchRecords);
          const records = next?.records.filter((record) => record.offset < to) ?? [];
          if (next === null || records.length === 0) break;
          yield { ...next, records };
          at = records[records.length - 1].offset + 1;
        }
      }
    },
    async close() {
      for (const consumer of driver.consumers) await consumer.close();
    },
  };
  return driver;

  function createConsumer(handler: ConsumerHandler): FakeConsumer {
    const generations = new Map<string, symbol>();
    const running = new Set<Promise<void>>();
    let closed = false;
    const deliver = async (place: TopicPartition, generation: symbol) => {
      const key = `${place.topic} ${place.partition}`;
      let from: number | null | undefined;
      while (from === undefined) {
        if (closed || generations.get(key) !== generation) return;
        from = (await handler.onAssigned([place]).catch(() => [undefined]))[0];
        if (from === undefined) await new Promise((resolve) => setTimeout(resolve, 20));
      }
      let at = from ?? 0;
      while (!closed && generations.get(key) === generation) {
        const next = batch(place, at, driver.batchRecords);
        if (next === null) {
          await new Promise<void>((resolve) => wakers.add(resolve));
          continue;
        }
        at = next.records[next.records.length - 1].offset + 1;
        await handler.onBatch(next);
      }
    };
    const assign = (partitions: readonly TopicPartition[]) => {
      for (const place of partitions) {
        const generation = Symbol();
        generations.set(`${place.topic} ${place.partition}`, generation);
        const run: Promise<void> = deliver(place, generation).finally(() => running.delete(run));
        running.add(run);
      }
    };
    const revoke = (partitions: readonly TopicPartition[]) => {
      for (const { topic, partition } of partitions) generations.delete(`${topic} ${partition}`);
      handler.onRevoked(partitions);
      wake();
    };
    const consumer: FakeConsumer = {
      handler,
      resets: [],
      committed: [],
      assign,
      revoke(partitions) {
        revoke(partitions ?? [...generations.keys()].map(placeOf));
      },
      reset(partitions) {
        consumer.resets.push(...partitions);
        if (!closed) assign(partitions);
        wake();
      },
      reportCommitted(positions) {
        consumer.committed.push(...positions);
      },
      async close() {
        closed = true;
        wake();
        await Promise.all(running);
        revoke([...generations.keys()].map(placeOf));
      },
    };
    return consumer;
  }
}

function placeOf(key: string): TopicPartition {
  const [topic, partition] = key.split(' ') as [string, string];
  return { topic, partition: Number(partition) };
}
