import { sleep, systemClock } from '../../core/clock.ts';
import type { RecordBatch } from '../driver.ts';
import { awaitDisconnect } from '../kafka/disconnect.ts';
import { streamUnavailable } from '../kafka/errors.ts';
import type { KafkaAdmin } from '../kafka/index.ts';
import type { OpenRange } from '../kafka/offset-ranges.ts';
import type { KafkaOptions } from '../kafka/options.ts';
import { UnpackMemory } from '../unpack-memory.ts';
import { messageOf } from './admin.ts';
import type { KafkaJs } from './client.ts';
import { type Cluster, createCluster, type FetchedPartition } from './cluster.ts';

const MAX_BYTES = 8 * 2 ** 20;
const MAX_PARTITION_BYTES = 2 ** 20;
const WAIT_MS = 250;
const ATTEMPTS = 5;

/** Reads without a group: fetch requests to the leaders, one round after the other. */
export async function* readRanges(
  kafkajs: KafkaJs,
  options: KafkaOptions,
  admin: KafkaAdmin,
  topic: string,
  ranges: readonly OpenRange[],
  signal: AbortSignal,
): AsyncGenerator<RecordBatch> {
  let open = [...ranges];
  const cluster = createCluster(kafkajs, options);
  try {
    await cluster.connect();
    await cluster.addMultipleTargetTopics([topic]);
    for (let failures = 0; open.length > 0 && !signal.aborted; ) {
      let fetched: FetchedPartition[];
      try {
        fetched = await fetchRound(cluster, topic, open);
        failures = 0;
      } catch (error) {
        if (++failures >= ATTEMPTS || signal.aborted) throw error;
        await sleep(systemClock, 200 * 2 ** failures, signal);
        // A leader may have moved, or wanted records have expired meanwhile.
        await cluster.refreshMetadata().catch(() => undefined);
        for (const { partition, low } of await admin.ranges(topic).catch(() => [])) {
          for (const range of open) if (range.partition === partition) range.next = Math.max(range.next, low);
        }
        open = open.filter(({ next, end }) => next < end);
        continue;
      }
      for (const answer of fetched) {
        const range = open.find(({ partition }) => partition === answer.partition);
        const batch = range && toBatch(topic, range, answer);
        if (batch && !signal.aborted) yield batch;
      }
      open = open.filter(({ next, end }) => next < end);
    }
  } catch (error) {
    throw streamUnavailable(options, `reading ${topic}: ${messageOf(error)}`, error);
  } finally {
    await awaitDisconnect(cluster.disconnect(), options.logger);
  }
}

async function fetchRound(cluster: Cluster, topic: string, open: readonly OpenRange[]): Promise<FetchedPartition[]> {
  const leaders = cluster.findLeaderForPartitions(
    topic,
    open.map(({ partition }) => partition),
  );
  const rounds = Object.entries(leaders).map(async ([nodeId, partitions]) => {
    const broker = await cluster.findBroker({ nodeId });
    const wanted = open
      .filter(({ partition }) => partitions.includes(partition))
      .map(({ partition, next }) => ({ partition, fetchOffset: String(next), maxBytes: MAX_PARTITION_BYTES }));
    const limits = { maxWaitTime: WAIT_MS, minBytes: 1, maxBytes: MAX_BYTES, isolationLevel: 1 };
    const { responses } = await broker.fetch({ ...limits, topics: [{ topic, partitions: wanted }] });
    return responses.flatMap((response) => response.partitions);
  });
  return (await Promise.all(rounds)).flat();
}

/** Moves the range on and returns its records; undefined when there are none. */
function toBatch(topic: string, range: OpenRange, answer: FetchedPartition): RecordBatch | undefined {
  const { next, end } = range;
  const last = answer.messages.at(-1);
  if (!last) return undefined;
  range.next = Math.max(next, Number(last.offset) + 1);
  const records = answer.messages
    .filter(({ isControlRecord }) => !isControlRecord)
    .flatMap((message) => message.unpack(new UnpackMemory()))
    .filter(({ offset }) => offset >= next && offset < end);
  if (records.length === 0) return undefined;
  return { topic, partition: range.partition, records, highWatermark: Number(answer.highWatermark) };
}
