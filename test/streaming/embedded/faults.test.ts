import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'tap';
import { silentLogger as logger } from '../../../src/core/logger.ts';
import { startEmbeddedPostgres } from '../../../src/postgres/embedded/server.ts';
import { migrate } from '../../../src/postgres/migrate.ts';
import { createDatabase } from '../../../src/postgres/pool.ts';
import { createEmbeddedDriver } from '../../../src/streaming/embedded/index.ts';
import { createDataFolder } from '../../helpers/data-folder.ts';
import { createTestDatabase } from '../../helpers/database.ts';
import { databaseDefaults } from '../../helpers/defaults.ts';
import { createFaultProxy } from '../../helpers/fault-proxy.ts';
import { Recorder } from '../recorder.ts';

const limits = { statementTimeoutMs: 300, graceMs: 200, connectionTimeoutMs: 500 };

test('kill -9 of PostgreSQL under load: what was acknowledged arrives, in order', async (t) => {
  const dataDir = await createDataFolder(t);
  let onRestart: () => void = () => undefined;
  const server = await startEmbeddedPostgres({ dataDir, logger, onRestart: () => onRestart() });
  t.teardown(() => server.stop());
  const database = await createDatabase({ ...databaseDefaults, connectionString: server.connectionString, logger });
  await migrate(database);
  const driver = createEmbeddedDriver({ database, logger, leaseMs: 1_000, pollMs: 200 });
  t.teardown(async () => {
    await driver.close();
    await database.close();
  });
  await driver.ensureTopics([{ topic: 'checks', partitions: 4 }], { create: true });
  const recorder = new Recorder();
  await driver.createConsumer({ group: 'processors', topics: ['checks'], handler: recorder });
  const producer = await driver.createProducer();
  let sending = true;
  const sent = [0, 0, 0, 0];
  let repeated = 0;
  const codes = new Set<string>();
  const producing = [0, 1, 2, 3].map(async (partition) => {
    while (sending) {
      const first = sent[partition];
      const records = [0, 1, 2].map((n) => ({ topic: 'checks', partition, value: Buffer.from(String(first + n)) }));
      for (let acknowledged = false; !acknowledged; ) {
        try {
          await producer.send(records);
          acknowledged = true;
        } catch (error) {
          codes.add((error as { code: string }).code);
          repeated++;
          await delay(20);
        }
      }
      sent[partition] += 3;
    }
  });
  for (let kill = 0; kill < 3; kill++) {
    await delay(300);
    const restarted = new Promise<void>((resolve) => {
      onRestart = resolve;
    });
    process.kill(server.pid() as number, 'SIGKILL');
    await restarted;
  }
  await delay(300);
  sending = false;
  await Promise.all(producing);
  const total = sent.reduce((sum, count) => sum + count);
  const distinct = () => new Set(recorder.delivered.map(({ partition, text }) => `${partition} ${text}`)).size;
  await recorder.until('everything that was sent', () => distinct() === total, 60_000);
  t.ok(repeated > 0, `${repeated} sends repeated`);
  t.strictSame([...codes], ['VED_STREAM_UNAVAILABLE']);
  t.strictSame(recorder.violations, []);
  for (const partition of [0, 1, 2, 3]) {
    // A repetition goes back by the three records of its send, never further, and nothing is left out.
    let last = -1;
    for (const number of recorder.texts(partition).map(Number)) {
      if (number > last + 1 || number < last - 2) t.fail(`${number} after ${last} in partition ${partition}`);
      last = number;
    }
    t.equal(last, sent[partition] - 1);
  }
});

test('connections that hang, lag and break: nothing is delivered out of order, everything arrives', async (t) => {
  const direct = await createTestDatabase(t);
  const url = new URL(direct.connectionString);
  const proxy = await createFaultProxy(t, { host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  const database = await createDatabase({ ...databaseDefaults, connectionString: url.href, logger, ...limits });
  const driver = createEmbeddedDriver({ database, logger, leaseMs: 800, pollMs: 100 });
  const healthy = createEmbeddedDriver({ database: direct, logger, leaseMs: 800, pollMs: 100 });
  t.teardown(async () => {
    await Promise.all([driver.close(), healthy.close()]);
    await database.close();
  });
  await healthy.ensureTopics([{ topic: 'checks', partitions: 2 }], { create: true });
  const recorder = new Recorder();
  await driver.createConsumer({ group: 'processors', topics: ['checks'], handler: recorder });
  await recorder.until('both partitions', () => recorder.owned.size === 2);
  const producer = await healthy.createProducer();
  let number = 0;
  const send = async () => {
    await producer.send(
      [0, 1].map((partition) => ({ topic: 'checks', partition, value: Buffer.from(String(number)) })),
    );
    number++;
  };
  const faults: Array<() => unknown> = [
    () => proxy.delay(20),
    () => proxy.reset(),
    () => proxy.swallow(),
    () => proxy.cut(),
    () => proxy.swallow('toClient'),
    () => proxy.close(),
  ];
  for (const fault of faults) {
    await send();
    await fault();
    await send();
    await delay(400);
    await proxy.heal();
    await send();
    const wanted = number;
    await recorder.until(`${wanted} numbers`, () => recorder.delivered.length >= 2 * wanted);
  }
  for (const partition of [0, 1]) {
    t.strictSame(
      recorder.texts(partition),
      Array.from({ length: number }, (_, index) => String(index)),
    );
  }
  t.strictSame(recorder.violations, []);
});

test('a member whose leases ran out stops delivering before another begins', async (t) => {
  const direct = await createTestDatabase(t);
  const url = new URL(direct.connectionString);
  const proxy = await createFaultProxy(t, { host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  const database = await createDatabase({ ...databaseDefaults, connectionString: url.href, logger, ...limits });
  const cutOff = createEmbeddedDriver({ database, logger, leaseMs: 800, pollMs: 100 });
  const healthy = createEmbeddedDriver({ database: direct, logger, leaseMs: 800, pollMs: 100 });
  t.teardown(async () => {
    await Promise.all([cutOff.close(), healthy.close()]);
    await database.close();
  });
  await healthy.ensureTopics([{ topic: 'checks', partitions: 2 }], { create: true });
  const first = new Recorder();
  await cutOff.createConsumer({ group: 'processors', topics: ['checks'], handler: first });
  await first.until('both partitions', () => first.owned.size === 2);
  proxy.swallow();
  const second = new Recorder();
  await healthy.createConsumer({ group: 'processors', topics: ['checks'], handler: second });
  await second.until('both partitions', () => second.owned.size === 2);
  await proxy.heal();
  await first.until('it knows', () => first.revoked.flat().length >= 1);
  await first.until('a half', () => first.owned.size === 1);
  await second.until('a half', () => second.owned.size === 1);
  const producer = await healthy.createProducer();
  await producer.send([0, 1].map((partition) => ({ topic: 'checks', partition, value: Buffer.from('x') })));
  await first.until('its record', () => first.delivered.length === 1);
  await second.until('its record', () => second.delivered.length === 1);
});
