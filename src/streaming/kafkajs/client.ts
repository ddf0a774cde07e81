import { rootCertificates } from 'node:tls';
import type { Kafka, KafkaConfig, LogEntry, PartitionAssigner, SASLOptions } from 'kafkajs';
import { elementAt } from '../../core/element-at.ts';
import type { Logger } from '../../core/logger.ts';
import { ASSIGNMENT_STRATEGY, type KafkaOptions } from '../kafka/options.ts';
import { registerCodecs } from './codecs.ts';

export type KafkaJs = typeof import('kafkajs');

/** The package, loaded when it is needed. It is CommonJS: its exports hang on `default`. */
export async function loadKafkajs(): Promise<KafkaJs> {
  const loaded = (await import('kafkajs')) as unknown as { default: KafkaJs };
  registerCodecs(loaded.default);
  return loaded.default;
}

/** One client with connections and state of its own. Each consumer and producer gets one. */
export function createClient(kafkajs: KafkaJs, options: KafkaOptions, overrides: Partial<KafkaConfig> = {}): Kafka {
  return new kafkajs.Kafka({ ...clientConfig(kafkajs, options), ...overrides });
}

export function clientConfig(kafkajs: KafkaJs, options: KafkaOptions): KafkaConfig {
  const { tls, sasl } = options;
  return {
    brokers: [...options.bootstrapServers],
    clientId: options.clientId,
    ...(tls && {
      ssl: {
        ca: tls.ca === null ? [...rootCertificates] : [tls.ca],
        ...(tls.certificate !== null && { cert: tls.certificate }),
        ...(tls.key !== null && { key: tls.key }),
      },
    }),
    ...(sasl && {
      sasl: { mechanism: sasl.mechanism, username: sasl.user, password: sasl.password } as SASLOptions,
    }),
    connectionTimeout: 5_000,
    authenticationTimeout: 10_000,
    requestTimeout: options.requestTimeoutMs,
    // The cause decides about trying again, and has the reason.
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 3 },
    logLevel: kafkajs.logLevel.INFO,
    logCreator: () => (entry) => log(options.logger, entry),
  };
}

/**
 * kafkajs logs as ERROR what it repairs itself, and as INFO every rebalance: all of it is logged as detail here, and the
 * driver reports faults that need a person.
 */
function log(logger: Logger, { namespace, level, log: { message, ...rest } }: LogEntry): void {
  const { timestamp: _timestamp, logger: _logger, stack: _stack, ...detail } = rest;
  if (level <= 2) logger.debug({ kafkajs: namespace, ...detail }, message);
  else logger.trace({ kafkajs: namespace, ...detail }, message);
}

/**
 * Partitions one by one to the members that subscribe their topic, under the name and in the format of Kafka's own
 * assignor. kafkajs's own one would give a member topics it does not read, which no member would read then.
 */
export function createAssigner(kafkajs: KafkaJs): PartitionAssigner {
  const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol;
  return ({ cluster }) => ({
    name: ASSIGNMENT_STRATEGY,
    version: 0,
    protocol: ({ topics }) => ({
      name: ASSIGNMENT_STRATEGY,
      metadata: MemberMetadata.encode({ version: 0, topics, userData: Buffer.alloc(0) }),
    }),
    async assign({ members }) {
      const readers = members
        .map(({ memberId, memberMetadata }) => ({
          memberId,
          topics: new Set(MemberMetadata.decode(memberMetadata)?.topics ?? []),
          assignment: {} as Record<string, number[]>,
        }))
        .sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
      let turn = 0;
      for (const topic of [...new Set(readers.flatMap((reader) => [...reader.topics]))].sort()) {
        // A topic that is not there (any more) has no partitions; the others must be shared all the same.
        await cluster.addMultipleTargetTopics([topic]).catch(() => undefined);
        const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId);
        for (const partition of partitions.sort((a, b) => a - b)) {
          // At least one of the readers has the topic.
          let reader = elementAt(readers, turn++ % readers.length);
          while (!reader.topics.has(topic)) reader = elementAt(readers, turn++ % readers.length);
          reader.assignment[topic] = [...(reader.assignment[topic] ?? []), partition];
        }
      }
      return readers.map(({ memberId, assignment }) => ({
        memberId,
        memberAssignment: MemberAssignment.encode({ version: 0, assignment, userData: Buffer.alloc(0) }),
      }));
    },
  });
}
