import { type CheckResult, RESULT_SCHEMA } from './check-result.ts';
import { BLOCK_EVENT_TYPE, blockEventHeaders, resultEvent, resultEventHeaders } from './cloud-events.ts';
import { encodeResult } from './encode.ts';
import { blockKeys, RECORD_HEADERS, type RecordForm } from './record.ts';
import { MAX_JOB_ID } from './validity.ts';

/** What of the settings the document tells. */
export interface DescribedStream {
  topics: { results: string; success: string | null; failures: string | null };
  /** Form of the records in topics that are counted. */
  format: RecordForm;
  /** Source of the CloudEvents that records are; null: they are none. */
  cloudEventsSource: string | null;
}

/** The stream of an installation that sets nothing. */
export const DEFAULT_STREAM: DescribedStream = {
  topics: { results: 'checks', success: null, failures: null },
  format: 'block',
  cloudEventsSource: null,
};

const DESCRIPTION = `The topics in which Vedette writes what its checks found, and in which it counts what other programs write.

A record holds one result as a JSON document (\`stream.format: record\`, and every copy), or many as JSON lines
(\`stream.format: block\`). Records that are counted may have either form, whoever wrote them, and need neither key nor
headers. All results of a job lie in one partition: the one that Kafka's default partitioner (murmur2) chooses for the
decimal job_id as the key. A scheduler may write a result twice: of one job_id and location only the first with its slot
counts.`;

const OPTIONAL = 'Only with `stream.cloudevents_source`';

/** An AsyncAPI 3.0 document of the topics, from the view of Vedette. The schema of a line lies beside it as a file. */
export function asyncApiDocument(stream: DescribedStream): object {
  const { topics, format } = stream;
  const own = format === 'block' ? 'block' : 'result';
  return {
    asyncapi: '3.0.0',
    id: 'urn:vedette:stream',
    info: {
      title: 'Vedette: the stream of results',
      version: '1.0.0',
      description: DESCRIPTION,
      license: { name: 'MIT' },
    },
    defaultContentType: RECORD_HEADERS.record['content-type'],
    channels: {
      results: channel(topics.results, 'Every result. The topic that is counted (`topics.results`).', [
        ...['block', 'result', 'foreignResult'],
      ]),
      resultsOfJobs: {
        ...channel('{topic}', 'Results of jobs with a topic of their own, counted as well.', [
          ...['block', 'result', 'foreignResult'],
        ]),
        parameters: { topic: { description: 'The `topic` of the job.' } },
      },
      success: channel(
        topics.success,
        'A copy of every result that is up, never counted. Written when `topics.success` names a topic.',
        ['result'],
      ),
      failures: channel(
        topics.failures,
        'A copy of every other result, never counted. Written when `topics.failures` names a topic.',
        ['result'],
      ),
    },
    operations: {
      publishResults: operation('send', 'results', 'Schedulers publish what they found.', [own]),
      publishResultsOfJobs: operation('send', 'resultsOfJobs', 'The same, of jobs with a topic of their own.', [own]),
      copySuccesses: operation('send', 'success', 'Schedulers copy results that are up.', ['result']),
      copyFailures: operation('send', 'failures', 'Schedulers copy all other results.', ['result']),
      countResults: operation(
        'receive',
        'results',
        'Processors count results, their own and those of other programs.',
        [...['block', 'result', 'foreignResult']],
      ),
      countResultsOfJobs: operation('receive', 'resultsOfJobs', 'The same, in topics of jobs.', [
        ...['block', 'result', 'foreignResult'],
      ]),
    },
    components: { messages: messages(stream.cloudEventsSource) },
  };
}

function channel(address: string | null, description: string, names: readonly string[]): object {
  return {
    address,
    description,
    messages: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}` }])),
    bindings: {
      kafka: {
        ...(address === null || address.startsWith('{') ? {} : { topic: address }),
        topicConfiguration: { 'cleanup.policy': ['delete'] },
        bindingVersion: '0.5.0',
      },
    },
  };
}

function operation(action: 'send' | 'receive', name: string, summary: string, carried: readonly string[]): object {
  const messages = carried.map((message) => ({ $ref: `#/channels/${name}/messages/${message}` }));
  return { action, channel: { $ref: `#/channels/${name}` }, summary, messages };
}

