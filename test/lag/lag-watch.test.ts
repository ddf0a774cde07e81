import { type Test, test } from 'tap';
import { createLogger } from '../../src/core/logger.ts';
import { LagWatch, problemsOf } from '../../src/lag/lag-watch.ts';
import type { Database } from '../../src/postgres/database.ts';
import { claimPartitions, moveOffsets } from '../../src/processor/tables/offsets.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { createFakeDriver } from '../processor/fake-driver.ts';

const TOPIC = 'checks';

async function createScene(t: Test, partitions = 1) {
  const database = await createTestDatabase(t);
  const clock = createFakeClock();
  const driver = createFakeDriver({ [TOPIC]: partitions });
  const said: Array<{ msg: string; problems?: string[] }> = [];
  const logger = createLogger({ level: 'info', fd: 2 });
  const hear = (data: { problems?: string[] }, msg: string) => void said.push({ msg, ...data });
  Object.assign(logger, { error: hear, info: hear });
  let away: Error | null = null;
  const reached = new Proxy(database, {
    get: (target, key) =>
      away && key === 'query' ? () => Promise.reject(away) : Reflect.get(target, key).bind?.(target),
  }) as Database;
  const watch = new LagWatch({ database: reached, driver, clock, logger, resultsTopic: TOPIC });
  t.teardown(() => watch.stop());
  const scene = {
    ...{ database, clock, driver, watch, said },
    /** Lets seconds pass, looking every five of them, as `start` would. */
    async pass(seconds: number) {
      for (let at = 0; at < seconds; at += 5) {
        await clock.advance(5_000);
        await watch.sample();
      }
      return watch.status();
    },
    cut(error: Error | null) {
      away = error;
    },
    claim: (owner: string, partition = 0) => claimPartitions(database, TOPIC, [partition], owner),
    move: (from: number | null, to: number, partition = 0) =>
      moveOffsets(database, [
        {
          topic: TOPIC,
          partition,
          epoch: 1,
          from,
          to,
          ...{ results: 1, foreign: 0, duplicates: 0, fenced: 0, deadLetters: 0 },
        },
      ]),
    live: (id: string, { silent = 0, problems = [] as object[] } = {}) =>
      database.query(
        `INSERT INTO instances (instance_id, roles, location, version, started_at, seen_at, stats)
         VALUES ($1, '{processor}', 'default', '1', now(), now() - make_interval(secs => $2), $3)
         ON CONFLICT (instance_id) DO UPDATE SET seen_at = excluded.seen_at, stats = excluded.stats`,
        [id, silent, { countingProblems: problems }],
      ),
  };
  await watch.sample();
  return scene;
}

test('records that nobody counts: lag at once, a stall with its reason after 30 s, and it clears', async (t) => {
  const { driver, watch, pass, claim, move, live } = await createScene(t, 2);
  driver.append(TOPIC, 1, 'a', 'b');
  t.match(await pass(25), { lag: 2, stalls: [], unknown: null });
  t.match(await pass(15), {
    lag: 2,
    stalls: [{ topic: TOPIC, partition: 1, lag: 2, owner: null, reason: 'no processor runs' }],
  });
  t.match(problemsOf(watch.status()), [
    /^results are not counted: checks\/1 stood still for \d\d s with 2 records waiting: no processor runs$/,
  ]);
  await live('one');
  t.match((await pass(5)).stalls, [{ reason: 'no processor owns it, although one runs' }]);
  await claim('one', 1);
  t.match((await pass(5)).stalls, [{ owner: 'one', reason: /^its owner one is alive and names no reason/ }]);
  await move(null, 1, 1);
  t.match(await pass(5), { lag: 1, stalls: [], counted: 1 }, 'it moves');
  await move(1, 2, 1);
  t.match(await pass(5), { lag: 0, stalls: [], counted: 2 });
});

