import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { until } from '../helpers/until.ts';
import { createScene, isReady, openDatabase, reportAudit, startServer } from './scene.ts';

const FAULTS = Number(process.env.VEDETTE_FAULTS ?? 6);
const LEASE = { VEDETTE_SCHEDULER_LEASE: '3s' };

test('two processes on one database: killed, paused beyond their lease, and resumed', async (t) => {
  const scene = await createScene(t, { jobs: 300 });
  const server = await startServer(t, scene);
  const env = { DATABASE_URL: server.connectionString, ...LEASE };
  const pair = [await scene.vedette('a', env), await scene.vedette('b', env)];
  for (const vedette of pair) await vedette.start();
  for (const vedette of pair) await until('readiness', () => isReady(vedette), 60_000);

  for (let round = 0; round < FAULTS; round++) {
    const victim = scene.random.pick(pair);
    await sleep(scene.random.between(500, 3_000));
    if (scene.random.next() < 0.5) {
      victim.kill('SIGKILL');
      await victim.gone();
      await sleep(scene.random.between(0, 5_000));
      await victim.start();
    } else {
      // Longer than the lease: the other takes over, and this one wakes up as a zombie.
      victim.kill('SIGSTOP');
      await sleep(scene.random.between(1_000, 9_000));
      victim.kill('SIGCONT');
    }
    if (round % 2 === 0) await until('readiness', () => isReady(victim), 60_000);
  }
  for (const vedette of pair) await until('readiness', () => isReady(vedette), 60_000);
  const database = await openDatabase(t, server.connectionString);
  await scene.settle(pair[0], database);
  reportAudit(t, await scene.audit(database));
});

test('PostgreSQL is killed again and again', async (t) => {
  const scene = await createScene(t, { jobs: 300 });
  const server = await startServer(t, scene);
  const vedette = await scene.vedette('vedette', { DATABASE_URL: server.connectionString, ...LEASE });
  await vedette.start();
  await until('readiness', () => isReady(vedette), 60_000);
  for (let kill = 0; kill < FAULTS; kill++) {
    await sleep(scene.random.between(200, 3_000));
    const pid = await until('the server', async () => server.pid());
    process.kill(pid, 'SIGKILL');
  }
  await until('readiness', () => isReady(vedette), 60_000);
  const database = await openDatabase(t, server.connectionString);
  await scene.settle(vedette, database);
  reportAudit(t, await scene.audit(database));
});
