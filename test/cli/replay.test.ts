import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { createProcessor } from '../../src/processor/processor.ts';
import { streamDrivers } from '../../src/streaming/index.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { processorDefaults } from '../helpers/defaults.ts';
import { line, START_MS } from '../processor/streams.ts';
import { vedette } from './run.ts';

test('replay: results of a time as NDJSON, and rows mended from the stream', async (t) => {
  const database = await createTestDatabase(t);
  const driver = await streamDrivers.get('embedded').create({ logger: silentLogger, database });
  t.teardown(() => driver.close());
  await driver.ensureTopics([{ topic: 'checks', partitions: 2 }], { create: true });
  const producer = await driver.createProducer();
  const lines = (jobId: number) =>
    Array.from({ length: 180 }, (_, slot) =>
      line({
        jobId,
        slot,
        outcome: slot % 60 === 7 ? 'down' : 'up',
        ...(slot % 60 === 7 ? { reason: 'timeout' } : {}),
      }),
    );
  for (const jobId of [1, 2]) {
    const value = (from: number, to: number) => Buffer.from(`${lines(jobId).slice(from, to).join('\n')}\n`);
    // The second is said twice, as a publisher does that got no answer.
    const records = [value(0, 90), value(90, 180), value(90, 180)];
    await producer.send(records.map((bytes) => ({ topic: 'checks', partition: jobId - 1, value: bytes })));
  }
  await producer.send([
    { topic: 'checks', partition: 0, value: Buffer.from(line({ jobId: 1, slot: 200, slots: 20, reason: 'overload' })) },
  ]);
  const env = {
    DATABASE_URL: database.connectionString,
    VEDETTE_STORAGE_RETENTION_MINUTE: '9000d',
    VEDETTE_STORAGE_RETENTION_HOUR: '9000d',
  };
  const at = (second: number) => new Date(START_MS + second * 1000).toISOString();
  const replay = (...args: string[]) => vedette(t, ['replay', ...args], { env });

  const all = await replay('--from', at(0), '--to', at(300), '--job', '1');
  t.match(all, { code: 0, stderr: '' });
  t.equal(all.stdout, `${[...lines(1), line({ jobId: 1, slot: 200, slots: 20, reason: 'overload' })].join('\n')}\n`);
  const some = await replay('--from', at(60), '--to', at(120), '--job', '2', '--failures');
  t.equal(some.stdout, `${lines(2)[67]}\n`);
  t.equal(
    (await replay('--from', at(185), '--to', at(190))).stdout.trim(),
    line({ jobId: 1, slot: 200, slots: 20, reason: 'overload' }),
    'a range that only overlaps',
  );
  const file = join(t.testdir({}), 'results.ndjson');
  t.match(await replay('--from', at(0), '--to', at(60), '--output', file), {
    code: 0,
    stdout: '',
    stderr: `120 results, 2026-03-01 12:00:00Z to 2026-03-01 12:01:00Z\n`,
  });
  t.equal(readFileSync(file, 'utf8').trim().split('\n').length, 120);
  t.match(await replay('--output', '/nowhere/x'), { code: 2, stderr: /--output: ENOENT/ });
  t.match(await replay('--dry-run'), { code: 2, stderr: /--dry-run belongs to --rebuild and --backfill/ });
  t.match(await replay('--rebuild', '--failures'), { code: 2, stderr: /of the filters it only takes --job/ });

  t.match(await replay('--backfill', 'max_values.days_left'), {
    code: 2,
    stderr:
      /--backfill: given "max_values.days_left", accepted: a metric of the settings or of a job without a column; there is none/,
  });
  t.match(await replay('--backfill', 'x', '--rebuild'), { code: 2, stderr: /give one of them/ });

  const processor = createProcessor({
    ...processorDefaults,
    database,
    driver,
    logger: silentLogger,
    clock: systemClock,
    group: 'test',
    topics: ['checks'],
    instanceId: 'one',
    flushIntervalMs: 5,
  });
  t.teardown(() => processor.stop());
  await processor.start();
  while (processor.stats().results < 380) await new Promise((resolve) => setTimeout(resolve, 20));
  const day = ['--from', '2026-03-01', '--to', '2026-03-02'];
  const verify = () => vedette(t, ['verify', ...day], { env });
  t.match(await verify(), { code: 0 });
  await database.query("UPDATE metrics SET up = 59, down = 1 WHERE granularity = 'minute' AND job_id = 1 AND up = 59");
  await database.query("UPDATE metrics SET up = 0 WHERE granularity = 'minute' AND job_id = 1 AND dt = $1", [at(60)]);
  await database.query("DELETE FROM metrics WHERE granularity = 'hour' AND job_id = 2");
  t.match(await verify(), { code: 1 });
  const dry = await replay('--rebuild', ...day, '--dry-run');
  t.match(dry, { code: 0, stderr: '', stdout: /^plan .*\n7 records read, 380 results counted again, / });
  t.match(dry.stdout, /rows to change: 1, to make: 1, to remove: 0\n/);
  t.match(dry.stdout, /minute 2026-03-01 12:01:00Z of job 1 at default: up is 0, the stream says 59\n/);
  t.match(await verify(), { code: 1 }, 'nothing was written');
  t.match(await replay('--rebuild', ...day), {
    code: 0,
    stderr: '',
    stdout: /\nwritten {2}2 rows, in one transaction\n$/,
  });
  t.match(await verify(), { code: 0, stdout: /0 differences/ });
  t.match(await replay('--rebuild', ...day), { code: 0, stdout: /rows to change: 0, to make: 0, to remove: 0\n$/ });

  await database.query('UPDATE stream_offsets SET results = results + 1 WHERE partition = 0');
  t.match(await replay('--rebuild', ...day), { code: 1, stderr: /^refused: .* which holds 200/ });
});
