import type { StreamRecord } from '../driver.ts';
import type { RdMessage } from './module.ts';

const EMPTY = Buffer.alloc(0);

export function toRecord({ offset, timestamp, key, value, headers }: RdMessage): StreamRecord {
  return { offset, timestamp, key, value: value ?? EMPTY, headers: headers ? toHeaders(headers) : {} };
}

function toHeaders(given: Array<Record<string, Buffer>>): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const entry of given) {
    for (const [name, value] of Object.entries(entry)) headers[name] = value.toString();
  }
  return headers;
}

/** Messages by partition, in the order of their arrival. */
export function byPartition(messages: readonly RdMessage[]): RdMessage[][] {
  const groups = new Map<string, RdMessage[]>();
  for (const message of messages) {
    const key = `${message.partition}/${message.topic}`;
    const group = groups.get(key);
    if (group) group.push(message);
    else groups.set(key, [message]);
  }
  return [...groups.values()];
}
