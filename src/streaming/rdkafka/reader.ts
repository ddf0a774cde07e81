import { elementAt } from '../../core/element-at.ts';
import { firstOf } from '../../core/first-of.ts';
import type { RecordBatch } from '../driver.ts';
import { streamUnavailable } from '../kafka/errors.ts';
import type { OpenRange } from '../kafka/offset-ranges.ts';
import type { KafkaOptions } from '../kafka/options.ts';
import { connectionConfig, disconnected, FailureLog } from './config.ts';
import type { RdConsumer, RdError, RdkafkaModule, RdMessage } from './module.ts';
import { MessagePoll } from './poll.ts';
import { byPartition, toRecord } from './records.ts';

const CONNECT_MS = 10_000;
/** An end that no record has (the marks of foreign transactions have offsets too) is passed when nothing comes so long. */
const SILENCE_MS = 5_000;

/** Reads without joining a group: partitions assigned by hand. */
export async function* readRanges(
  module: RdkafkaModule,
  options: KafkaOptions,
  topic: string,
  ranges: readonly OpenRange[],
  signal: AbortSignal,
): AsyncGenerator<RecordBatch> {
  let open = [...ranges];
  const consumer = await connect(module, options, topic);
  try {
    consumer.assign(open.map(({ partition, next }) => ({ topic, partition, offset: next })));
    const poll = new MessagePoll(consumer);
    let lastMs = performance.now();
    while (open.length > 0 && !signal.aborted) {
      const messages = await poll.next().catch((error: RdError) => {
        options.logger.debug({ err: error }, 'librdkafka reader');
        return [];
      });
      if (messages.length > 0) lastMs = performance.now();
      for (const group of byPartition(messages)) {
        const { partition: read } = firstOf(group);
        const range = open.find(({ partition }) => partition === read);
        const batch = range && toBatch(consumer, topic, range, group);
        if (batch && !signal.aborted) yield batch;
      }
      const isSilent = performance.now() - lastMs > SILENCE_MS;
      open = open.filter(({ next, end }) => next < end && !(isSilent && end !== Number.POSITIVE_INFINITY));
    }
  } finally {
    await disconnected((done) => consumer.disconnect(done), options);
  }
}

async function connect(module: RdkafkaModule, options: KafkaOptions, topic: string): Promise<RdConsumer> {
  const config = {
    ...connectionConfig(options),
    // librdkafka wants a name; no group is joined and nothing is committed under it.
    'group.id': `${options.clientId}-reader`,
    'enable.auto.commit': false,
    'enable.auto.offset.store': false,
    'check.crcs': true,
    'fetch.queue.backoff.ms': 2,
    'fetch.wait.max.ms': 100,
    'queued.max.messages.kbytes': 16 * 1024,
  };
  const consumer = new module.KafkaConsumer(config, { 'auto.offset.reset': 'earliest' });
  const failures = new FailureLog(consumer, options.logger);
  consumer.on('event.error', (error) => options.logger.debug({ err: error }, 'librdkafka reader'));
  await new Promise<void>((resolve, reject) => {
    consumer.connect({ timeout: CONNECT_MS, topic }, (error) => {
      if (error) reject(streamUnavailable(options, failures.reason(error), error));
      else resolve();
    });
  });
  return consumer;
}

/** Moves the range on and returns its records; undefined when there are none. */
function toBatch(
  consumer: RdConsumer,
  topic: string,
  range: OpenRange,
  messages: readonly RdMessage[],
): RecordBatch | undefined {
  const { partition, next, end } = range;
  range.next = Math.max(next, elementAt(messages, messages.length - 1).offset + 1);
  const records = messages.filter(({ offset }) => offset >= next && offset < end).map(toRecord);
  if (records.length === 0) return undefined;
  const { highOffset } = consumer.getWatermarkOffsets(topic, partition);
  return { topic, partition, records, highWatermark: Math.max(highOffset, range.next) };
}
