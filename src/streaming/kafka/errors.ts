import { VedetteError } from '../../errors.ts';
import type { KafkaOptions } from './options.ts';

export function topicMissing(topic: string, why: string, cause?: unknown): VedetteError {
  return new VedetteError('VED_TOPIC_MISSING', `Topic ${topic} does not exist ${why}`, { cause });
}

export function streamUnavailable(options: KafkaOptions, what: string, cause?: unknown): VedetteError {
  const at = options.bootstrapServers.join(',');
  const hint = hintFor(what);
  const text = `Kafka at ${at}: ${what}${hint === null ? '' : ` (${hint.text})`}`;
  return new VedetteError('VED_STREAM_UNAVAILABLE', text, { cause });
}

/** Whether brokers were there and refused us for a reason that stays: waiting does not help. */
export function isRefused(error: Error): boolean {
  return hintFor(error.message.replace(/^Kafka at \S+: /, ''))?.stays === true;
}

interface Hint {
  pattern: RegExp;
  /** Its meaning for the person who has to act. */
  text: string;
  /** Whether it stays until somebody acts; otherwise the broker may come. */
  stays: boolean;
}

const HINTS: readonly Hint[] = [
  {
    pattern: /certificate verify failed|unable to (get|verify)|self.signed|SELF_SIGNED/i,
    text: "the broker's certificate is not signed by the given CA, or is of another host: see kafka.tls.ca",
    stays: true,
  },
  {
    pattern: /altnames|hostname mismatch|IP address mismatch/i,
    text: 'the certificate is of another host than the one connected to',
    stays: true,
  },
  {
    pattern: /bad certificate|certificate required|alert (unknown|certificate)|unknown ca|handshake failure/i,
    text: 'the broker does not accept the client certificate: see kafka.tls.certificate and key',
    stays: true,
  },
  { pattern: /authentication|SASL/i, text: 'see kafka.sasl: mechanism, user, password', stays: true },
  {
    pattern: /ENOTFOUND|EAI_AGAIN|resolve|name or service not known/i,
    text: 'the name is not known here: see kafka.bootstrap_servers, and the DNS',
    stays: false,
  },
  {
    pattern: /ECONNREFUSED|connection refused|brokers? (are )?down|transport failure/i,
    text: 'is Kafka running there, and is kafka.bootstrap_servers right?',
    stays: false,
  },
];

const hintFor = (text: string): Hint | null => HINTS.find(({ pattern }) => pattern.test(text)) ?? null;
