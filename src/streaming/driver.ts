/**
 * The contract of a stream: an append-only log of topics and partitions, as in Kafka. Components state facts; the caller
 * owns every retry loop. One suite of delivery tests (test/streaming/) runs against every driver.
 *
 * Offsets are numbers: they grow by at least 1 per record of a partition and may have gaps.
 */
export interface StreamDriver {
  readonly name: string;

  /**
   * Makes missing topics where that is allowed, and answers the real number of partitions of each, which may differ from
   * the one asked for. Throws VED_TOPIC_MISSING when one is missing and must not be made.
   */
  ensureTopics(topics: readonly TopicSpec[], options: { create: boolean }): Promise<Map<string, number>>;

  /**
   * Per partition: the offset the next record will get. Asked every few seconds by every process, so it must be cheap.
   * Throws VED_TOPIC_MISSING.
   */
  ends(topic: string): Promise<Map<number, number>>;

  /** Per partition: the first retained offset and the offset the next record will get. */
  ranges(topic: string): Promise<PartitionRange[]>;

  /**
   * What tells this topic from another one of the same name that is made later, as text; null where the log cannot say.
   * Offsets stored under another identity mean nothing.
   */
  identity?(topic: string): Promise<string | null>;

  /**
   * Per partition: the first offset whose record is stamped at or after `timestampMs`, or else the end of the partition.
   * Absent: the log has to be read from its beginning.
   */
  offsetsAt?(topic: string, timestampMs: number): Promise<Map<number, number>>;

  createProducer(): Promise<StreamProducer>;

  /** Joins `group`; delivery starts when the promise resolves. */
  createConsumer(options: ConsumerOptions): Promise<StreamConsumer>;

  /**
   * Reads the given stretches outside any group, in offset order per partition, and ends when all are read. Stretches
   * beyond what is retained end early. A stretch without `to` is followed for ever, until `signal` aborts.
   */
  read(topic: string, stretches: readonly Stretch[], signal?: AbortSignal): AsyncIterable<RecordBatch>;

  /** Closes what this driver opened, producers and consumers included. */
  close(): Promise<void>;
}

export interface TopicSpec {
  topic: string;
  partitions: number;
  replication?: number;
  retentionMs?: number;
}

export interface PartitionRange {
  partition: number;
  low: number;
  high: number;
}

export interface Stretch {
  partition: number;
  /** First offset wanted. */
  from: number;
  /** First offset not wanted any more. */
  to?: number;
}

export interface OutgoingRecord {
  topic: string;
  partition: number;
  key?: string;
  value: Buffer;
  headers?: Record<string, string>;
}

export interface StreamProducer {
  /**
   * Appends the records, in the given order per partition. Resolves only when the log has acknowledged all of them
   * (Kafka: idempotent, acks=all). Rejects when that is not known: the records may or may not be in the log, and the
   * caller sends them again (readers drop the repetition). Callers never have two sends with records of one partition
   * under way: order per partition is theirs to keep that way.
   */
  send(records: readonly OutgoingRecord[]): Promise<void>;
  close(): Promise<void>;
}

export interface StreamRecord {
  offset: number;
  /** ms since the epoch at which the log (or the producer) stamped it. */
  timestamp: number;
  key: Buffer | null;
  value: Buffer;
  headers: Record<string, string>;
}

export interface RecordBatch {
  topic: string;
  partition: number;
  /** Ascending offsets, never empty. */
  records: StreamRecord[];
  /** The offset the next record of the partition will get, as far as known: the lag is highWatermark - last offset - 1. */
  highWatermark: number;
}

export interface TopicPartition {
  topic: string;
  partition: number;
}

export interface ConsumerOptions {
  group: string;
  topics: readonly string[];
  handler: ConsumerHandler;
}

/** What the driver calls. It never calls `onBatch` twice at a time for one partition. */
export interface ConsumerHandler {
  /**
   * The partitions are now this consumer's. Answers the offset each is to be read from (`null`: from the first retained
   * one); nothing of a partition is delivered before. If it rejects, the driver gives the partitions up and tries again;
   * with VED_OFFSET_LOST they are lost, and it asks again seldom. An offset that is gone or beyond the end is lost too:
   * reading on anywhere else would leave results out, or count those of another topic of the same name.
   */
  onAssigned(partitions: readonly TopicPartition[]): Promise<Array<number | null>>;
  /** The partitions are gone. Must return at once: nothing may be awaited inside a revoke. */
  onRevoked(partitions: readonly TopicPartition[]): void;
  /**
   * Records of an assigned partition. The driver waits for the promise before it delivers more of that partition: that
   * is the back pressure. It must not reject; a handler that cannot go on calls `consumer.reset`.
   */
  onBatch(batch: RecordBatch): Promise<void>;
  /**
   * The consumer cannot go on by itself (authorization, topic gone). It keeps trying; the text is for the log and
   * readiness. `lost`: only this partition is meant, and nothing of it is delivered before its stored offset is set anew.
   */
  onError(error: unknown, lost?: TopicPartition): void;
}

export interface StreamConsumer {
  /** Drops what is buffered of these partitions and assigns them anew: `onAssigned` is asked again where to go on. */
  reset(partitions: readonly TopicPartition[]): void;
  /** Tells the log how far a group has come, for lag tools only. Best effort: failures are logged and swallowed. */
  reportCommitted(positions: ReadonlyArray<TopicPartition & { offset: number }>): void;
  /** Stops delivery (running `onBatch` calls are awaited), leaves the group, revokes everything. */
  close(): Promise<void>;
}
