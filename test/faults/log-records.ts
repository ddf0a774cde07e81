import { randomUUID } from 'node:crypto';
import type { Kafka } from 'kafkajs';

export interface LogRecord {
  partition: number;
  text: string;
}

const LIMIT_MS = 60_000;

/** All records that the topic holds now, in the order of each partition, with a plain consumer. */
export async function readAll(client: Kafka, topic: string): Promise<LogRecord[]> {
  const admin = client.admin();
  await admin.connect();
  const offsets = await admin.fetchTopicOffsets(topic).finally(() => admin.disconnect());
  const ends = new Map(offsets.filter(({ high }) => high !== '0').map((end) => [end.partition, Number(end.high)]));
  const records: LogRecord[] = [];
  if (ends.size === 0) return records;
  const consumer = client.consumer({ groupId: `stock-${randomUUID()}` });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      setTimeout(() => reject(new Error(`${topic} was not read within ${LIMIT_MS} ms`)), LIMIT_MS).unref();
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
      const next = new Map<number, number>();
      const eachBatch = async ({ batch: { partition, messages } }: { batch: Batch }) => {
        for (const { offset, value } of messages) {
          // A group that was rebalanced begins again.
          if (Number(offset) < (next.get(partition) ?? 0)) continue;
          next.set(partition, Number(offset) + 1);
          if (Number(offset) < (ends.get(partition) ?? 0)) records.push({ partition, text: String(value) });
        }
        if ([...ends].every(([partition, end]) => (next.get(partition) ?? 0) >= end)) resolve();
      };
      consumer.run({ eachBatch }).catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
  return records;
}

interface Batch {
  partition: number;
  messages: ReadonlyArray<{ offset: string; value: Buffer | null }>;
}
