import { formatDuration } from '../../core/duration.ts';
import { counted, plural } from '../../core/plural.ts';
import { formatBytes } from '../../settings/leaf.ts';
import type { Settings } from '../../settings.ts';
import type { KafkaSurvey, TopicSurvey } from '../../streaming/kafkajs/survey.ts';
import type { ExaminationContext } from '../context.ts';
import { type Examination, type Finding, ok, problem, warning } from '../examination.ts';

const HOUR_MS = 3_600_000;
/** `vedette verify` covers a day by default, and judges only buckets whose records are all present. */
const VERIFY_MS = 25 * HOUR_MS;
/** Bytes of a record batch besides its values: headers, schema, and room for another client's headers. */
const BATCH_OVERHEAD_BYTES = 2_048;

export const kafkaTopics: Examination = {
  name: 'kafka.topics',
  settings: ['kafka', 'stream', 'topics', 'publisher'],
  timeoutMs: 20_000,
  async examine(context) {
    const survey = await context.kafka();
    if (!survey) return [];
    const { results, success, failures } = context.settings.topics;
    const pinned = await readPinned(context);
    const names = new Set([...[results, success, failures].filter((name) => name !== null), ...pinned.keys()]);
    const findings = await Promise.all([...names].map((name) => examineTopic(name, survey, context.settings, pinned)));
    return findings.flat();
  },
};

/** Returns, by topic, the number of partitions by which results are routed; empty if PostgreSQL cannot be queried. */
async function readPinned(context: ExaminationContext): Promise<Map<string, number>> {
  try {
    const database = await context.tables();
    if (!database) return new Map();
    const { rows } = await database.query<{ topic: string; partitions: number }>(
      'SELECT topic, partitions FROM stream_topics ORDER BY topic',
    );
    return new Map(rows.map(({ topic, partitions }) => [topic, partitions]));
  } catch {
    return new Map(); // An unreachable PostgreSQL is the finding of another examination.
  }
}

async function examineTopic(
  name: string,
  survey: KafkaSurvey,
  settings: Settings,
  pinned: ReadonlyMap<string, number>,
): Promise<Finding[]> {
  const topic = await survey.topic(name);
  if (!topic) return [missing(name, settings, pinned.has(name))];
  const findings = [
    judgePartitions(name, topic, pinned.get(name)),
    judgeReplicas(name, topic, survey),
    ...(topic.configuration ? judgeConfiguration(name, topic.configuration, settings) : [unreadable(name)]),
  ].filter((finding) => finding !== null);
  if (findings.some(({ verdict }) => verdict !== 'ok')) return findings;
  const retention = topic.configuration?.get('retention.ms');
  const kept = retention === '-1' ? 'kept for ever' : `kept ${formatDuration(Number(retention))}`;
  return [
    ok(
      'kafka.topic',
      `${name}: ${counted(topic.partitions, 'partition')}, ${counted(topic.replicas, 'replica')}, ${kept}`,
    ),
  ];
}

function missing(name: string, { stream }: Settings, wasUsed: boolean): Finding {
  const create = `kafka-topics.sh --create --topic ${name} --partitions ${stream.partitions}`;
  if (wasUsed) {
    const advice = `It was used before and is gone. Create it again with as many partitions; README, "On Kafka", says how to go on.`;
    return problem('kafka.topic', `${name} does not exist any more`, advice);
  }
  if (stream.createTopics) return ok('kafka.topic', `${name} does not exist yet; it is made at the first start`);
  return problem('kafka.topic', `${name} does not exist, and stream.create_topics is off`, `Make it: ${create}`);
}

