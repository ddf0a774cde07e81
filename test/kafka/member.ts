// A member of a consumer group as a process of its own, so that it can be frozen and killed. Offsets are kept by the
// parent, which counts what this one reads.
import { Recorder } from '../streaming/recorder.ts';
import { kafkaOptions, openDriver } from './drivers.ts';

interface Row {
  next: number | null;
  epoch: number;
}

const [name, servers, topic] = process.argv.slice(2);
const waiting = new Map<number, (answer: unknown) => void>();
let ids = 0;

process.on('message', ({ id, answer }: { id: number; answer: unknown }) => waiting.get(id)?.(answer));
process.on('disconnect', () => process.exit(0));

function ask<T>(question: object): Promise<T> {
  const id = ids++;
  return new Promise((resolve) => {
    waiting.set(id, (answer) => {
      waiting.delete(id);
      resolve(answer as T);
    });
    process.send?.({ id, ...question });
  });
}

const epochs = new Map<number, number>();
const never = { teardown: () => undefined } as unknown as Parameters<typeof openDriver>[0];
const driver = await openDriver(never, name === 'rdkafka' ? 'rdkafka' : 'kafkajs', kafkaOptions(servers.split(',')));
const handler = new Recorder();
const consumer = await driver.createConsumer({
  group: topic,
  topics: [topic],
  handler: {
    async onAssigned(partitions) {
      const numbers = partitions.map(({ partition }) => partition);
      const rows = await ask<Row[]>({ acquire: numbers });
      rows.forEach(({ epoch }, index) => {
        epochs.set(numbers[index], epoch);
      });
      return rows.map(({ next }) => next);
    },
    onRevoked: (partitions) => handler.onRevoked(partitions),
    onError: (error) => handler.onError(error),
    async onBatch({ partition, records }) {
      const offsets = records.map(({ offset }) => offset);
      const texts = records.map(({ value }) => value.toString());
      const counted = await ask<boolean>({ batch: { partition, epoch: epochs.get(partition), offsets, texts } });
      if (!counted) consumer.reset([{ topic, partition }]);
    },
  },
});
