import type { Test } from 'tap';
import type { StreamDriver } from '../../src/streaming/driver.ts';
import { loadRdkafka } from '../../src/streaming/rdkafka/module.ts';
import { type DriverName, kafkaOptions, openDriver } from './drivers.ts';

/**
 * What the mock cluster inside librdkafka can be asked: it has no admin, every topic has four partitions, records cannot be
 * removed and nothing lies between it and its clients.
 */
export const GOOD_FOR_MOCK =
  /big records|back pressure|reset asks|two consumers|repeated|many sides|stretches|close waits/;

export interface MockCluster {
  bootstrapServers: string[];
  /** A driver on it. Topics are made by naming them, and kafkajs, which asks for a controller to send, sends by rdkafka. */
  openDriver(t: Test, name: DriverName): Promise<StreamDriver>;
}

/** It lives in this process, inside a producer that sends nothing. */
export async function startMockCluster(t: Test): Promise<MockCluster> {
  const { Producer } = loadRdkafka();
  const client = new Producer({ 'bootstrap.servers': '127.0.0.1:1', 'test.mock.num.brokers': 1 }, {});
  await new Promise<void>((resolve, reject) => {
    client.connect({ timeout: 10_000 }, (error) => (error ? reject(error) : resolve()));
  });
  t.teardown(() => new Promise<void>((resolve) => client.disconnect(0, resolve)));
  const nameTopic = (topic: string) =>
    new Promise<{ brokers: Array<{ host: string; port: number }> }>((resolve, reject) => {
      client.getMetadata({ topic, timeout: 10_000 }, (error, metadata) =>
        error ? reject(error) : resolve(metadata as never),
      );
    });
  const { brokers } = await nameTopic('first');
  const bootstrapServers = brokers.map(({ host, port }) => `${host}:${port}`);
  return {
    bootstrapServers,
    async openDriver(test, name) {
      const options = kafkaOptions(bootstrapServers);
      const driver = await openDriver(test, name, options);
      const sender = name === 'rdkafka' ? driver : await openDriver(test, 'rdkafka', options);
      return {
        name,
        async ensureTopics(topics) {
          for (const { topic } of topics) await nameTopic(topic);
          return driver.ensureTopics(topics, { create: false });
        },
        ends: (topic) => driver.ends(topic),
        ranges: (topic) => driver.ranges(topic),
        createProducer: () => sender.createProducer(),
        createConsumer: (consumer) => driver.createConsumer(consumer),
        read: (topic, stretches, signal) => driver.read(topic, stretches, signal),
        async close() {
          await Promise.all([driver.close(), sender.close()]);
        },
      };
    },
  };
}
