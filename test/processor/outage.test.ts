import { setTimeout as delay } from 'node:timers/promises';
import { type Test, test } from 'tap';
import type { Logger } from '../../src/core/logger.ts';
import { silentLogger } from '../../src/core/logger.ts';
import type { Database } from '../../src/postgres/database.ts';
import { createDatabase } from '../../src/postgres/pool.ts';
import { databaseDefaults } from '../helpers/defaults.ts';
import { createFaultProxy, type FaultProxy } from '../helpers/fault-proxy.ts';
import { until } from '../helpers/until.ts';
import { createRig, type Rig } from './rig.ts';
import { foreignLine, line } from './streams.ts';

const LIMIT_MS = 20_000;

/** A rig whose processors reach the database through a proxy that misbehaves. */
async function createFaultyRig(t: Test): Promise<{ rig: Rig; proxy: FaultProxy; behind: Database }> {
  const rig = await createRig(t, { checks: 2 });
  const url = new URL(rig.database.connectionString);
  const proxy = await createFaultProxy(t, { host: url.hostname, port: Number(url.port) });
  url.host = `${proxy.host}:${proxy.port}`;
  const behind = await createDatabase({
    ...databaseDefaults,
    connectionString: url.href,
    logger: silentLogger,
    connectionTimeoutMs: 1_000,
    statementTimeoutMs: 2_000,
  });
  t.teardown(() => behind.close());
  return { rig, proxy, behind };
}

function append({ driver }: Rig, from: number, to: number): void {
  for (let slot = from; slot < to; slot++) {
    driver.append('checks', slot % 2, line({ jobId: 1 + (slot % 2), slot }), foreignLine(1 + (slot % 2), slot));
  }
}

/** Remembers what is logged at `warn` or above, and that all is well again. */
function recorder(): { logger: Logger; messages: string[] } {
  const messages: string[] = [];
  const note = (_fields: unknown, message: string) => void messages.push(message);
  const logger = Object.assign(Object.create(silentLogger), { warn: note, error: note, info: note }) as Logger;
  return { logger, messages };
}

for (const when of ['before', 'after'] as const) {
  test(`the connection breaks ${when} COMMIT has reached the server`, async (t) => {
    const { rig, proxy, behind } = await createFaultyRig(t);
    append(rig, 0, 10);
    const { logger, messages } = recorder();
    const processor = await rig.start({ database: behind, logger });
    await rig.settle();
    for (let round = 1; round <= 3; round++) {
      let matched = 0;
      proxy.cutWhen((chunk) => chunk.includes('COMMIT') && ++matched > 0, when);
      append(rig, round * 10, round * 10 + 10);
      await until('the cut', async () => matched > 0, LIMIT_MS);
      await rig.settle();
    }
    await rig.exact(t);
    t.equal(processor.stats().lostDeltas, 0);
    t.match(messages.slice(0, 2), ['results cannot be written; they wait', 'results are written again']);
  });
}

test('a database that is away delays everything and loses nothing; back pressure bounds what is held', async (t) => {
  const { rig, proxy, behind } = await createFaultyRig(t);
  const { logger, messages } = recorder();
  const limits = { rows: 60, catchUpRows: 60 };
  const processor = await rig.start({ database: behind, logger, limits });
  append(rig, 0, 10);
  await rig.settle();
  messages.length = 0;
  await proxy.cut();
  // More than may be held: every slot of the stretch is a minute, so every result makes a row.
  for (let slot = 0; slot < 600; slot++) rig.driver.append('checks', 0, line({ jobId: 5, slot, periodMs: 60_000 }));
  await until('a failing flush', async () => processor.stats().failingSince !== null, LIMIT_MS);
  await delay(300);
  const { lag, failingSince, results } = processor.stats();
  t.ok(lag > 300, `${lag} records wait in the stream`);
  t.equal(typeof failingSince, 'number');
  t.ok(results < 100);
  await proxy.heal();
  append(rig, 10, 20);
  await rig.settle();
  await rig.exact(t);
  await until('a flush', async () => processor.stats().failingSince === null, LIMIT_MS);
  t.strictSame(messages, ['results cannot be written; they wait', 'results are written again']);
});

test('one partition cannot read how far its series are counted: what is written of another does not end the outage', async (t) => {
  const rig = await createRig(t, { checks: 2 });
  let isBroken = true;
  const { schema, databaseName } = rig.database;
  const failing: Database = {
    schema,
    databaseName,
    async query(sql, parameters) {
      if (isBroken && parameters?.flat().includes(5)) throw new Error('a failing read');
      return rig.database.query(sql, parameters);
    },
    transaction: (work, options) => rig.database.transaction(work, options),
    listen: (channel, onPayload) => rig.database.listen(channel, onPayload),
    notify: (channel, payload, on) => rig.database.notify(channel, payload, on),
    qualifyChannel: (channel) => rig.database.qualifyChannel(channel),
    close: async () => {},
  };
  const { logger, messages } = recorder();
  const processor = await rig.start({ database: failing, logger });
  rig.driver.append('checks', 0, line({ jobId: 5, slot: 1 }));
  await until('a failing read', async () => processor.stats().failingSince !== null, LIMIT_MS);
  rig.driver.append('checks', 1, line({ jobId: 2, slot: 1 }));
  await until('a flush', async () => processor.stats().flushes > 0, LIMIT_MS);
  t.type(processor.stats().failingSince, 'number');
  t.match(processor.stats().problems, [{ reason: 'results cannot be written: a failing read' }]);
  isBroken = false;
  await rig.settle();
  await rig.exact(t);
  await until('the end of it', async () => processor.stats().failingSince === null, LIMIT_MS);
  t.strictSame(messages, ['results cannot be written; they wait', 'results are written again']);
});

test('a server that swallows everything is given up and tried again', async (t) => {
  const { rig, proxy, behind } = await createFaultyRig(t);
  await rig.start({ database: behind });
  append(rig, 0, 10);
  await rig.settle();
  proxy.swallow('toClient');
  append(rig, 10, 20);
  await delay(300);
  await proxy.heal();
  proxy.reset();
  await rig.settle();
  await rig.exact(t);
});

test('stopping while the database is away gives up in time, and the next one counts the rest', async (t) => {
  const { rig, proxy, behind } = await createFaultyRig(t);
  const processor = await rig.start({ database: behind, limits: { stopMs: 200 } });
  append(rig, 0, 10);
  await rig.settle();
  await proxy.cut();
  append(rig, 10, 30);
  await until('a failing flush', async () => processor.stats().failingSince !== null, LIMIT_MS);
  const startedMs = performance.now();
  await processor.stop();
  t.ok(performance.now() - startedMs < 3_000);
  await rig.start();
  await rig.settle();
  await rig.exact(t);
});

test('a table that is missing needs a person: said as an error, once, and nothing is lost', async (t) => {
  const rig = await createRig(t);
  const { logger, messages } = recorder();
  const processor = await rig.start({ logger });
  await rig.database.query('ALTER TABLE metrics RENAME TO hidden');
  rig.driver.append('checks', 0, line({ slot: 1 }));
  await until('a failing flush', async () => processor.stats().failingSince !== null, LIMIT_MS);
  await rig.database.query('ALTER TABLE hidden RENAME TO metrics');
  await rig.settle();
  await rig.exact(t);
  t.strictSame(messages, ['results cannot be written; they wait', 'results are written again']);
});
