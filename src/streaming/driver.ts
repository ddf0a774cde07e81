/**
 * The contract of a stream: an append-only log of topics and partitions, as in Kafka. Components state facts; the caller
 * owns every retry loop. One suite of delivery tests (test/streaming/) runs against every driver.
 *
 * Offsets are numbers: they grow by at least 1 per record of a partition and may have gaps.
 */
export interface StreamDriver {
  readonly name: string;

  /**
   * Creates missing topics if `create` is set, and returns the real number of partitions of each topic, which may differ
   * from the wanted one. Throws VED_TOPIC_MISSING when one is missing and must not be created.
   */
  ensureTopics(topics: readonly TopicSpec[], options: { create: boolean }): Promise<Map<string, number>>;

  /**
   * Per partition: the offset the next record will get. Every process calls it every few seconds, so it must be cheap.
   * Throws VED_TOPIC_MISSING.
   */
  ends(topic: string): Promise<Map<number, number>>;

  /** Per partition: the first retained offset and the offset the next record will get. */
  ranges(topic: string): Promise<PartitionRange[]>;

  /**
   * An id that tells this topic from a later one of the same name; null where the log has none. Offsets stored under
   * another identity mean nothing.
   */
  identity?(topic: string): Promise<string | null>;

  /**
   * Per partition: the first offset whose record is stamped at or after `timestampMs`, or else the end of the partition.
   * Absent: the log has to be read from its beginning.
   */
  offsetsAt?(topic: string, timestampMs: number): Promise<Map<number, number>>;

  createProducer(options?: ProducerOptions): Promise<StreamProducer>;

  /** Joins `group`. Delivery starts when the promise resolves. */
  createConsumer(options: ConsumerOptions): Promise<StreamConsumer>;

  /**
   * Reads the given ranges outside any group, in offset order per partition, and ends when all are read. Parts that are
   * not retained are left out. A range without `to` is followed until `signal` aborts.
   */
  read(topic: string, ranges: readonly OffsetRange[], signal?: AbortSignal): AsyncIterable<RecordBatch>;

  /** Closes everything that this driver opened, producers and consumers included. */
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

export interface OffsetRange {
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

export interface ProducerOptions {
  /**
   * The programs that read the records. `any`: where the settings leave the compression open, it is one that every client
   * of the log can unpack. Default: `own`, drivers of this folder only.
   */
  readers?: 'own' | 'any' | undefined;
}

export interface StreamProducer {
  /**
   * Appends the records, in the given order per partition. Resolves only when the log has acknowledged all of them
   * (Kafka: idempotent, acks=all). Rejects when that is not known: the records may or may not be in the log, and the
   * caller sends them again (readers drop the repetition). To keep the order per partition, a caller never has two sends
   * with records of one partition under way.
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

/** The callbacks of a consumer. The driver never calls `onBatch` twice at a time for one partition. */
export interface ConsumerHandler {
  /**
   * Whether the handler needs no key and no value of a record any more once `onBatch` resolves: their memory may be used
   * for other records then. Default false.
   */
  readonly releasesRecords?: boolean;
  /**
   * The partitions are now this consumer's. Returns the offset to read each from (`null`: from the first retained one);
   * nothing of a partition is delivered before. If it rejects, the driver tries again, and may give the partitions up
   * meanwhile; with VED_OFFSET_LOST they are lost, and it asks again every 30 s. An offset that is gone or beyond the end
   * is lost too: reading on anywhere else would leave results out, or count those of another topic of the same name.
   */
  onAssigned(partitions: readonly TopicPartition[]): Promise<Array<number | null>>;
  /** The partitions are gone. Must return at once: nothing may be awaited inside a revoke. */
  onRevoked(partitions: readonly TopicPartition[]): void;
  /**
   * Records of an assigned partition. The driver waits for the promise before it delivers more of that partition, which
   * is the back pressure. It must not reject; a handler that cannot go on calls `consumer.reset`.
   */
  onBatch(batch: RecordBatch): Promise<void>;
  /**
   * The consumer cannot go on by itself (authorization, topic gone). It keeps trying; the text is for the log and
   * readiness. `lost`: only this partition is meant, and nothing of it is delivered before its stored offset is set again.
   */
  onError(error: unknown, lost?: TopicPartition): void;
}

export interface StreamConsumer {
  /** Drops the buffered records of these partitions and assigns them again: `onAssigned` says where to go on. */
  reset(partitions: readonly TopicPartition[]): void;
  /** Commits the group's offsets to the log, for lag tools only. Best effort: failures are logged and swallowed. */
  reportCommitted(positions: ReadonlyArray<TopicPartition & { offset: number }>): void;
  /** Stops delivery (running `onBatch` calls are awaited), leaves the group, revokes everything. */
  close(): Promise<void>;
}
