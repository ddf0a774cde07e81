import { type CloudEvent, Kafka } from 'cloudevents';
import { test } from 'tap';
import { silentLogger } from '../../../src/core/logger.ts';
import type { CheckResult } from '../../../src/messages/check-result.ts';
import { partitionOf, partitionOfKey } from '../../../src/messages/partition.ts';
import { createPublisher } from '../../../src/scheduler/publishing/publisher.ts';
import type { PublisherOptions } from '../../../src/scheduler/publishing/publisher-options.ts';
import type { OutgoingRecord, ProducerOptions } from '../../../src/streaming/driver.ts';
import { publisherDefaults } from '../../helpers/defaults.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';

const PARTITIONS = 4;

function result(jobId: number, slot: number, fields: Partial<CheckResult> = {}): CheckResult {
  return {
    jobId,
    location: 'here',
    epoch: 1,
    slot,
    ts: slot,
    outcome: 'up',
    status: '200',
    responseTime: 0.1,
    ...fields,
  };
}

interface Sent {
  readers: ProducerOptions['readers'];
  records: readonly OutgoingRecord[];
  resolve: () => void;
  reject: (error: Error) => void;
}

/** A publisher on a log whose answers the test gives by hand (`manual`) or that takes everything. */
function setUp({ manual = false, ...options }: Partial<PublisherOptions> & { manual?: boolean } = {}) {
  const clock = createFakeClock();
  const sends: Sent[] = [];
  let closed = false;
  const publisher = createPublisher({
    ...publisherDefaults,
    lingerMs: 50,
    clock,
    logger: silentLogger,
    partitionsOf: async () => PARTITIONS,
    driver: {
      createProducer: async ({ readers } = {}) => ({
        send: (records) =>
          new Promise<void>((resolve, reject) => {
            sends.push({ readers, records, resolve, reject });
            if (!manual) resolve();
          }),
        close: async () => {
          closed = true;
        },
      }),
    },
    ...options,
  });
  const acks: string[] = [];
  const receipt = (jobId: number) => ({ acknowledged: (slot: number) => acks.push(`${jobId}/${slot}`) });
  const lines = () =>
    sends.flatMap(({ records }) => records.flatMap(({ value }) => value.toString().trimEnd().split('\n')));
  return { clock, publisher, sends, acks, receipt, lines, isClosed: () => closed };
}

test('results linger, then go as one block a partition, and are acknowledged in order', async (t) => {
  const { clock, publisher, sends, acks, receipt } = setUp();
  for (let slot = 1; slot <= 3; slot++) {
    for (let jobId = 1; jobId <= 8; jobId++) t.ok(publisher.publish(result(jobId, slot), 'checks', receipt(jobId)));
  }
  await clock.advance(49);
  t.equal(sends.length, 0);
  t.equal(publisher.stats().queuedResults, 24);
  await clock.advance(1);
  t.equal(sends.length, 1, 'all partitions in one send');
  const { records } = sends[0];
  t.equal(new Set(records.map(({ partition }) => partition)).size, records.length);
  for (const { topic, partition, key, headers, value } of records) {
    t.equal(topic, 'checks');
    t.match(key, /^block-\d+$/);
    t.equal(partitionOfKey(Buffer.from(String(key)), PARTITIONS), partition, 'by its key it belongs there');
    t.same(headers, { 'content-type': 'application/x-ndjson', schema: 'vedette.check-result.v1' });
    t.ok(value.toString().endsWith('\n'));
    for (const line of value.toString().trimEnd().split('\n')) {
      t.equal(partitionOf(JSON.parse(line).job_id, PARTITIONS), partition);
    }
  }
  t.strictSame(
    acks.filter((ack) => ack.startsWith('5/')),
    ['5/1', '5/2', '5/3'],
  );
  t.match(publisher.stats(), { published: 24, queuedResults: 0, queuedBytes: 0, failingSince: null });
});

