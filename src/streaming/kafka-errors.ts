import { VedetteError } from '../errors.ts';
import type { KafkaOptions } from './kafka-options.ts';

export function topicMissing(topic: string, why: string, cause?: unknown): VedetteError {
  return new VedetteError('VED_TOPIC_MISSING', `Topic ${topic} does not exist ${why}`, { cause });
}

export function streamUnavailable(options: KafkaOptions, what: string, cause?: unknown): VedetteError {
  const at = options.bootstrapServers.join(',');
  return new VedetteError('VED_STREAM_UNAVAILABLE', `Kafka at ${at}: ${what}${hintFor(what)}`, { cause });
}

/** Whether brokers were there and refused us for a reason that stays: waiting does not help. */
export function isRefused(error: Error): boolean {
  return hintFor(error.message.replace(/^Kafka at \S+: /, '')) !== '';
}

/** What the texts of TLS and SASL failures mean for the person who has to act. */
function hintFor(text: string): string {
  if (/certificate verify failed|unable to (get|verify)|self.signed|SELF_SIGNED/i.test(text)) {
    return " (the broker's certificate is not signed by the given CA, or is of another host: see kafka.tls.ca)";
  }
  if (/altnames|hostname mismatch|IP address mismatch/i.test(text)) {
    return ' (the certificate is of another host than the one connected to)';
  }
  if (/bad certificate|certificate required|alert (unknown|certificate)|unknown ca|handshake failure/i.test(text)) {
    return ' (the broker does not accept the client certificate: see kafka.tls.certificate and key)';
  }
  if (/authentication|SASL/i.test(text)) return ' (see kafka.sasl: mechanism, user, password)';
  return '';
}
