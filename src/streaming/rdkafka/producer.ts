import { setTimeout as delay } from 'node:timers/promises';
import { VedetteError } from '../../errors.ts';
import type { OutgoingRecord, ProducerOptions, StreamProducer } from '../driver.ts';
import { streamUnavailable, topicMissing } from '../kafka/errors.ts';
import type { Startable } from '../kafka/index.ts';
import type { KafkaOptions } from '../kafka/options.ts';
import { compressionCodec, connectionConfig } from './config.ts';
import { RD, RD_EVENT, type RdError, type RdkafkaModule } from './module.ts';
import { connectProducer, type PolledProducer } from './polled.ts';

/** The caller that closes a producer has waited for its sends. */
const FLUSH_MS = 1_000;
const MISSING: ReadonlySet<number> = new Set([RD.unknownTopic, RD.unknownPartition, RD.unknownTopicOrPartition]);

/** librdkafka's own timeout comes first where it comes at all. */
const EXPIRY_MARGIN_MS = 1_000;
/** Reports come without a number. */
const TIMED_OUT_TEXT = /message timed out/i;
const MISSING_TEXT = /unknown (topic|partition)/i;

/** The records of one `send` that the broker has not answered for yet. */
interface Pending {
  polled: PolledProducer;
  left: number;
  error: RdError | undefined;
  resolve(): void;
  reject(error: unknown): void;
  settled: () => void;
  topic: string;
}

export class RdkafkaProducer implements Startable<StreamProducer> {
  readonly #module: RdkafkaModule;
  readonly #options: KafkaOptions;
  readonly #readers: ProducerOptions['readers'];
  #current: Promise<PolledProducer> | undefined;
  readonly #pending = new Set<Pending>();
  #isClosed = false;

  constructor(module: RdkafkaModule, options: KafkaOptions, readers?: ProducerOptions['readers']) {
    this.#module = module;
    this.#options = options;
    this.#readers = readers;
  }

  async start(): Promise<void> {
    await this.#connected();
  }

  async send(records: readonly OutgoingRecord[]): Promise<void> {
    if (this.#isClosed) throw new VedetteError('VED_STREAM_UNAVAILABLE', 'The producer is closed');
    const [first] = records;
    if (!first) return;
    const polled = await this.#connected();
    await new Promise<void>((resolve, reject) => {
      const ends = { resolve, reject, settled: () => undefined };
      const pending: Pending = { polled, left: 1, error: undefined, topic: first.topic, ...ends };
      this.#pending.add(pending);
      const timer = setTimeout(() => this.#expire(pending), this.#timeoutMs + EXPIRY_MARGIN_MS).unref();
      pending.settled = () => clearTimeout(timer);
      this.#produceAll(polled, records, pending).then(
        () => this.#settle(pending, undefined),
        (error: RdError) => this.#settle(pending, error),
      );
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const current = this.#current;
    this.#current = undefined;
    // One that never connected has nothing to close.
    await current?.then((polled) => this.#end(polled, FLUSH_MS)).catch(() => undefined);
  }

  #connected(): Promise<PolledProducer> {
    if (this.#current) return this.#current;
    const connecting = this.#connect();
    this.#current = connecting;
    connecting.catch(() => this.#discard(connecting));
    return connecting;
  }

  async #connect(): Promise<PolledProducer> {
    const requestMs = Math.max(500, Math.min(this.#options.requestTimeoutMs, this.#timeoutMs / 2));
    const config = {
      ...connectionConfig(this.#options),
      'enable.idempotence': true,
      acks: 'all',
      'compression.codec': compressionCodec(this.#module, this.#options, this.#readers),
      // The publisher has collected already: records are sent at once.
      'linger.ms': 0,
      'queue.buffering.max.messages': 100_000,
      'queue.buffering.max.kbytes': 128 * 1024,
      'message.max.bytes': 1_000_000,
      'message.timeout.ms': this.#timeoutMs,
      // Records at the broker do not time out before their request does.
      'socket.timeout.ms': requestMs,
      'request.timeout.ms': requestMs,
      'topic.metadata.propagation.max.ms': 5_000,
      dr_cb: true,
    };
    const polled = await connectProducer(this.#module, config, this.#options);
    polled.producer.on('delivery-report', (error, { opaque }) => {
      polled.outstanding--;
      this.#settle(opaque as Pending, error ?? undefined);
    });
    polled.producer.on('event.error', (error) => {
      // A fatal error ends this producer for good; records under way are reported as failed, the next send gets a new one.
      if (RD_EVENT.fatal.test(error.message)) this.#discard(this.#current);
    });
    return polled;
  }

  async #produceAll(polled: PolledProducer, records: readonly OutgoingRecord[], pending: Pending): Promise<void> {
    for (const record of records) {
      pending.left++;
      if (polled.outstanding++ === 0) polled.wake();
      try {
        while (!this.#produce(polled.producer, record, pending)) await delay(5);
      } catch (error) {
        // Nothing was queued for this one: no report will come.
        pending.left--;
        polled.outstanding--;
        throw error;
      }
    }
  }

  /** False when librdkafka's queue is full: its reports make room. */
  #produce(producer: PolledProducer['producer'], record: OutgoingRecord, pending: Pending): boolean {
    const headers = record.headers && Object.entries(record.headers).map(([name, value]) => ({ [name]: value }));
    try {
      producer.produce(record.topic, record.partition, record.value, record.key ?? null, null, pending, headers);
      return true;
    } catch (error) {
      if ((error as RdError).code === RD.queueFull) return false;
      throw error;
    }
  }

  #settle(pending: Pending, error: RdError | undefined): void {
    pending.error ??= error;
    if (--pending.left > 0 || !this.#pending.delete(pending)) return;
    pending.settled();
    const { error: failure, topic, polled } = pending;
    if (!failure) pending.resolve();
    else if (MISSING.has(failure.code) || MISSING_TEXT.test(failure.message))
      pending.reject(topicMissing(topic, 'on the broker', failure));
    else {
      const reason = TIMED_OUT_TEXT.test(failure.message)
        ? `${failure.message}, ${polled.failures.reason(failure)}`
        : failure.message;
      pending.reject(streamUnavailable(this.#options, reason, failure));
    }
  }

  /**
   * An idempotent librdkafka waits without end for records that a frozen broker may have written already. The send fails
   * instead: the caller sends again, through a new producer, and readers drop the repetition.
   */
  #expire(pending: Pending): void {
    if (!this.#pending.delete(pending)) return;
    const reason = pending.polled.failures.reason(new Error('no answer'));
    pending.reject(streamUnavailable(this.#options, `not acknowledged within ${this.#timeoutMs} ms, ${reason}`));
    const current = this.#current;
    void current?.then((polled) => {
      if (polled === pending.polled) this.#discard(current);
    });
  }

  #discard(failed: Promise<PolledProducer> | undefined): void {
    if (this.#current !== failed) return;
    this.#current = undefined;
    void failed?.then((polled) => this.#end(polled, 0)).catch(() => undefined);
  }

  async #end(polled: PolledProducer, flushMs: number): Promise<void> {
    await polled.close(flushMs);
    // librdkafka gives no reports for records that it purges.
    for (const pending of this.#pending) {
      if (pending.polled !== polled) continue;
      this.#pending.delete(pending);
      pending.settled();
      pending.reject(streamUnavailable(this.#options, 'the producer was closed before the broker answered'));
    }
  }

  get #timeoutMs(): number {
    return this.#options.deliveryTimeoutMs;
  }
}