test('a change of outcome does not linger, and takes what waits with it', async (t) => {
  const { clock, publisher, lines } = setUp({ lingerMs: 1_000 });
  const publish = (slot: number, outcome: 'up' | 'down' | 'degraded' | 'missed') =>
    publisher.publish(result(1, slot, { outcome }), 'checks');
  const sent = async (ms: number) => {
    await clock.advance(ms);
    return lines().map((line) => JSON.parse(line).slot as number);
  };
  publish(1, 'up');
  t.strictSame(await sent(60), [], 'a job that is up is no news');
  publish(2, 'down');
  t.strictSame(await sent(49), []);
  t.strictSame(await sent(1), [1, 2]);
  publish(3, 'down');
  t.strictSame(await sent(900), [1, 2], 'still down');
  publish(4, 'missed');
  t.strictSame(await sent(99), [1, 2], 'a missed slot says nothing');
  t.strictSame(await sent(1), [1, 2, 3, 4]);
  publish(5, 'degraded');
  t.strictSame(await sent(50), [1, 2, 3, 4, 5]);
  publish(6, 'up');
  t.strictSame(await sent(50), [1, 2, 3, 4, 5, 6]);
  publish(7, 'up');
  t.strictSame(await sent(999), [1, 2, 3, 4, 5, 6]);
  t.strictSame(await sent(1), [1, 2, 3, 4, 5, 6, 7]);
});

