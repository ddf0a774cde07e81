import { ProbeFailure } from '../failure.ts';
import type { Trial } from '../net/trial/trial.ts';
import type { Broker, Brokers } from './broker.ts';
import type { Cluster } from './cluster.ts';
import { demandNoError } from './errors.ts';
import { array, int8, int32, int64, NO_ARRAY, text } from './message.ts';

export interface LagQuestion {
  group: string;
  /** null: all topics of the group. */
  topics: readonly string[] | null;
}

interface Position {
  topic: string;
  partition: number;
  /** The next record that the group reads. */
  offset: bigint;
}

/** Kind of key of FindCoordinator: a consumer group. */
const GROUP = 0;
/** In place of a time: the end of the partition. */
const END = -1n;
const NO_REPLICA = -1;

/**
 * Returns how many records a consumer group has not read: the ends of its partitions minus what it has committed. Partitions
 * for which it has committed nothing are left out. Throws a ProbeFailure if there is none at all.
 */
export async function lagOf(
  { group, topics }: LagQuestion,
  cluster: Cluster,
  { brokers, first, trial }: { brokers: Brokers; first: Broker; trial: Trial },
): Promise<number> {
  const coordinator = await coordinatorOf(group, { brokers, first, trial });
  const positions = await positionsOf({ group, topics }, cluster, coordinator, trial);
  const byLeader = leadersOf(positions, cluster);
  if (byLeader.size === 0) {
    const where = topics === null ? '' : ` of ${topics.join(', ')}`;
    throw new ProbeFailure('body', `the group ${group} has committed no offsets${where}`);
  }
  let lag = 0n;
  for (const [leader, led] of byLeader) {
    const place = cluster.brokers.get(leader);
    if (place === undefined) throw new ProbeFailure('protocol', `the leader ${leader} is not among the brokers`);
    lag += await behindIn(await brokers.at(place), led, trial);
  }
  return Number(lag);
}

async function coordinatorOf(
  group: string,
  { brokers, first, trial }: { brokers: Brokers; first: Broker; trial: Trial },
): Promise<Broker> {
  const answer = await first.ask('FindCoordinator', text(group), int8(GROUP));
  answer.int32(); // How long the request was held back.
  demandNoError(answer.int16(), `coordinator of the group ${group}`, trial, answer.text());
  answer.int32(); // Its number.
  return brokers.at({ host: answer.text() ?? '', port: answer.int32() });
}

async function positionsOf(
  { group, topics }: LagQuestion,
  cluster: Cluster,
  coordinator: Broker,
  trial: Trial,
): Promise<Position[]> {
  const named = cluster.topics.filter(({ name }) => topics?.includes(name));
  const asked = named.map(({ name, partitions }) =>
    Buffer.concat([text(name), array(partitions.map(({ index }) => int32(index)))]),
  );
  const answer = await coordinator.ask('OffsetFetch', text(group), topics === null ? NO_ARRAY : array(asked));
  const found = answer.array(() => {
    const topic = answer.text() ?? '';
    return answer.array(() => {
      const position = { topic, partition: answer.int32(), offset: answer.int64() };
      answer.text(); // What the group has noted beside it.
      return { ...position, error: answer.int16() };
    });
  });
  demandNoError(answer.int16(), `offsets of the group ${group}`, trial);
  for (const { topic, partition, error } of found.flat()) {
    demandNoError(error, `offset of the group ${group} in partition ${partition} of ${topic}`, trial);
  }
  return found.flat().filter(({ offset }) => offset >= 0n);
}

/** Partitions of topics that are no more have no leader, and are left out. */
function leadersOf(positions: readonly Position[], cluster: Cluster): Map<number, Position[]> {
  const leaders = new Map(
    cluster.topics.map(({ name, partitions }) => [name, new Map(partitions.map((each) => [each.index, each.leader]))]),
  );
  const byLeader = new Map<number, Position[]>();
  for (const position of positions) {
    const leader = leaders.get(position.topic)?.get(position.partition);
    if (leader === undefined) continue;
    const led = byLeader.get(leader);
    if (led === undefined) byLeader.set(leader, [position]);
    else led.push(position);
  }
  return byLeader;
}

/** How many records are behind these positions, of partitions that one broker leads. */
async function behindIn(leader: Broker, positions: readonly Position[], trial: Trial): Promise<bigint> {
  const byTopic = new Map<string, Map<number, bigint>>();
  for (const { topic, partition, offset } of positions) {
    const offsets = byTopic.get(topic) ?? new Map<number, bigint>();
    byTopic.set(topic, offsets.set(partition, offset));
  }
  const asked = [...byTopic].map(([topic, offsets]) => {
    const partitions = [...offsets.keys()].map((partition) => Buffer.concat([int32(partition), int64(END)]));
    return Buffer.concat([text(topic), array(partitions)]);
  });
  const answer = await leader.ask('ListOffsets', int32(NO_REPLICA), array(asked));
  let behind = 0n;
  answer.array(() => {
    const topic = answer.text() ?? '';
    const offsets = byTopic.get(topic);
    answer.array(() => {
      const partition = answer.int32();
      demandNoError(answer.int16(), `end of partition ${partition} of ${topic}`, trial);
      answer.int64(); // A time, of which there is none at the end.
      const end = answer.int64();
      const offset = offsets?.get(partition);
      if (offset !== undefined && end > offset) behind += end - offset;
      // Counted once, whatever the broker repeats.
      offsets?.delete(partition);
    });
  });
  const lacking = [...byTopic].find(([, offsets]) => offsets.size > 0);
  if (lacking !== undefined) throw new ProbeFailure('protocol', `the end of partitions of ${lacking[0]} is not told`);
  return behind;
}
