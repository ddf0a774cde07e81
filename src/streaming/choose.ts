export interface DriverChoice {
  name: string;
  /** For the log: why this one. */
  reason: string;
}

/** The driver that `stream.driver` stands for: `auto` is the embedded stream, or with Kafka the faster client that loads. */
export async function chooseDriver(wanted: string, hasKafka: boolean): Promise<DriverChoice> {
  if (wanted !== 'auto') return { name: wanted, reason: `stream.driver is ${wanted}` };
  if (!hasKafka) return { name: 'embedded', reason: 'no kafka.bootstrap_servers are given' };
  const { whyNoRdkafka } = await import('./rdkafka/index.ts');
  const why = whyNoRdkafka();
  if (why === undefined) return { name: 'rdkafka', reason: 'Kafka is given, and its native client loads' };
  return { name: 'kafkajs', reason: `Kafka is given, and ${why}` };
}
