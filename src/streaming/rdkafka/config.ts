import { rootCertificates } from 'node:tls';
import { exitWithout } from '../../core/exit.ts';
import type { Logger } from '../../core/logger.ts';
import { VedetteError } from '../../errors.ts';
import type { ProducerOptions } from '../driver.ts';
import { awaitDisconnect } from '../kafka/disconnect.ts';
import { lz4 } from '../kafka/lz4.ts';
import type { KafkaOptions } from '../kafka/options.ts';
import type { RdkafkaModule } from './module.ts';

type Value = string | number | boolean;

/** librdkafka's settings of how to reach the brokers. */
export function connectionConfig(options: KafkaOptions): Record<string, Value> {
  const { tls, sasl, metadataMaxAgeMs } = options;
  return {
    'client.id': options.clientId,
    'bootstrap.servers': options.bootstrapServers.join(','),
    'security.protocol': sasl ? (tls ? 'sasl_ssl' : 'sasl_plaintext') : tls ? 'ssl' : 'plaintext',
    ...(tls && {
      'ssl.ca.pem': tls.ca ?? rootCertificates.join('\n'),
      'ssl.endpoint.identification.algorithm': 'https',
      'enable.ssl.certificate.verification': true,
      ...(tls.certificate !== null && { 'ssl.certificate.pem': tls.certificate }),
      ...(tls.key !== null && { 'ssl.key.pem': tls.key }),
    }),
    ...(sasl && {
      'sasl.mechanisms': sasl.mechanism.toUpperCase(),
      'sasl.username': sasl.user,
      'sasl.password': sasl.password,
    }),
    'socket.keepalive.enable': true,
    'socket.nagle.disable': true,
    'socket.connection.setup.timeout.ms': 10_000,
    // A frozen broker keeps its connections: only a request without an answer shows it.
    'socket.timeout.ms': options.requestTimeoutMs,
    'reconnect.backoff.ms': 100,
    'reconnect.backoff.max.ms': 2_000,
    'topic.metadata.refresh.interval.ms': metadataMaxAgeMs,
    'metadata.max.age.ms': metadataMaxAgeMs * 3,
    // Seven lets everything through that librdkafka logs: debug is only switched on by its own setting.
    log_level: 6,
  };
}

/** Throws VED_DRIVER_UNAVAILABLE for a compression that librdkafka was compiled without. */
export function compressionCodec(
  { features }: RdkafkaModule,
  { compression }: KafkaOptions,
  readers?: ProducerOptions['readers'],
): string {
  if (compression === 'auto' && readers === 'any') return features.includes('gzip') ? 'gzip' : 'none';
  // lz4 is always in librdkafka; but a kafkajs reader of this installation must be able to read it too.
  if (compression === 'auto') return lz4() ? 'lz4' : 'none';
  if (compression === 'none' || features.includes(compression)) return compression;
  throw new VedetteError(
    'VED_DRIVER_UNAVAILABLE',
    `kafka.compression is ${compression}, but node-rdkafka was compiled without it (it has ${features.join(' ')})`,
  );
}

/**
 * Runs `disconnect` and waits until it is done, but not for brokers that are away: it goes on in librdkafka's threads
 * then.
 */
export function disconnected(
  disconnect: (done: () => void) => unknown,
  { logger }: Pick<KafkaOptions, 'logger'>,
): Promise<void> {
  return awaitDisconnect(exitWithout(new Promise<void>((resolve) => void disconnect(resolve))), logger);
}

/** Most errors of librdkafka heal by themselves: they are logged as detail, unless the driver reports them. */
function logTo(logger: Logger): (entry: LibrdkafkaLog) => void {
  return ({ severity, fac, message }) => {
    if (severity <= 4) logger.debug({ librdkafka: fac, detail: message }, 'librdkafka');
    else logger.trace({ librdkafka: fac, detail: message }, 'librdkafka');
  };
}

/**
 * Keeps the last reason of a failed connection: node-rdkafka's errors only name the kind, and failed questions only
 * report a timeout.
 */
export class FailureLog {
  #reason: string | undefined;

  constructor(client: { on(event: 'event.log', listener: (entry: LibrdkafkaLog) => void): void }, logger: Logger) {
    const log = logTo(logger);
    client.on('event.log', (entry) => {
      log(entry);
      if (entry.fac !== 'FAIL' && entry.severity > 3) return;
      const text = entry.message.replace(/^\[thrd:[^\]]*\]:\s*/, '').replace(/\s*\(after \d+ms in state .*$/, '');
      // The event of all brokers being down only follows from the reason.
      if (!/brokers are down/.test(text)) this.#reason = text;
    });
  }

  reason(error: Error): string {
    return this.#reason ?? error.message;
  }
}

export interface LibrdkafkaLog {
  severity: number;
  fac: string;
  message: string;
}
