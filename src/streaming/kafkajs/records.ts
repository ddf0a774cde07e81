import type { KafkaMessage } from 'kafkajs';
import type { StreamRecord } from '../driver.ts';

const EMPTY = Buffer.alloc(0);

export function toRecord({ offset, timestamp, key, value, headers }: KafkaMessage): StreamRecord {
  return {
    offset: Number(offset),
    timestamp: Number(timestamp),
    key,
    value: value ?? EMPTY,
    headers: headers ? toHeaders(headers) : {},
  };
}

function toHeaders(given: NonNullable<KafkaMessage['headers']>): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    const last = Array.isArray(value) ? value.at(-1) : value;
    headers[name] = last === undefined ? '' : last.toString();
  }
  return headers;
}
