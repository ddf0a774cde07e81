import { randomBytes } from 'node:crypto';
import { test } from 'tap';
import { silentLogger as logger } from '../../../src/core/logger.ts';
import type { Database } from '../../../src/postgres/database.ts';
import { DEFLATED, decodeValue, encodeValue, PLAIN } from '../../../src/streaming/embedded/codec.ts';
import { shareOf } from '../../../src/streaming/embedded/group.ts';
import { createEmbeddedDriver } from '../../../src/streaming/embedded/index.ts';
import { EmbeddedLog } from '../../../src/streaming/embedded/log.ts';
import { streamDrivers } from '../../../src/streaming/index.ts';
import { createTestDatabase } from '../../helpers/database.ts';
import { Recorder } from '../recorder.ts';

const HOUR = 3_600_000;
const record = (text: string, partition = 0) => ({ topic: 'checks', partition, value: Buffer.from(text) });
const textsOf = async (log: EmbeddedLog, offset = 0) => {
  const { records } = await log.fetch({ topic: 'checks', partition: 0, offset, seenAt: null });
  return records.map(({ value }) => value.toString());
};
const partitions = async (database: Database) =>
  (await database.query("SELECT FROM pg_inherits WHERE inhparent = 'stream_records'::regclass")).rowCount;

test('values are compressed where that pays, and come back as they were', async (t) => {
  const line = '{"v":1,"job_id":7,"location":"default","outcome":"up","status":"200"}\n';
  const cases: Array<[Buffer, number]> = [
    [Buffer.alloc(0), PLAIN],
    [Buffer.from('short'), PLAIN],
    [Buffer.from(line.repeat(100)), DEFLATED],
    [Buffer.from(line.repeat(5_000)), DEFLATED],
    [randomBytes(5_000), PLAIN],
    [randomBytes(100_000), PLAIN],
  ];
  for (const [value, codec] of cases) {
    const stored = await encodeValue(value);
    t.equal(stored.codec, codec);
    t.ok((await decodeValue(stored)).equals(value));
  }
  const bomb = await encodeValue(Buffer.alloc(10_000_000));
  await t.rejects(decodeValue({ ...bomb, size: 1_000 }), 'never more bytes than the record says');
  await t.rejects(decodeValue({ codec: 9, bytes: Buffer.alloc(1), size: 1 }), /codec 9/);
});

test('a missing partition of time is made by the append that needs it', async (t) => {
  const database = await createTestDatabase(t);
  const log = new EmbeddedLog(database);
  await log.createTopics([{ topic: 'checks', partitions: 2 }]);
  t.equal(await partitions(database), 0);
  await log.append([record('a'), record('b')]);
  t.ok((await partitions(database)) >= 2);
  t.strictSame(await textsOf(log), ['a', 'b']);
});

test('a send to a partition that does not exist appends nothing at all', async (t) => {
  const database = await createTestDatabase(t);
  const log = new EmbeddedLog(database);
  await log.createTopics([{ topic: 'checks', partitions: 2 }]);
  await t.rejects(log.append([record('a'), record('b', 2)]), { code: 'VED_TOPIC_MISSING', message: /checks\/2/ });
  await log.append([record('c')]);
  t.strictSame(await textsOf(log), ['c']);
  await log.append([]);
});

test('retention drops hours, and a clock that ran ahead does not stop it for ever', async (t) => {
  const database = await createTestDatabase(t);
  const log = new EmbeddedLog(database);
  await log.createTopics([{ topic: 'checks', partitions: 1 }]);
  await log.append([record('a')]);
  t.strictSame(await log.expire(HOUR), []);
  // A clock that was three days ahead for a moment.
  await database.query("UPDATE stream_heads SET last_at = clock_timestamp() + interval '3 days'");
  await log.append([record('b')]);
  t.ok((await log.expire(-2 * HOUR)).length >= 1, 'the hour of the first record');
  await log.append([record('c')]);
  t.strictSame(await textsOf(log), ['b', 'c'], 'in order of offsets, though the times are not');
  const { records, next } = await log.fetch({ topic: 'checks', partition: 0, offset: 1, seenAt: null });
  t.equal(records.length, 2);
  const [head] = await log.heads(['checks']);
  await log.append([record('d')]);
  const ahead = { ...next, offset: 3, seenAt: '2999-01-01 00:00:00+00' };
  const more = await log.fetch(ahead, head);
  t.strictSame(
    more.records.map(({ value }) => value.toString()),
    ['d'],
    'a reader that saw a later time misses nothing',
  );
});

test('partitions are shared fairly, also many topics of one partition', (t) => {
  const members = ['a', 'b', 'c'];
  for (const count of [0, 1, 2, 3, 4, 64]) {
    const shares = members.map((member) => shareOf(member, members, 'checks', count));
    t.equal(
      shares.reduce((sum, share) => sum + share),
      count,
    );
    t.ok(Math.max(...shares) - Math.min(...shares) <= 1);
  }
  t.equal(shareOf('d', members, 'checks', 64), 0);
  const topics = Array.from({ length: 300 }, (_, index) => `topic-${index}`);
  for (const member of members) {
    const share = topics.reduce((sum, topic) => sum + shareOf(member, members, topic, 1), 0);
    t.ok(share > 60 && share < 140, `${share} of 300`);
  }
  t.end();
});

test('a topic that is missing is told, and read as soon as it is there', async (t) => {
  const database = await createTestDatabase(t);
  const driver = createEmbeddedDriver({ database, logger, leaseMs: 400, pollMs: 100 });
  t.teardown(() => driver.close());
  const recorder = new Recorder();
  await driver.createConsumer({ group: 'g', topics: ['later'], handler: recorder });
  await recorder.until('an error', () => recorder.errors.length > 0);
  t.match(recorder.errors, [{ code: 'VED_TOPIC_MISSING' }]);
  await driver.ensureTopics([{ topic: 'later', partitions: 1 }], { create: true });
  await (await driver.createProducer()).send([{ topic: 'later', partition: 0, value: Buffer.from('x') }]);
  await recorder.until('the record', () => recorder.delivered.length === 1);
  t.equal(recorder.errors.length, 1, 'told once');
});

test('drivers are made by name', async (t) => {
  const database = await createTestDatabase(t);
  const driver = await streamDrivers.get('embedded').create({ logger, database });
  t.equal(driver.name, 'embedded');
  await driver.close();
  t.throws(() => streamDrivers.get('carrier pigeon'), /one of embedded/);
});
