import { existsSync, readdirSync } from 'node:fs';
import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { until } from '../helpers/until.ts';
import { createScene, isReady, openDatabase, reportAudit, startServer } from './scene.ts';

/** libfaketime steps the wall clock of one process; a package of most distributions. */
function findFaketime(): string | undefined {
  const roots = ['/usr/lib', '/usr/lib64', '/usr/local/lib'];
  const folders = roots.flatMap((root) =>
    existsSync(root) ? [root, ...readdirSync(root).map((name) => join(root, name))] : [],
  );
  return folders
    .flatMap((folder) => [join(folder, 'faketime/libfaketimeMT.so.1'), join(folder, 'libfaketimeMT.so.1')])
    .find((file) => existsSync(file));
}

const library = findFaketime();
const skip = library ? false : 'libfaketime is not installed: the wall clock of a whole process cannot be stepped here';

test('the wall clock jumps an hour ahead and back', { skip }, async (t) => {
  const scene = await createScene(t, { jobs: 100 });
  const server = await startServer(t, scene);
  const clock = join(scene.folder, 'clock');
  await writeFile(clock, '+0');
  const vedette = await scene.vedette('vedette', {
    DATABASE_URL: server.connectionString,
    LD_PRELOAD: library as string,
    FAKETIME_TIMESTAMP_FILE: clock,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  });
  const database = await openDatabase(t, server.connectionString);
  const answered = async () => {
    const { rows } = await database.query<{ n: number }>(
      'SELECT coalesce(sum(up + down), 0)::bigint AS n FROM series_progress',
    );
    return rows[0].n;
  };
  await vedette.start();
  await until('readiness', () => isReady(vedette), 60_000);
  for (const step of ['+0', '+3600', '+0', '-3600', '+0']) {
    await writeFile(clock, step);
    await utimes(clock, new Date(), new Date());
    await sleep(2_000);
    const before = await answered();
    await sleep(6_000);
    const rate = ((await answered()) - before) / 6;
    t.ok(rate > 30 && rate < 400, `checks go on at their pace at ${step} s: ${rate.toFixed(0)} of 100 a second`);
  }
  const status = async () =>
    (await (await fetch(`http://127.0.0.1:${vedette.port}/`)).json()) as { status: string; problems: string[] };
  await writeFile(clock, '+1800');
  await utimes(clock, new Date(), new Date());
  await sleep(12_000);
  t.match(await status(), { status: 'degraded', problems: [/1800 s ahead of that of PostgreSQL, which is followed/] });
  await writeFile(clock, '+0');
  await utimes(clock, new Date(), new Date());
  await sleep(5_000);
  t.match(await status(), { status: 'ok', problems: [] });
  const { rows } = await database.query<{ ahead: number }>(
    'SELECT max(slot) - (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ahead FROM series_progress',
  );
  t.ok(rows[0].ahead < 2_000, `the latest slot is ${rows[0].ahead} ms ahead of the database's clock`);
  await scene.settle(vedette, database);
  reportAudit(t, await scene.audit(database));
});
