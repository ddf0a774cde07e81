import { streamUnavailable } from '../kafka/errors.ts';
import type { KafkaOptions } from '../kafka/options.ts';
import { disconnected, FailureLog } from './config.ts';
import type { RdkafkaModule, RdProducer } from './module.ts';

const BUSY_POLL_MS = 2;
const IDLE_POLL_MS = 250;
const CONNECT_MS = 8_000;
/** After so long a refusal that will not change by itself (TLS, SASL) ends the attempt. */
const REFUSED_MS = 1_500;
const REFUSALS = /ssl|certificate|sasl|authenticat/i;

export interface PolledProducer {
  readonly producer: RdProducer;
  readonly failures: FailureLog;
  /** Records without a report: while there are any, reports are fetched every 2 ms. `wake` when it was 0. */
  outstanding: number;
  wake(): void;
  /** Waits at most so long for queued records. */
  close(flushMs: number): Promise<void>;
}

/**
 * A connected librdkafka producer whose callbacks are served. Rejects with VED_STREAM_UNAVAILABLE and the reason that
 * librdkafka gave last, because its own error is only a timeout.
 */
export async function connectProducer(
  module: RdkafkaModule,
  config: object,
  options: KafkaOptions,
): Promise<PolledProducer> {
  const producer = createProducer(module, config, options);
  const failures = new FailureLog(producer, options.logger);
  producer.on('event.error', (error) => options.logger.debug({ err: error }, 'librdkafka producer'));
  let timer: NodeJS.Timeout | undefined;
  const polled: PolledProducer = {
    producer,
    failures,
    outstanding: 1,
    wake: () => schedule(BUSY_POLL_MS),
    close: async (flushMs) => {
      if (producer.isConnected()) await disconnected((done) => producer.disconnect(flushMs, done), options);
      clearTimeout(timer);
    },
  };
  const poll = () => {
    try {
      if (producer.isConnected()) producer.poll();
    } catch {
      // It is disconnecting: the native client is gone a little before its wrapper knows.
    }
    schedule(polled.outstanding > 0 ? BUSY_POLL_MS : IDLE_POLL_MS);
  };
  const schedule = (delayMs: number) => {
    clearTimeout(timer);
    timer = setTimeout(poll, delayMs).unref();
  };
  poll();
  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error) => {
      clearTimeout(timer);
      clearTimeout(refused);
      reject(streamUnavailable(options, failures.reason(error), error));
    };
    const refused = setTimeout(() => {
      const error = new Error('the broker refused the connection');
      if (REFUSALS.test(failures.reason(error))) fail(error);
    }, REFUSED_MS).unref();
    // A refused client still ends its own attempt, and closes itself when that fails.
    producer.connect({ timeout: CONNECT_MS, allTopics: true }, (error) => {
      if (error) return fail(error);
      clearTimeout(refused);
      resolve();
    });
  });
  polled.outstanding = 0;
  return polled;
}

/** librdkafka refuses only wrong settings at once, such as an invalid certificate. */
function createProducer(module: RdkafkaModule, config: object, options: KafkaOptions): RdProducer {
  try {
    return new module.Producer(config, {});
  } catch (error) {
    throw streamUnavailable(options, (error as Error).message, error);
  }
}
