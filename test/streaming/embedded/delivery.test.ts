import type { Test } from 'tap';
import { silentLogger as logger } from '../../../src/core/logger.ts';
import { createDatabase } from '../../../src/postgres/pool.ts';
import { createEmbeddedDriver } from '../../../src/streaming/embedded/index.ts';
import { createTestDatabaseUrl } from '../../helpers/database.ts';
import { databaseDefaults } from '../../helpers/defaults.ts';
import { createFaultProxy } from '../../helpers/fault-proxy.ts';
import { deliverySuite } from '../delivery-suite.ts';

/** Drivers of one test share a database, each with a pool of its own, as processes do. */
const urls = new WeakMap<Test, Promise<string>>();
const urlOf = (t: Test) => {
  const url = urls.get(t) ?? createTestDatabaseUrl(t);
  urls.set(t, url);
  return url;
};

const createDriver = async (t: Test, connectionString: string) => {
  const database = await createDatabase({
    ...databaseDefaults,
    connectionString,
    logger,
    poolSize: 4,
    connectionTimeoutMs: 2_000,
  });
  const driver = createEmbeddedDriver({ database, logger, leaseMs: 2_000, pollMs: 500 });
  t.teardown(async () => {
    await driver.close();
    await database.close();
  });
  return driver;
};

let latest = '';

deliverySuite('embedded', {
  async createDriver(t) {
    latest = await urlOf(t);
    return createDriver(t, latest);
  },
  async createMortalDriver(t) {
    const url = new URL(await urlOf(t));
    const proxy = await createFaultProxy(t, { host: url.hostname, port: Number(url.port) });
    url.port = String(proxy.port);
    return { driver: await createDriver(t, url.href), die: () => proxy.cut() };
  },
  async forget(topic, partition, offset) {
    const database = await createDatabase({ ...databaseDefaults, connectionString: latest, logger });
    await database.query('DELETE FROM stream_records WHERE topic = $1 AND partition = $2 AND record_offset < $3', [
      topic,
      partition,
      offset,
    ]);
    await database.close();
  },
});
