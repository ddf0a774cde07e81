import { spawnSync } from 'node:child_process';
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Test, test } from 'tap';
import { until } from '../helpers/until.ts';
import { noKafkaFor, startKafka } from '../kafka/broker.ts';
import { sampleDrivers } from './sample.ts';
import { countedSlots, createScene, isReady, openDatabase, reportAudit, startServer } from './scene.ts';

const JOBS = 100;
const SIZE_MB = 400;

const why = process.getuid?.() === 0 ? false : 'A FULL DISK IS NOT TESTED: only root may mount a small one';
for (const [stream, rounds] of [
  ['embedded', 2] as const,
  ...sampleDrivers(import.meta.filename).map((driver) => [driver, 1] as const),
]) {
  const name = `${stream}: the disk of PostgreSQL is full, times: ${rounds}; exact`;
  test(name, { skip: why || (stream !== 'embedded' && noKafkaFor(stream)) }, (t) => fillDisk(t, stream, rounds));
}

async function fillDisk(t: Test, stream: string, rounds: number): Promise<void> {
  const scene = await createScene(t, { jobs: JOBS });
  const disk = await mountSmallDisk(t, join(scene.folder, 'server'));
  if (!disk) return;
  const server = await startServer(t, scene);
  const kafka = stream === 'embedded' ? null : await startKafka(t);
  const vedette = await scene.vedette('vedette', {
    DATABASE_URL: server.connectionString,
    VEDETTE_SCHEDULER_LEASE: '4s',
    VEDETTE_STREAM_DRIVER: stream,
    ...(kafka ? { KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrapServers.join() } : {}),
  });
  await vedette.start();
  await until('readiness', () => isReady(vedette), 60_000);
  const live = async () => (await fetch(`http://127.0.0.1:${vedette.port}/health/live`)).ok;
  for (let round = 1; round <= rounds; round++) {
    const database = await openDatabase(t, server.connectionString);
    const before = await countedSlots(database);
    await until('counting', async () => (await countedSlots(database)) > before + JOBS, 90_000);
    await disk.fill();
    t.comment(`fault ${round}: the disk is full`);
    const isUnready = async () => !(await isReady(vedette));
    await until('readiness to say it', isUnready, 90_000);
    await sleep(scene.random.between(500, 6_000));
    t.equal(await live(), true, 'liveness stays');
    await disk.free();
    await until('readiness', () => isReady(vedette), 120_000);
  }
  const database = await openDatabase(t, server.connectionString);
  await sleep(3_000);
  await scene.settle(vedette, database);
  reportAudit(t, await scene.audit(database));
}

interface SmallDisk {
  /** Leaves not a byte, however much of it is given back meanwhile. */
  fill(): Promise<void>;
  free(): Promise<void>;
}

async function mountSmallDisk(t: Test, folder: string): Promise<SmallDisk | undefined> {
  await mkdir(folder, { recursive: true });
  const run = (...[program, ...args]: string[]) => spawnSync(program, args, { encoding: 'utf8' });
  const mounted = run('mount', '-t', 'tmpfs', '-o', `size=${SIZE_MB}m,mode=755`, 'tmpfs', folder);
  if (mounted.status !== 0) {
    const skip = `A FULL DISK IS NOT TESTED: no small one can be mounted: ${mounted.stderr}`;
    await t.test('a small disk', { skip }, async () => undefined);
    return undefined;
  }
  let files: string[] = [];
  let filling: NodeJS.Timeout | undefined;
  t.teardown(() => {
    clearInterval(filling);
    // Lazily, so that it goes also when the server could not be ended.
    if (run('umount', folder).status !== 0) run('umount', '-l', folder);
  });
  const fillOnce = async () => {
    const { bavail, bsize } = await statfs(folder);
    if (bavail === 0) return;
    const file = join(folder, `ballast-${files.length}`);
    files.push(file);
    // Whatever fits of it.
    await writeFile(file, Buffer.alloc(bavail * bsize)).catch(() => undefined);
  };
  return {
    async fill() {
      await fillOnce();
      filling = setInterval(() => void fillOnce(), 50);
    },
    async free() {
      clearInterval(filling);
      await sleep(500);
      for (const file of files) await rm(file, { force: true });
      files = [];
    },
  };
}
