import { randomBytes } from 'node:crypto';
import { type Test, test } from 'tap';
import { createTestDatabaseUrl } from '../helpers/database.ts';
import { noBroker, startKafka } from '../kafka/broker.ts';
import { withAdmin } from '../kafka/topics.ts';
import { Example, type ExampleOptions, type Row } from './example.ts';

/** A database of the test's own in place of the one that the examples name. */
async function ownDatabase(t: Test): Promise<Required<ExampleOptions>> {
  const database = await createTestDatabaseUrl(t, { migrated: false });
  const { hostname, port, username, password, pathname } = new URL(database);
  const parts: Array<[string, string, string]> = [
    ['DATABASE_HOST', '127.0.0.1', hostname],
    ['DATABASE_PORT', '5432', port],
    ['DATABASE_DB', 'vedette', pathname.slice(1)],
    ['DATABASE_USER', 'vedette', username],
    ['DATABASE_PASSWD', 'secret', decodeURIComponent(password)],
  ];
  return {
    database,
    replace: [
      ['postgres://vedette:secret@127.0.0.1:5432/vedette', database],
      ...parts.map(([name, theirs, ours]) => [`${name}=${theirs}`, `${name}=${ours}`] as const),
    ],
  };
}

const checked = (rows: Row[]) => rows.length === 2 && rows.every(({ success }) => success !== null);
const yesAndNo = [
  { uri: /status=200&body=Yes$/, success: true, code: '200' },
  { uri: /status=500$/, success: false, code: '500' },
];

for (const name of ['one-site', 'one-site-env']) {
  test(`${name}: a single site without any file of jobs`, async (t) => {
    const example = await Example.open(t, name);
    await example.runAll();
    // A query that was planned before the first partition of raw results was there does not see them, and shows the state alone.
    const rows = await example.rows((rows) => rows.length === 1 && rows[0]?.length !== null);
    t.match(rows, [{ uri: /body=Yes$/, success: true, code: '200', length: 3 }]);
  });
}

for (const name of ['env-postgres-dsn', 'env-postgresql-uri', 'env-database-parts']) {
  test(`${name}: PostgreSQL by the names of other programs`, async (t) => {
    const example = await Example.open(t, name, await ownDatabase(t));
    await example.runAll();
    const rows = await example.rows((rows) => rows.some(({ up }) => Number(up) >= 2));
    t.match(rows[0], { job_id: 1, data: { 200: Number } });
  });
}

test('producer and consumer on one data folder', async (t) => {
  const example = await Example.open(t, 'producer-consumer');
  await example.runAll();
  t.match(await example.rows(checked), yesAndNo);
});

const missing = noBroker();

test('over Kafka', { skip: missing }, async (t) => {
  const [server] = (await startKafka(t)).bootstrapServers as [string];
  const onKafka = async (t: Test): Promise<ExampleOptions> => {
    const { database, replace } = await ownDatabase(t);
    return { database, replace: [...replace, ['127.0.0.1:9092', server]] };
  };

  await t.test('producer and consumer', async (t) => {
    const example = await Example.open(t, 'producer-consumer-kafka', await onKafka(t));
    await example.runAll();
    t.match(await example.rows(checked), yesAndNo);
    const offsets = await withAdmin([server], (admin) => admin.fetchTopicOffsets('website_checks'));
    t.ok(
      offsets.some(({ high }) => Number(high) > 0),
      'the results went through the topic that was named',
    );
  });

  await t.test('a topic for what is up, one for what is not', async (t) => {
    const example = await Example.open(t, 'kafka-success-failure', await onKafka(t));
    await example.runAll();
    const rows = await example.rows(
      (rows) => rows.length === 2 && rows.every(({ up, down }) => Number(up) + Number(down) > 2),
    );
    t.match(rows, [
      { job_id: 1, down: 0 },
      { job_id: 2, up: 0 },
    ]);
    const ids = async (topic: string) => new Set((await readLines(server, topic)).map(({ job_id }) => job_id));
    t.same(await ids('checks_up'), new Set([1]));
    t.same(await ids('checks_not_up'), new Set([2]));
  });
});

/** The results that wait in a topic now. */
async function readLines(server: string, topic: string): Promise<Array<{ job_id: number }>> {
  const { createKafkajsDriver } = await import('../../src/streaming/kafkajs/index.ts');
  const { kafkaOptions } = await import('../kafka/drivers.ts');
  const driver = await createKafkajsDriver(
    kafkaOptions([server], { clientId: `reader-${randomBytes(3).toString('hex')}` }),
  );
  try {
    const ranges = await driver.ranges(topic);
    const lines: string[] = [];
    for await (const { records } of driver.read(
      topic,
      ranges.map(({ partition, low, high }) => ({ partition, from: low, to: high })),
    )) {
      lines.push(...records.flatMap(({ value }) => value.toString().trimEnd().split('\n')));
    }
    return lines.map((line) => JSON.parse(line) as { job_id: number });
  } finally {
    await driver.close();
  }
}
