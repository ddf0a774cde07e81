import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { until } from '../helpers/until.ts';
import { databaseUrl } from './database-url.ts';
import { createScene, isReady, openDatabase, reportAudit } from './scene.ts';

const KILLS = Number(process.env.VEDETTE_FAULTS ?? 14);

test('without faults the numbers equal what the target served', async (t) => {
  const scene = await createScene(t, { jobs: 300 });
  const vedette = await scene.vedette('vedette');
  await vedette.start();
  await until('readiness', () => isReady(vedette));
  const database = await openDatabase(t, await databaseUrl(vedette, scene.folder));
  await sleep(15_000);
  await scene.settle(vedette, database);
  const report = await scene.audit(database);
  reportAudit(t, report);
  t.ok(report.servedButMissed <= report.due * 0.01, 'what was served is counted, but for checks that the stop cut off');
  t.ok(report.missed <= report.due * 0.01, 'next to nothing was missed');
});

test(`exact through ${KILLS} kill -9 of the process, database included`, {
  timeout: 300_000 + KILLS * 10_000,
}, async (t) => {
  const scene = await createScene(t, { jobs: 300 });
  const vedette = await scene.vedette('vedette');
  await vedette.start();
  await until('readiness', () => isReady(vedette));
  for (let kill = 0; kill < KILLS; kill++) {
    await sleep(scene.random.between(0, 3_000));
    vedette.kill('SIGKILL');
    await vedette.gone();
    await sleep(scene.random.between(0, 500));
    await vedette.start();
    // Every third time it is killed again before it has settled.
    if (kill % 3 !== 0) await until('readiness', () => isReady(vedette), 60_000);
  }
  await until('readiness', () => isReady(vedette), 60_000);
  await sleep(5_000);
  const database = await openDatabase(t, await databaseUrl(vedette, scene.folder));
  await scene.settle(vedette, database);
  reportAudit(t, await scene.audit(database));
});
