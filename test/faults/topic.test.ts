import { setTimeout as sleep } from 'node:timers/promises';
import { type Test, test } from 'tap';
import { until } from '../helpers/until.ts';
import { noKafkaFor, startKafka } from '../kafka/broker.ts';
import { deleteTopic, withAdmin } from '../kafka/topics.ts';
import type { VedetteProcess } from './fleet.ts';
import { sampleDrivers } from './sample.ts';
import { countedSlots, createScene, isReady, openDatabase, startServer } from './scene.ts';

const JOBS = 60;
const PARTITIONS = 3;

for (const driver of sampleDrivers(import.meta.filename)) {
  const name = `${driver}: the topic is deleted and made again: counting stops and says so, and there is a way on`;
  test(name, { skip: noKafkaFor(driver) }, (t) => replaceTopic(t, driver));
}

async function replaceTopic(t: Test, driver: string): Promise<void> {
  const scene = await createScene(t, { jobs: JOBS });
  const kafka = await startKafka(t);
  const server = await startServer(t, scene);
  const vedette = await scene.vedette('vedette', {
    DATABASE_URL: server.connectionString,
    KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrapServers.join(),
    VEDETTE_STREAM_DRIVER: driver,
    VEDETTE_STREAM_PARTITIONS: String(PARTITIONS),
  });
  await vedette.start();
  await until('readiness', () => isReady(vedette), 60_000);
  const database = await openDatabase(t, server.connectionString);
  await until('the first numbers', async () => (await countedSlots(database)) > 3 * JOBS, 60_000);

  const servers = kafka.bootstrapServers;
  await deleteTopic(servers, 'checks');
  const topics = [{ topic: 'checks', numPartitions: PARTITIONS }];
  await withAdmin(servers, (admin) => admin.createTopics({ topics, waitForLeaders: true }));
  const replacedMs = Date.now();
  await until('the reason in readiness', async () => /made again/.test(await readiness(vedette)), 120_000);
  // What other partitions have read of the old topic by then is still written.
  await sleep(3_000);
  const stopped = await countedSlots(database);
  t.equal(await isLive(vedette), true, 'liveness stays');

  // Grown beyond the stored offsets, the new topic looks like the old one to whoever knows only numbers.
  await until(
    'the new topic to outgrow the old one',
    async () => {
      const { rows } = await database.query<{ partition: number; next: number }>(
        "SELECT partition, next_offset AS next FROM stream_offsets WHERE topic = 'checks' AND next_offset IS NOT NULL",
      );
      const offsets = await withAdmin(servers, (admin) => admin.fetchTopicOffsets('checks'));
      const high = new Map(offsets.map(({ partition, high }) => [partition, Number(high)]));
      return rows.every(({ partition, next }) => (high.get(partition) ?? 0) > next);
    },
    120_000,
  );
  vedette.kill('SIGKILL');
  await vedette.gone();
  await vedette.start();
  await until('the reason after a restart', async () => /made again/.test(await readiness(vedette)), 60_000);
  t.equal(await countedSlots(database), stopped, 'nothing is counted meanwhile');

  await database.query("UPDATE stream_offsets SET next_offset = NULL WHERE topic = 'checks'");
  await until('readiness after the documented way on', () => isReady(vedette), 60_000);
  await until('counting to go on', async () => (await countedSlots(database)) > stopped + 3 * JOBS, 60_000);
  await scene.settle(vedette, database);
  const report = await scene.audit(database);
  const lost =
    /^slot \d+\/(\d+) was due and is not counted$|^the target served \d+\/(\d+), which is counted as nothing$/;
  const slots = report.problems.map((problem) => lost.exec(problem)).map((match) => Number(match?.[1] ?? match?.[2]));
  t.strictSame(
    report.problems.filter((problem) => !lost.test(problem)),
    [],
    'nothing is counted wrongly',
  );
  t.ok(
    slots.every((slot) => slot <= replacedMs),
    'only what the old topic held is missing',
  );
  t.comment(`${report.due} slots due, ${report.counted} counted, the rest went with the old topic`);
}

async function readiness(vedette: VedetteProcess): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${vedette.port}/health/ready`);
  return answer.status === 503 ? answer.text() : '';
}

async function isLive(vedette: VedetteProcess): Promise<boolean> {
  return (await fetch(`http://127.0.0.1:${vedette.port}/health/live`)).ok;
}
