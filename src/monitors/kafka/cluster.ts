import { counted, plural } from '../../core/plural.ts';
import { ProbeFailure } from '../failure.ts';
import type { Trial } from '../net/trial/trial.ts';
import type { Place } from './broker.ts';
import { demandNoError, refused } from './errors.ts';
import type { Fields } from './message.ts';

interface Partition {
  index: number;
  /** Number of the broker; negative: there is none. */
  leader: number;
  isUnderReplicated: boolean;
}

interface Topic {
  error: number;
  name: string;
  partitions: readonly Partition[];
}

/** The metadata of a cluster. */
export interface Cluster {
  brokers: ReadonlyMap<number, Place>;
  topics: readonly Topic[];
}

export function readCluster(answer: Fields): Cluster {
  // How long the request was held back.
  answer.int32();
  const brokers = answer.array(() => {
    const broker = [answer.int32(), { host: answer.text() ?? '', port: answer.int32() }] as const;
    answer.text(); // Its rack.
    return broker;
  });
  answer.text(); // The name of the cluster, and its controller.
  answer.int32();
  const topics = answer.array(() => {
    const topic = { error: answer.int16(), name: answer.text() ?? '' };
    answer.int8(); // Whether it is one of Kafka's own.
    return { ...topic, partitions: answer.array(() => readPartition(answer)) };
  });
  return { brokers: new Map(brokers), topics };
}

/** An error of a partition, such as a replica that is away, shows in its leader and replicas. */
function readPartition(answer: Fields): Partition {
  answer.int16();
  const [index, leader] = [answer.int32(), answer.int32()];
  const numbers = () => answer.array(() => answer.int32()).length;
  const [replicas, inSync] = [numbers(), numbers()];
  numbers();
  return { index, leader, isUnderReplicated: inSync < replicas };
}

export interface ClusterRules {
  /** Topics that must be there. */
  topics: readonly string[];
  minBrokers: number;
  maxUnderReplicated: number;
}

/** Records how the cluster is. Throws a ProbeFailure where topics or leaders are lacking. */
export function judgeCluster({ brokers, topics }: Cluster, rules: ClusterRules, trial: Trial): void {
  const partitions = topics.flatMap((topic) => topic.partitions);
  const underReplicated = partitions.filter((partition) => partition.isUnderReplicated).length;
  const offline = partitions.filter(({ leader }) => leader < 0).length;
  trial.isAnswered = true;
  Object.assign(trial.values, {
    ...{ brokers: brokers.size, topics: topics.length, partitions: partitions.length },
    ...{ under_replicated: underReplicated, offline },
  });
  for (const name of rules.topics) {
    const topic = topics.find((each) => each.name === name);
    if (topic === undefined) throw new ProbeFailure('protocol', `the metadata says nothing of the topic ${name}`);
    demandNoError(topic.error, `topic ${name}`, trial);
  }
  if (offline > 0) {
    const [{ name, partition }] = topics
      .flatMap((topic) => topic.partitions.map((each) => ({ name: topic.name, partition: each })))
      .filter((each) => each.partition.leader < 0) as [{ name: string; partition: Partition }];
    const others = offline > 1 ? ` and ${offline - 1} more` : '';
    throw refused('LEADER_NOT_AVAILABLE', `no leader: partition ${partition.index} of ${name}${others}`, trial);
  }
  if (underReplicated > rules.maxUnderReplicated) {
    const lacking = `${counted(underReplicated, 'partition')} ${plural(underReplicated, 'lacks', 'lack')} replicas`;
    trial.degrade('body', `${lacking}, accepted: up to ${rules.maxUnderReplicated}`);
  }
  if (brokers.size < rules.minBrokers) {
    trial.degrade('body', `the cluster has ${counted(brokers.size, 'broker')}, accepted: ${rules.minBrokers} or more`);
  }
}
