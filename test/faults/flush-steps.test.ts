import { existsSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Test, test } from 'tap';
import type { Database } from '../../src/postgres/database.ts';
import { FLUSH_STEPS, type FlushStep } from '../../src/processor/writing/hooks.ts';
import { until } from '../helpers/until.ts';
import { noKafkaFor, startKafka } from '../kafka/broker.ts';
import type { VedetteProcess } from './fleet.ts';
import { sampleDrivers } from './sample.ts';
import { countedSlots, createScene, isReady, openDatabase, reportAudit, type Scene, startServer } from './scene.ts';

const JOBS = 80;
const PARTITIONS = 8;
const HOOKED = fileURLToPath(new URL('hooked.ts', import.meta.url));
/** Longer than leases of partitions and sessions of consumers: others take over. */
const PAUSE_MS = 9_000;
/** How long no partition may stand still, from the end of the process that counted it. */
const TAKEOVER_MS = 25_000;

test('embedded: processes die and freeze at every step of a flush', (t) => stopEverywhere(t, 'embedded'));

for (const driver of sampleDrivers(import.meta.filename)) {
  const name = `${driver}: processors die and freeze at every step of a flush`;
  test(name, { skip: noKafkaFor(driver) }, (t) => stopEverywhere(t, driver));
}

interface HookedProcess {
  vedette: VedetteProcess;
  /** Resolves when the process has come to `step` and got the signal. */
  stopAt(step: FlushStep, signal: 'SIGKILL' | 'SIGSTOP'): Promise<void>;
}

async function stopEverywhere(t: Test, driver: string): Promise<void> {
  const scene = await createScene(t, { jobs: JOBS });
  const env: Record<string, string> = {
    VEDETTE_STREAM_DRIVER: driver,
    VEDETTE_STREAM_PARTITIONS: String(PARTITIONS),
    VEDETTE_KAFKA_SESSION_TIMEOUT: '6s',
  };
  if (driver !== 'embedded') env.KAFKA_BOOTSTRAP_SERVERS = (await startKafka(t)).bootstrapServers.join();
  const server = await startServer(t, scene);
  env.DATABASE_URL = server.connectionString;
  const steady = await scene.vedette('steady', env);
  const hooked: HookedProcess[] = [];
  for (let n = 0; n < 3; n++) hooked.push(await hookedProcess(scene, `hooked-${n}`, env));
  await steady.start();
  await until('readiness', () => isReady(steady), 120_000);
  for (const { vedette } of hooked) await vedette.start();
  const database = await openDatabase(t, server.connectionString);

  // Three at a time, each at another step.
  for (const steps of inGroups(scene.random.shuffle(FLUSH_STEPS), hooked.length)) {
    await Promise.all(steps.map((step, index) => dieAt(hooked[index], step)));
  }
  for (const steps of inGroups(scene.random.shuffle(FLUSH_STEPS), hooked.length)) {
    await Promise.all(steps.map((step, index) => hooked[index].stopAt(step, 'SIGSTOP')));
    const since = Date.now();
    await sleep(1_000);
    const known = await offsetsOf(database);
    await sleep(PAUSE_MS - 1_000);
    const allMoved = async () =>
      [...(await offsetsOf(database))].every(([partition, next]) => next > (known.get(partition) ?? 0));
    await until('every partition to be counted by others', allMoved, 90_000);
    const tookMs = Date.now() - since;
    t.ok(tookMs < TAKEOVER_MS, `others went on within ${tookMs} ms after processes froze ${steps.join(', ')}`);
    for (const { vedette } of hooked) vedette.kill('SIGCONT');
  }
  const before = await countedSlots(database);
  await until('counting to go on', async () => (await countedSlots(database)) > before + JOBS, 120_000);
  await scene.settle(steady, database);
  reportAudit(t, await scene.audit(database));
}

async function dieAt({ vedette, stopAt }: HookedProcess, step: FlushStep): Promise<void> {
  await stopAt(step, 'SIGKILL');
  await vedette.gone();
  await vedette.start();
}

function inGroups<T>(items: readonly T[], size: number): T[][] {
  return items.length === 0 ? [] : [items.slice(0, size), ...inGroups(items.slice(size), size)];
}

async function hookedProcess(scene: Scene, name: string, env: Record<string, string>): Promise<HookedProcess> {
  const file = join(scene.folder, `${name}.step`);
  const own = { ...env, STEP_FILE: file, VEDETTE_ROLES: 'processor' };
  const vedette = await scene.vedette(name, own, [], { command: [process.execPath, '--import=tsx', HOOKED] });
  return {
    vedette,
    async stopAt(step, signal) {
      await writeFile(`${file}.new`, `${step} ${signal}`);
      await rename(`${file}.new`, file);
      await until(`${name} to flush`, async () => !existsSync(file), 150_000);
    },
  };
}

async function offsetsOf(database: Database): Promise<Map<number, number>> {
  const { rows } = await database.query<{ partition: number; next: number }>(
    "SELECT partition, coalesce(next_offset, 0) AS next FROM stream_offsets WHERE topic = 'checks'",
  );
  return new Map(rows.map(({ partition, next }) => [partition, next]));
}
