import { rootCertificates } from 'node:tls';
import type { Logger } from '../core/logger.ts';
import { VedetteError } from '../errors.ts';
import { lz4 } from './kafka-lz4.ts';
import type { KafkaOptions } from './kafka-options.ts';
import type { RdkafkaModule } from './rdkafka-module.ts';

type Value = string | number | boolean;

/** librdkafka's settings that say how to reach the brokers. */
export function connectionConfig(options: KafkaOptions): Record<string, Value> {
  const { tls, sasl } = options;
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
    'reconnect.backoff.ms': 100,
    'reconnect.backoff.max.ms': 2_000,
    'topic.metadata.refresh.interval.ms': 60_000,
    'metadata.max.age.ms': 180_000,
    // Seven is what librdkafka itself logs: debug is only switched on by its own setting.
    log_level: 6,
  };
}

/** Throws VED_DRIVER_UNAVAILABLE for a compression that librdkafka was compiled without. */
export function compressionCodec({ features }: RdkafkaModule, { compression }: KafkaOptions): string {
  // lz4 is always in librdkafka; but a kafkajs reader of this installation must be able to read it too.
  if (compression === 'auto') return lz4() ? 'lz4' : 'none';
  if (compression === 'none' || features.includes(compression)) return compression;
  throw new VedetteError(
    'VED_DRIVER_UNAVAILABLE',
    `kafka.compression is ${compression}, but node-rdkafka was compiled without it (it has ${features.join(' ')})`,
  );
}

/** What librdkafka calls an error heals by itself more often than not: detail, unless the driver reports it. */
export function logTo(logger: Logger): (entry: { severity: number; fac: string; message: string }) => void {
  return ({ severity, fac, message }) => {
    if (severity <= 4) logger.debug({ librdkafka: fac, detail: message }, 'librdkafka');
    else logger.trace({ librdkafka: fac, detail: message }, 'librdkafka');
  };
}