test('format record: one line in each, keyed by the job', async (t) => {
  const { clock, publisher, sends, acks, receipt } = setUp({ format: 'record' });
  publisher.publish(result(7, 1, { detail: 'grün' }), 'checks', receipt(7));
  publisher.publish(result(7, 2), 'checks', receipt(7));
  await clock.advance(50);
  const { records } = sends[0];
  t.strictSame(
    records.map(({ key, partition, value }) => ({ key, partition, slot: JSON.parse(value.toString()).slot })),
    [1, 2].map((slot) => ({ key: '7', partition: partitionOf(7, PARTITIONS), slot })),
  );
  t.match(records[0].value.toString(), /grün"}$/);
  t.strictSame(records[0].headers, { 'content-type': 'application/json', schema: 'vedette.check-result.v1' });
  t.strictSame(acks, ['7/1', '7/2']);
});

test('producers know who reads: own processors read blocks, any program single results and copies', async (t) => {
  const made = (options: Partial<PublisherOptions>) => {
    const { clock, publisher, sends } = setUp({ ...options });
    for (const outcome of ['up', 'down'] as const) publisher.publish(result(7, 1, { outcome }), 'checks');
    return clock.advance(50).then(() => sends.map(({ readers, records }) => `${records[0].topic} ${readers}`));
  };
  t.same(await made({}), ['checks own']);
  t.same(await made({ format: 'record' }), ['checks any']);
  t.same(new Set(await made({ failuresTopic: 'bad' })), new Set(['checks own', 'bad any']));
});

test('the events of CloudEvents: each record is one, by an SDK of others', async (t) => {
  const cloudEventsSource = 'https://vedette.example.com/%C3%A4';
  const events = async (options: Partial<PublisherOptions>) => {
    const { clock, publisher, sends } = setUp({ cloudEventsSource, ...options });
    publisher.publish(result(7, 1_796_000_000_000, { location: 'Zürich' }), 'checks');
    publisher.publish(result(7, 1_796_000_060_000, { outcome: 'down', ts: 1_796_000_060_123 }), 'checks');
    publisher.publish(
      result(7, 1_796_000_060_000, { outcome: 'missed', slots: 0, periodMs: 1, status: null, responseTime: null }),
      'checks',
    );
    await clock.advance(50);
    const records = sends.flatMap(({ records }) => records);
    return records.map(({ key, value, headers }) => {
      const message = { key: String(key), value: value.toString(), headers: { ...headers }, body: value.toString() };
      t.ok(Kafka.isEvent(message));
      const event = Kafka.toEvent(message) as CloudEvent<unknown>;
      t.ok(event.validate());
      t.equal(event.partitionkey, key);
      return event.toJSON();
    });
  };
  const single = await events({ format: 'record' });
  t.match(single, [
    {
      ...{ specversion: '1.0', source: cloudEventsSource, type: 'vedette.check-result.v1', subject: 'job/7' },
      ...{ id: '7:Zürich:1:1796000000000', time: '2026-11-30T00:53:20.000Z', datacontenttype: 'application/json' },
      data: { job_id: 7, location: 'Zürich' },
    },
    { id: '7:here:1:1796000060000', time: '2026-11-30T00:54:20.123Z', data: { outcome: 'down' } },
    { id: '7:here:1:1796000060000:0', data: { outcome: 'missed', slots: 0 } },
  ]);
  const [block, ...others] = await events({ format: 'block' });
  t.same(others, []);
  t.match(block, { type: 'vedette.check-results.v1', id: '7:Zürich:1:1796000000000+2', subject: undefined });
  t.equal(String(block?.data).trimEnd().split('\n').length, 3);
  const copied = await events({ failuresTopic: 'bad' });
  t.match(
    copied.filter(({ type }) => type === 'vedette.check-result.v1'),
    [single[1]],
    'the same event in each topic',
  );
});

test('one send at a time per partition; a full block does not linger', async (t) => {
  const { clock, publisher, sends } = setUp({ manual: true, maxBlockBytes: 400 });
  for (let slot = 1; slot <= 10; slot++) publisher.publish(result(1, slot), 'checks');
  await clock.advance(0);
  t.equal(sends.length, 1, 'the first full block went at once');
  t.ok(sends[0].records[0].value.length <= 400);
  await clock.advance(1000);
  t.equal(sends.length, 1, 'the next waits for its acknowledgement');
  const slots: number[] = [];
  for (let index = 0; publisher.stats().queuedResults > 0; index++) {
    for (const line of sends[index].records[0].value.toString().trimEnd().split('\n'))
      slots.push(JSON.parse(line).slot);
    sends[index].resolve();
    await clock.advance(1);
  }
  t.strictSame(slots, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test('a failed send is repeated, each partition for itself, and nothing overtakes it', async (t) => {
  const { clock, publisher, sends, acks, receipt } = setUp({ manual: true });
  const jobs = [1, 2, 3, 4, 5, 6, 7, 8];
  for (const jobId of jobs) publisher.publish(result(jobId, 1), 'checks', receipt(jobId));
  await clock.advance(50);
  const partitions = sends[0].records.length;
  sends[0].reject(new Error('broken'));
  await clock.advance(10);
  t.equal(sends.length, 1 + partitions, 'one more for each partition');
  const broken = sends[1].records[0].partition;
  sends[1].reject(new Error('broken'));
  for (const { resolve } of sends.slice(2)) resolve();
  for (const jobId of jobs) publisher.publish(result(jobId, 2), 'checks', receipt(jobId));
  await clock.advance(60);
  t.ok(publisher.stats().failingSince !== null);
  for (let index = 1 + partitions; index < sends.length; index++) {
    if (sends[index].records.every(({ partition }) => partition !== broken)) sends[index].resolve();
  }
  await clock.advance(5000);
  const brokenJobs = jobs.filter((jobId) => partitionOf(jobId, PARTITIONS) === broken);
  t.notOk(acks.some((ack) => brokenJobs.includes(Number(ack.split('/')[0]))));
  t.equal(acks.length, 2 * (jobs.length - brokenJobs.length), 'the others went on');
  for (let index = 0; publisher.stats().queuedResults > 0 && index < 50; index++) {
    sends.at(-1)?.resolve();
    await clock.advance(100);
  }
  t.strictSame(acks.slice(-2 * brokenJobs.length).sort(), brokenJobs.flatMap((id) => [`${id}/1`, `${id}/2`]).sort());
  t.equal(publisher.stats().failingSince, null);
});

test('what does not fit is refused, and room is announced once', async (t) => {
  const { clock, publisher, sends, isClosed } = setUp({ manual: true, maxQueueBytes: 1000 });
  let room = 0;
  publisher.onRoom(() => room++);
  let taken = 0;
  while (publisher.publish(result(1, taken + 1), 'checks')) taken++;
  t.ok(taken >= 4 && taken <= 8);
  t.ok(publisher.isFull('checks'));
  t.ok(publisher.stats().queuedBytes < 1200);
  await clock.advance(50);
  t.equal(room, 0);
  sends[0].resolve();
  await clock.advance(1);
  t.equal(room, 1);
  t.notOk(publisher.isFull('checks'));
  await publisher.close();
  t.ok(isClosed());
  t.notOk(publisher.publish(result(1, 99), 'checks'), 'closed');
});

test('topics that are not taken leave room for the others', async (t) => {
  const missing = ['missing', 'missing too'];
  const { clock, publisher, acks, receipt } = setUp({
    maxQueueBytes: 20_000,
    partitionsOf: async (topic) => {
      if (missing.includes(topic)) throw new Error('no such topic');
      return PARTITIONS;
    },
  });
  let room = 0;
  publisher.onRoom(() => room++);
  const fill = (topic: string) => {
    let taken = 0;
    while (publisher.publish(result(1, taken + 1), topic)) taken++;
    return taken;
  };
  const first = fill('missing');
  t.ok(first > 80, 'one alone has most of the queue');
  const second = fill('missing too');
  t.ok(second > 10 && second < first);
  for (let slot = 1; slot <= 200; slot++) {
    t.ok(publisher.publish(result(2, slot), 'checks', receipt(2)));
    if (slot % 5 === 0) await clock.advance(100);
  }
  t.equal(acks.length, 200);
  t.ok(publisher.isFull('missing'));
  t.equal(room, 0, 'nobody is called for a topic that has no room yet');
  missing.length = 0;
  await clock.advance(60_000);
  t.equal(publisher.stats().queuedResults, 0);
  t.ok(room > 0);
});

test('a topic whose partitions are not known yet holds its results', async (t) => {
  let known = false;
  const partitionsOf = async () => {
    if (!known) throw new Error('not yet');
    return PARTITIONS;
  };
  const { clock, publisher, acks, receipt, lines } = setUp({ partitionsOf });
  for (let slot = 1; slot <= 3; slot++) publisher.publish(result(1, slot), 'other', receipt(1));
  await clock.advance(2000);
  t.equal(lines().length, 0);
  t.ok(publisher.stats().failingSince);
  known = true;
  await clock.advance(8000);
  t.strictSame(acks, ['1/1', '1/2', '1/3']);
  t.equal(publisher.stats().failingSince, null);
});

test('copies of failures are best effort', async (t) => {
  const { clock, publisher, sends, acks, receipt } = setUp({ manual: true, failuresTopic: 'failures' });
  publisher.publish(result(1, 1), 'checks', receipt(1));
  publisher.publish(
    result(1, 2, { outcome: 'down', reason: 'connect', status: null, responseTime: null }),
    'checks',
    receipt(1),
  );
  publisher.publish(result(1, 2, { outcome: 'missed', slots: 0, periodMs: 1 }), 'checks', receipt(1));
  await clock.advance(50);
  const copies = sends.filter(({ records }) => records[0].topic === 'failures');
  t.equal(copies.length, 1);
  t.equal(copies[0].records[0].value.toString().trimEnd().split('\n').length, 1, 'neither up nor a fence');
  copies[0].reject(new Error('broken'));
  sends.find(({ records }) => records[0].topic === 'checks')?.resolve();
  await clock.advance(5000);
  t.equal(sends.length, 2, 'never repeated');
  t.equal(acks.length, 3);
  t.match(publisher.stats(), { droppedCopies: 1, queuedResults: 0, failingSince: null });
});

test('with a topic for successes too every result is copied to one of the two, and counted in its own', async (t) => {
  const { clock, publisher, sends } = setUp({ successTopic: 'good', failuresTopic: 'bad' });
  const outcomes = ['up', 'degraded', 'down', 'missed', 'up'] as const;
  outcomes.forEach((outcome, index) => {
    publisher.publish(result(1, index + 1, { outcome }), 'checks');
  });
  await clock.advance(50);
  const linesOf = (topic: string) =>
    sends
      .flatMap(({ records }) => records)
      .filter((record) => record.topic === topic)
      .flatMap(({ value }) => value.toString().trimEnd().split('\n'))
      .map((line) => JSON.parse(line).outcome);
  t.strictSame(linesOf('checks'), outcomes);
  t.strictSame(linesOf('good'), ['up', 'up']);
  t.strictSame(linesOf('bad'), ['degraded', 'down', 'missed']);
});

test('flush sends at once; close gives up after its grace', async (t) => {
  const { clock, publisher, sends } = setUp({ manual: true });
  publisher.publish(result(1, 1), 'checks');
  await clock.advance(0);
  const flushed = publisher.flush();
  await clock.advance(0);
  t.equal(sends.length, 1);
  sends[0].resolve();
  t.equal(await flushed, true);
  publisher.publish(result(1, 2), 'checks');
  const closed = publisher.close(1000);
  await clock.advance(1000);
  await closed;
  t.equal(publisher.stats().queuedResults, 1);
  t.equal(publisher.stats().published, 1);
});

test('results go out without values and maintenance while readers do not know them', async (t) => {
  let isKnown = false;
  const { publisher, clock, lines } = setUp({ sendsLaterFields: () => isKnown });
  const more = { values: { days_left: 5 }, maintenance: true as const };
  publisher.publish(result(1, 1_000, more), 'checks');
  await clock.advance(100);
  isKnown = true;
  publisher.publish(result(1, 2_000, more), 'checks');
  await clock.advance(100);
  const [before, after] = lines().map((line) => JSON.parse(line));
  t.strictSame([before.slot, before.values, before.maintenance], [1_000, undefined, undefined]);
  t.match(after, { slot: 2_000, ...more });
});
