import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { lockDataFolder } from '../../../src/postgres/embedded/folder-lock.ts';
import { startOf } from '../../../src/postgres/embedded/process-identity.ts';
import { createDataFolder } from '../../helpers/data-folder.ts';

const inUse = { code: 'VED_DATA_DIR_IN_USE' };
const holder = (fields: object) =>
  JSON.stringify({ pid: process.pid, host: hostname(), start: 'x', since: '2026-01-01T00:00:00.000Z', ...fields });

test('one at a time; given back, it can be taken again', async (t) => {
  const folder = await createDataFolder(t);
  const unlock = await lockDataFolder(folder);
  await t.rejects(lockDataFolder(folder), {
    ...inUse,
    message: new RegExp(`^The data folder ${folder} is in use by process ${process.pid}, which runs since 20`),
  });
  await unlock();
  t.strictSame(await readdir(folder), []);
  await (await lockDataFolder(folder))();
});

test('a stale lock goes to exactly one of many that want it', async (t) => {
  const stale = {
    'a process that is gone': holder({ pid: 2 ** 22 - 1 }),
    'a number that is another process by now': holder({ start: 'an earlier boot' }),
    'half a file': '{"pid":1,',
    'an empty file': '',
  };
  for (const [what, content] of Object.entries(stale)) {
    const folder = await createDataFolder(t);
    await writeFile(join(folder, 'vedette.lock'), content);
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockDataFolder(folder)));
    const winners = results.filter(({ status }) => status === 'fulfilled');
    t.equal(winners.length, 1, what);
    for (const result of results) if (result.status === 'rejected') t.match(result.reason, inUse);
    const { start } = JSON.parse(await readFile(join(folder, 'vedette.lock'), 'utf8')) as { start: string };
    t.equal(start, await startOf(process.pid));
    await (winners[0] as PromiseFulfilledResult<() => Promise<void>>).value();
    t.strictSame(await readdir(folder), []);
  }
});

test('a lock from another host is respected while it is touched, and taken over when it is not', async (t) => {
  const folder = await createDataFolder(t);
  const path = join(folder, 'vedette.lock');
  await writeFile(path, holder({ host: 'another-container', pid: 1 }));
  const touching = setInterval(() => void utimes(path, new Date(), new Date()), 200);
  await t.rejects(lockDataFolder(folder), { ...inUse, message: /process 1 on another-container/ });
  clearInterval(touching);
  const longAgo = new Date(Date.now() - 60_000);
  await utimes(path, longAgo, longAgo);
  await (await lockDataFolder(folder))();
});
