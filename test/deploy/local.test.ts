import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Test, test } from 'tap';
import { readable } from '../../scripts/local/lines.ts';
import type { VedetteProcess } from '../faults/fleet.ts';
import { countedSlots, createScene, openDatabase, reportAudit, type Scene } from '../faults/scene.ts';
import { until } from '../helpers/until.ts';
import { noBroker } from '../kafka/broker.ts';
import { root } from './production-tree.ts';

/** `npm run local` itself, with free ports and a folder of its own. It is ended by its id with the test at the latest. */
function startLocal(t: Test, scene: Scene, args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['scripts/local.mjs', '--port', '0', '--data-dir', scene.folder, ...args], {
    cwd: root,
    env: {
      ...{ PATH: process.env.PATH, HOME: process.env.HOME, JOBS_FILE: scene.jobsFile, NODE_OPTIONS: '' },
      ...{ VEDETTE_SCHEDULER_LEASE: '3s', VEDETTE_SERVER_RATE_LIMIT_PER_MINUTE: '0', ...env },
    },
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => lines.push(line));
  }
  const exited = once(child, 'exit');
  const print = () => lines.join('\n');
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await exited;
    // Its children notice within a moment that they are alone.
    for (const pid of pids()) await until(`the end of ${pid}`, async () => !isAlive(pid));
    if (!t.passing()) t.comment(print());
  });
  const pids = () => [...print().matchAll(/\bpid (\d+)/g)].map(([, pid]) => Number(pid));
  return {
    child,
    exited,
    print,
    pids,
    printed: (pattern: RegExp, limitMs = 90_000) => until(`${pattern}`, async () => pattern.exec(print()), limitMs),
    pid: (name: string) => Number(new RegExp(`${name} +(?:pid|.*started again, pid) (\\d+)`).exec(print())?.[1]),
  };
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

const missing = noBroker();

test('with Kafka: a scheduler and a processor are killed and come back, and the numbers are exact', {
  skip: missing,
}, async (t) => {
  const scene = await createScene(t, { jobs: 60 });
  const local = startLocal(t, scene, []);
  const [, port] = await local.printed(/page +http:\/\/127\.0\.0\.1:(\d+)\//);
  t.match(local.print(), /stream +Kafka at 127\.0\.0\.1:\d+/);
  await local.printed(/processor-2 +pid/);
  const [, url] = await local.printed(/psql "(.+)"/);
  const database = await openDatabase(t, url);
  await until('the first numbers', async () => (await countedSlots(database)) > 60);

  for (const name of ['scheduler-1', 'processor-2']) {
    process.kill(local.pid(name), 'SIGKILL');
    await local.printed(new RegExp(`${name} +\\| ENDED \\(SIGKILL\\), is started again in 0\\.5 s`));
    const [, pid] = await local.printed(new RegExp(`${name} +\\| started again, pid (\\d+)`));
    await local.printed(new RegExp(`${name} +\\| started again[\\s\\S]*${name} +\\| \\S+ ready `));
    t.ok(isAlive(Number(pid)), `${name} is back`);
    await sleep(2_000);
  }
  const before = await countedSlots(database);
  await until('counting to go on', async () => (await countedSlots(database)) > before + 120);
  await scene.settle({ port: Number(port) } as VedetteProcess, database);
  reportAudit(t, await scene.audit(database));

  const began = performance.now();
  local.child.kill('SIGINT');
  t.same(await local.exited, [0, null], 'one Ctrl-C ends it');
  t.comment(`ended in ${Math.round(performance.now() - began)} ms`);
  t.match(local.print(), /local +\| ended$/);
  t.same(local.pids().filter(isAlive), [], 'with every process');
});

test('without Java it says so, and runs on PostgreSQL alone; killed, it starts again', async (t) => {
  const scene = await createScene(t, { jobs: 5 });
  const bin = t.testdir({ java: '#!/bin/sh\nexit 127\n' });
  chmodSync(join(bin, 'java'), 0o755);
  const path = `${bin}:${process.env.PATH}`;
  const local = startLocal(t, scene, ['--schedulers', '1', '--processors', '1'], { PATH: path });
  await local.printed(/NO KAFKA: java .*is not installed.*Results go through PostgreSQL instead/);
  const [, port] = await local.printed(/page +http:\/\/127\.0\.0\.1:(\d+)\//);
  await local.printed(/processor-1 +pid/);
  t.match(local.print(), /Vedette runs as 3 processes/);
  await until('numbers', async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { accept: 'application/json' } });
    return ((await answer.json()) as { number_of_consumed_messages: number }).number_of_consumed_messages > 5;
  });
  const pids = local.pids();
  t.equal(pids.length, 3);
  local.child.kill('SIGKILL');
  await local.exited;
  for (const pid of pids) await until(`the end of ${pid}`, async () => !isAlive(pid), 20_000);

  // PostgreSQL outlives its owner, as it outlives any kill of Vedette; the next start takes care of it.
  const again = startLocal(t, scene, ['--schedulers', '1', '--processors', '1'], { PATH: path });
  await again.printed(/processor-1 +pid/);
  again.child.kill('SIGTERM');
  t.same(await again.exited, [0, null]);
});

test('what cannot be is said at once', async (t) => {
  const scene = await createScene(t, { jobs: 1 });
  for (const [args, message] of [
    [['--schedulers', '0'], /--schedulers: given 0, accepted: a whole number from 1 to 16/],
    [['--stream', 'rabbit'], /--stream is auto, kafka or embedded/],
  ] as const) {
    const local = startLocal(t, scene, args);
    t.same(await local.exited, [1, null]);
    t.match(local.print(), message);
  }
});

test('log records become lines that people read', async (t) => {
  const record = { level: 40, time: '2026-11-21T12:00:00.123Z', shards: 3, err: { message: 'no' }, msg: 'lost' };
  t.equal(readable(JSON.stringify(record)), '12:00:00.123 WARN lost  shards=3 no');
  t.equal(readable('plain text'), 'plain text');
  t.equal(readable('{"level":30,"ti'), '{"level":30,"ti');
});
