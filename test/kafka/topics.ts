import { type Admin, Kafka, logLevel } from 'kafkajs';

/** kafkajs's admin, for what the drivers themselves never do. */
export async function withAdmin<T>(
  bootstrapServers: readonly string[],
  work: (admin: Admin) => Promise<T>,
): Promise<T> {
  const admin = new Kafka({ brokers: [...bootstrapServers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

export function deleteRecords(servers: readonly string[], topic: string, partition: number, offset: number) {
  return withAdmin(servers, async (admin) => {
    // It does not look for the leaders itself.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] });
  });
}

export async function deleteTopic(servers: readonly string[], topic: string): Promise<void> {
  await withAdmin(servers, async (admin) => {
    await admin.deleteTopics({ topics: [topic] });
    while ((await admin.listTopics()).includes(topic)) await new Promise((resolve) => setTimeout(resolve, 50));
  });
}