function judgePartitions(name: string, { partitions, leaderless }: TopicSurvey, pinned: number | undefined) {
  if (leaderless.length > 0) {
    const found = `${name}: nobody leads partition ${leaderless.join(', ')}`;
    return problem('kafka.partitions', found, 'Brokers are down: start them, or raise the replicas of the topic.');
  }
  if (pinned === undefined || partitions === pinned) return null;
  const found = `${name} has ${counted(partitions, 'partition')}, results are routed by ${pinned}`;
  if (partitions < pinned) {
    const advice = `Results of some jobs have nowhere to go. Make the topic with at least ${pinned}: kafka-topics.sh --alter --topic ${name} --partitions ${pinned}`;
    return problem('kafka.partitions', found, advice);
  }
  const advice = `The number was fixed at first use, so that no series changes its place: the other ${partitions - pinned} stay unused. To use more, take a new topic (topics.results).`;
  return warning('kafka.partitions', found, advice);
}

function judgeReplicas(name: string, { replicas, configuration }: TopicSurvey, { brokers }: KafkaSurvey) {
  const needed = Number(configuration?.get('min.insync.replicas') ?? 1);
  if (needed > replicas) {
    const found = `${name}: min.insync.replicas is ${needed}, but there ${plural(replicas, 'is', 'are')} ${counted(replicas, 'replica')}`;
    return problem('kafka.replicas', found, 'Nothing can be written: lower it, or raise the replicas.');
  }
  if (replicas > 1 || brokers.length === 1) return null;
  const found = `${name} has one replica on ${brokers.length} brokers: losing one broker loses results`;
  return warning(
    'kafka.replicas',
    found,
    'Raise it to 3 (kafka-reassign-partitions.sh); stream.replication for new topics.',
  );
}

function judgeConfiguration(name: string, values: ReadonlyMap<string, string>, settings: Settings): Finding[] {
  const alter = (entry: string) =>
    `kafka-configs.sh --alter --entity-type topics --entity-name ${name} --add-config ${entry}`;
  const findings: Finding[] = [];
  const largest = Number(values.get('max.message.bytes'));
  const block = settings.publisher.blockSizeBytes + BATCH_OVERHEAD_BYTES;
  if (largest < block) {
    findings.push(
      problem(
        'kafka.message_size',
        `${name} takes messages of ${largest} bytes at most, a block may have ${block}`,
        `${alter(`max.message.bytes=${Math.max(block, 1_048_588)}`)}, or set publisher.block_size to ${formatBytes(floorKiB(largest))} or less.`,
      ),
    );
  }
  if (values.get('cleanup.policy')?.includes('compact')) {
    const found = `${name} is compacted: of the results of a job only the last would stay`;
    findings.push(problem('kafka.cleanup', found, alter('cleanup.policy=delete')));
  }
  findings.push(...judgeRetention(name, values, settings, alter));
  return findings;
}

function judgeRetention(
  name: string,
  values: ReadonlyMap<string, string>,
  { copyTopics }: Settings,
  alter: (entry: string) => string,
): Finding[] {
  const retentionMs = Number(values.get('retention.ms'));
  const isCounted = !copyTopics.includes(name);
  if (isCounted && retentionMs >= 0 && retentionMs < VERIFY_MS) {
    const found = `${name} is kept ${formatDuration(retentionMs)}`;
    const advice = alter(`retention.ms=${2 * 24 * HOUR_MS}`);
    if (retentionMs < HOUR_MS) {
      const risk = `${found}: results are lost when no processor runs for so long`;
      return [problem('kafka.retention', risk, advice)];
    }
    const short = `${found}: \`vedette verify\` needs a day and an hour to prove a whole day`;
    return [warning('kafka.retention', short, advice)];
  }
  const limit = Number(values.get('retention.bytes') ?? -1);
  if (isCounted && limit >= 0) {
    const found = `${name} keeps at most ${limit} bytes a partition, however young they are`;
    return [
      warning(
        'kafka.retention',
        found,
        `${alter('retention.bytes=-1')}, or see with \`vedette plan\` that it is enough.`,
      ),
    ];
  }
  return [];
}

function unreadable(name: string): Finding {
  const found = `${name}: its configuration may not be read, so message size and retention are not known`;
  return warning('kafka.topic', found, 'Allow DescribeConfigs on the topic, or look with kafka-configs.sh --describe.');
}

const floorKiB = (bytes: number): number => Math.max(4, Math.floor((bytes - BATCH_OVERHEAD_BYTES) / 1024)) * 1024;
