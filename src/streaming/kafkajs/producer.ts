import type { Producer, RecordMetadata, TopicMessages } from 'kafkajs';
import { withDeadline } from '../../core/deadline.ts';
import { VedetteError } from '../../errors.ts';
import type { OutgoingRecord, ProducerOptions, StreamProducer } from '../driver.ts';
import { awaitDisconnect } from '../kafka/disconnect.ts';
import { streamUnavailable, topicMissing } from '../kafka/errors.ts';
import type { Startable } from '../kafka/index.ts';
import type { KafkaOptions } from '../kafka/options.ts';
import { errorType, messageOf } from './admin.ts';
import { createClient, type KafkaJs } from './client.ts';
import { compressionType } from './codecs.ts';

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 2_000;
/** kafkajs doubles the wait before each retry, give or take a fifth. */
const RETRY_GROWTH = 2 * 1.2;

export class KafkajsProducer implements Startable<StreamProducer> {
  readonly #kafkajs: KafkaJs;
  readonly #options: KafkaOptions;
  readonly #compression: number;
  #producer: Promise<Producer> | undefined;
  #isClosed = false;

  constructor(kafkajs: KafkaJs, options: KafkaOptions, readers?: ProducerOptions['readers']) {
    this.#kafkajs = kafkajs;
    this.#options = options;
    this.#compression = compressionType(kafkajs, options.compression, readers);
  }

  async start(): Promise<void> {
    try {
      await this.#connected();
    } catch (error) {
      throw this.#translate(error, '');
    }
  }

  async send(records: readonly OutgoingRecord[]): Promise<void> {
    if (this.#isClosed) throw new VedetteError('VED_STREAM_UNAVAILABLE', 'The producer is closed');
    const [first] = records;
    if (!first) return;
    let producer: Promise<Producer> | undefined;
    try {
      producer = this.#connected();
      const batch = { acks: -1, compression: this.#compression, topicMessages: byTopic(records) };
      const sent = (await producer).sendBatch(batch);
      assertAcknowledged(records, await withDeadline(sent, this.#options.deliveryTimeoutMs, 'not acknowledged'));
    } catch (error) {
      this.#discard(producer);
      throw this.#translate(error, first.topic);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const producer = this.#producer;
    this.#producer = undefined;
    // One that never connected, or lost its broker, has nothing to disconnect from.
    await awaitDisconnect(
      producer?.then((connected) => connected.disconnect()),
      this.#options.logger,
    );
  }

  #connected(): Promise<Producer> {
    this.#producer ??= this.#connect();
    return this.#producer;
  }

  async #connect(): Promise<Producer> {
    const producer = createClient(this.#kafkajs, this.#options).producer({
      idempotent: true,
      allowAutoTopicCreation: false,
      createPartitioner: this.#kafkajs.Partitioners.DefaultPartitioner,
      retry: {
        ...{ initialRetryTime: FIRST_RETRY_MS, maxRetryTime: LONGEST_RETRY_MS },
        retries: retriesWithin(this.#options.deliveryTimeoutMs),
      },
    });
    await producer.connect();
    return producer;
  }

  /**
   * After a failure it is not known which sequence numbers the broker has seen. kafkajs would use the same ones again for
   * the next records, and the broker would take those for repetitions and drop them: so a new identity.
   */
  #discard(producer: Promise<Producer> | undefined): void {
    if (this.#producer !== producer) return;
    this.#producer = undefined;
    void producer?.then((failed) => failed.disconnect()).catch(() => undefined);
  }

  #translate(error: unknown, topic: string): unknown {
    if (error instanceof VedetteError) return error;
    if (errorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION') return topicMissing(topic, 'on the broker', error);
    return streamUnavailable(this.#options, messageOf(error), error);
  }
}

/** As many as surely end before the deadline: only a kafkajs that gives up by itself says why. At least one. */
function retriesWithin(limitMs: number): number {
  let retries = 0;
  let waitMs = FIRST_RETRY_MS * 1.2;
  for (let passedMs = waitMs; passedMs < limitMs; passedMs += waitMs) {
    retries++;
    waitMs = Math.min(waitMs * RETRY_GROWTH, LONGEST_RETRY_MS);
  }
  return Math.max(1, retries);
}

function byTopic(records: readonly OutgoingRecord[]): TopicMessages[] {
  const topics = new Map<string, TopicMessages>();
  for (const { topic, partition, key, value, headers } of records) {
    let entry = topics.get(topic);
    if (!entry) {
      entry = { topic, messages: [] };
      topics.set(topic, entry);
    }
    entry.messages.push({ partition, value, ...(key !== undefined && { key }), ...(headers && { headers }) });
  }
  return [...topics.values()];
}

/**
 * kafkajs remembers acknowledgements by broker. When a leader is lost and its partition goes to a broker that has answered
 * for other partitions of the same batch, it takes that answer for the moved partition too, sends nothing and resolves.
 */
function assertAcknowledged(records: readonly OutgoingRecord[], answers: ReadonlyArray<RecordMetadata | null>): void {
  const acknowledged = new Set(answers.map((answer) => `${answer?.partition}/${answer?.topicName}`));
  for (const { topic, partition } of records) {
    if (acknowledged.has(`${partition}/${topic}`)) continue;
    throw new Error(`partition ${partition} of topic ${topic} was not acknowledged: its leader has changed`);
  }
}