function messages(source: string | null): object {
  const jobKey = { type: 'string', pattern: '^[1-9][0-9]*$', description: `The job_id, 1 to ${MAX_JOB_ID}.` };
  const blockKey = {
    ...{ type: 'string', pattern: '^block-[1-9][0-9]*$' },
    description: 'The same in all blocks of a partition, so that whoever distributes records by key keeps their order.',
  };
  return {
    result: {
      ...{ name: 'result', title: 'One result of a scheduler', contentType: RECORD_HEADERS.record['content-type'] },
      headers: headers('record', source),
      payload: { $ref: './check-result.v1.json' },
      bindings: kafka(jobKey),
      examples: [{ name: 'up', headers: exampleHeaders('record', source), payload: JSON.parse(encodeResult(UP)) }],
    },
    block: {
      ...{ name: 'block', title: 'Many results of schedulers', contentType: RECORD_HEADERS.block['content-type'] },
      headers: headers('block', source),
      payload: {
        type: 'string',
        contentMediaType: RECORD_HEADERS.block['content-type'],
        description: 'JSON lines, each with a newline at its end, of any jobs of the partition.',
        'x-line': { $ref: './check-result.v1.json' },
      },
      bindings: kafka(blockKey),
      examples: [
        {
          name: 'two jobs',
          headers: exampleHeaders('block', source),
          payload: `${encodeResult(UP)}\n${encodeResult(DOWN)}\n`,
        },
      ],
    },
    foreignResult: {
      ...{ name: 'foreignResult', title: 'One result of another program', contentType: 'application/json' },
      description:
        'The job_id need not be that of a job, nor the location that of a scheduler. It has no slot, so each record counts.',
      payload: { $ref: './check-result.v1.json' },
      bindings: kafka({
        ...jobKey,
        description: 'Best the job_id, which keeps results of a job in order. Records without a key are counted, too.',
      }),
      examples: [{ name: 'up', payload: FOREIGN }],
    },
  };
}

const kafka = (key: object) => ({ kafka: { key, bindingVersion: '0.5.0' } });

function headers(form: RecordForm, source: string | null): object {
  const fixed = Object.entries(RECORD_HEADERS[form]).map(([name, value]) => [name, { type: 'string', const: value }]);
  const event = {
    ce_specversion: { type: 'string', const: '1.0', description: `${OPTIONAL}: version of CloudEvents.` },
    ce_id: { type: 'string', description: `${OPTIONAL}: the same when a record is sent again, else no other's.` },
    ce_source: {
      type: 'string',
      ...(source === null ? {} : { const: source }),
      description: `${OPTIONAL}: its value.`,
    },
    ce_type: { type: 'string', const: EVENT_TYPES[form], description: `${OPTIONAL}.` },
    ce_partitionkey: { type: 'string', description: `${OPTIONAL}: the key.` },
    ...(form === 'record' && {
      ce_subject: { type: 'string', pattern: '^job/[1-9][0-9]*$', description: `${OPTIONAL}.` },
      ce_time: { type: 'string', format: 'date-time', description: `${OPTIONAL}: when the check began.` },
    }),
  };
  const required = [...Object.keys(RECORD_HEADERS[form]), ...(source === null ? [] : Object.keys(event))];
  return { type: 'object', required, properties: { ...Object.fromEntries(fixed), ...event } };
}

function exampleHeaders(form: RecordForm, source: string | null): Record<string, string> {
  if (source === null) return RECORD_HEADERS[form];
  const event =
    form === 'record'
      ? resultEventHeaders(resultEvent(UP), source, String(UP.jobId))
      : blockEventHeaders(resultEvent(UP), 2, source, blockKeys(1)[0] as string);
  return { ...RECORD_HEADERS[form], ...event };
}

const EVENT_TYPES = { record: RESULT_SCHEMA, block: BLOCK_EVENT_TYPE } as const satisfies Record<RecordForm, string>;

const AT = Date.UTC(2026, 10, 21, 8, 0, 17);
const UP: CheckResult = {
  ...{ jobId: 7, location: 'default', epoch: 3, slot: AT, ts: AT + 2, outcome: 'up', status: '200' },
  ...{ responseTime: 0.012345, timings: { dns: 0.0004, connect: 0.0011, ttfb: 0.0101 }, bytes: 512, attempt: 1 },
};
const DOWN: CheckResult = {
  ...{ jobId: 31, location: 'default', epoch: 3, slot: AT + 250, ts: AT + 251, outcome: 'down', reason: 'connect' },
  ...{ status: null, responseTime: null, attempt: 1, detail: 'connect ECONNREFUSED 192.0.2.1:443' },
};
const FOREIGN = { job_id: 4711, location: 'warehouse', ts: AT, status: '200', response_time: 0.25 };
