import { test } from 'tap';
import { silentLogger } from '../../src/core/logger.ts';
import { type TopicConsumer, TopicFollower } from '../../src/streaming/topic-follower.ts';
import { pinPartitions } from '../../src/streaming/topics.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';

/** Says what is done with it; it cannot start while `isAway`. */
function createStage() {
  const said: string[] = [];
  const stage = { isAway: false };
  const create = async (topics: readonly string[]): Promise<TopicConsumer> => {
    const name = topics.join('+');
    return {
      start: async () => {
        said.push(stage.isAway ? `${name} fails` : `${name} starts`);
        if (stage.isAway) throw new Error('the stream is away');
      },
      stop: async () => void said.push(`${name} stops`),
    };
  };
  return { stage, said, create };
}

test('a new topic is counted as soon as the stream lets it, however often that fails', async (t) => {
  const database = await createTestDatabase(t);
  const { stage, said, create } = createStage();
  const follower = new TopicFollower({ database, logger: silentLogger, resultsTopic: 'checks', create });
  await follower.start();
  t.strictSame(said, ['checks starts']);

  stage.isAway = true;
  await pinPartitions(database, 'special', { counted: true, make: async () => 1 });
  await until('a second try', async () => said.filter((words) => words === 'checks+special fails').length > 1);
  t.equal(said[1], 'checks stops');
  stage.isAway = false;
  await until('its start', async () => said.includes('checks+special starts'));
  await follower.stop();
  t.equal(said.at(-1), 'checks+special stops');
});

test('it stops while the stream is away', async (t) => {
  const database = await createTestDatabase(t);
  const { stage, said, create } = createStage();
  const follower = new TopicFollower({ database, logger: silentLogger, resultsTopic: 'checks', create });
  await follower.start();
  stage.isAway = true;
  await pinPartitions(database, 'special', { counted: true, make: async () => 1 });
  await until('a try', async () => said.includes('checks+special fails'));
  await follower.stop();
  const before = said.length;
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.equal(said.length, before, 'nothing is tried any more');
});

test('a stream that is away at the start is the business of the caller', async (t) => {
  const database = await createTestDatabase(t);
  const { stage, said, create } = createStage();
  const follower = new TopicFollower({ database, logger: silentLogger, resultsTopic: 'checks', create });
  stage.isAway = true;
  await t.rejects(follower.start(), { message: 'the stream is away' });
  stage.isAway = false;
  await follower.start();
  t.strictSame(said, ['checks fails', 'checks starts']);
  await follower.stop();
});