test('the reason is what the owner wrote down, or that it is silent', async (t) => {
  const { driver, pass, claim, live } = await createScene(t, 2);
  for (const partition of [0, 1]) {
    driver.append(TOPIC, partition, 'a');
    await claim('one', partition);
  }
  const lost = { topic: TOPIC, partition: 1, reason: 'offset 7 is gone' };
  await live('one', { problems: [lost, { reason: 'results cannot be written: disk full' }] });
  t.match((await pass(40)).stalls, [
    { partition: 0, reason: 'results cannot be written: disk full' },
    { partition: 1, reason: 'offset 7 is gone' },
  ]);
  await live('one', { silent: 47 });
  t.match((await pass(5)).stalls, [{ reason: /^its owner one was last seen 4\d s ago: it is frozen, was killed/ }, {}]);
});

test('a quiet stream, a fast catch-up, offsets without records and a frozen watcher are no stall', async (t) => {
  const { driver, watch, clock, pass, claim, move } = await createScene(t);
  t.match(await pass(120), { lag: 0, stalls: [] }, 'nothing was ever sent');
  driver.append(TOPIC, 0, ...Array.from({ length: 100 }, String));
  await claim('one');
  for (let at = 0; at < 40; at++) {
    await move(at === 0 ? null : at, at + 1);
    t.match(await pass(5), { lag: 99 - at, stalls: [] });
  }
  await move(40, 100);
  t.match(await pass(120), { lag: 0, stalls: [] });
  driver.append(TOPIC, 0, 'expires');
  driver.trim(TOPIC, 0, 101);
  await pass(40);
  t.match(await pass(5), { lag: 0, stalls: [] }, 'there is no record to be counted');
  driver.append(TOPIC, 0, 'waits');
  await pass(5);
  await clock.advance(600_000);
  await watch.sample();
  t.same(watch.status().stalls, [], 'it saw nothing while it was frozen');
  t.match((await pass(35)).stalls, [{ lag: 2 }]);
});

test('PostgreSQL or the stream away: said after 30 s, with the lag as last known and what the log says since', async (t) => {
  const { driver, pass, claim, move, cut, watch } = await createScene(t);
  driver.append(TOPIC, 0, 'a', 'b');
  await claim('one');
  await move(null, 2);
  await pass(5);
  cut(new Error('connect ECONNREFUSED'));
  t.match(await pass(20), { lag: 0, unknown: null });
  driver.append(TOPIC, 0, 'c');
  t.match(await pass(20), { lag: 1, counted: 1, unknown: /cannot be told for \d+ s: PostgreSQL .*ECONNREFUSED/ });
  t.match((await pass(20)).stalls, [{ lag: 1, reason: /PostgreSQL cannot be asked: connect ECONNREFUSED/ }]);
  cut(null);
  await move(2, 3);
  t.match(await pass(5), { lag: 0, stalls: [], unknown: null });
  const { ends } = driver;
  driver.ends = async () => Promise.reject(new Error('no broker'));
  t.match((await pass(40)).unknown, /the stream cannot be asked: no broker/);
  driver.ends = ends;
  t.match(await pass(5), { lag: 0, unknown: null });
  t.same(problemsOf(watch.status()), []);
});

test('the log says it at first, once a minute while it lasts, and when it is over', async (t) => {
  const { driver, clock, watch, said, claim, move } = await createScene(t);
  driver.append(TOPIC, 0, 'a');
  watch.start();
  const turn = async () => {
    await watch.sample();
    await new Promise((resolve) => setTimeout(resolve, 5));
  };
  for (let at = 0; at < 180; at += 5) {
    await turn();
    await clock.advance(5_000);
  }
  t.match(said[0], { msg: 'results are not counted', problems: [/no processor runs/] });
  t.ok(said.length >= 2 && said.length <= 4, `${said.length} times in 150 s`);
  await claim('one');
  await move(null, 1);
  for (let turns = 0; turns < 3; turns++) {
    await turn();
    await clock.advance(5_000);
  }
  await turn();
  t.equal(said.at(-1)?.msg, 'results are counted again');
});
