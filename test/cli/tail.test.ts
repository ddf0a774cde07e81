import { test } from 'tap';
import { silentLogger } from '../../src/core/logger.ts';
import type { CheckResult } from '../../src/messages/check-result.ts';
import { encodeResult } from '../../src/messages/encode.ts';
import { streamDrivers } from '../../src/streaming/index.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { spawnVedette, vedette } from './run.ts';

const T0 = Date.UTC(2026, 10, 21, 8);

const result = (jobId: number, second: number, more: Partial<CheckResult> = {}): CheckResult => ({
  jobId,
  location: 'default',
  epoch: 1,
  slot: T0 + second * 1000,
  ts: T0 + second * 1000 + 2,
  outcome: 'up',
  status: '200',
  responseTime: 0.0123,
  ...more,
});

test('tail shows what is there and what comes, without repetitions', async (t) => {
  const database = await createTestDatabase(t);
  const driver = await streamDrivers.get('embedded').create({ logger: silentLogger, database });
  t.teardown(() => driver.close());
  await driver.ensureTopics([{ topic: 'checks', partitions: 2 }], { create: true });
  const producer = await driver.createProducer();
  const send = (partition: number, ...lines: string[]) =>
    producer.send([{ topic: 'checks', partition, value: Buffer.from(`${lines.join('\n')}\n`) }]);
  const down = result(2, 1, { outcome: 'down', reason: 'status', status: '500', detail: 'said no' });
  await send(0, encodeResult(result(1, 0)), encodeResult(result(1, 2)));
  await send(1, encodeResult(down), 'not json');
  await send(1, encodeResult(down));
  const env = { DATABASE_URL: database.connectionString };

  const tail = spawnVedette(t, ['tail', '--last', '10', '--count', '5'], { env });
  await tail.printed(/job 1 .*\n.*job 2 .*\n.*job 1 .*\n/s);
  await send(
    0,
    encodeResult(
      result(1, 3, {
        outcome: 'missed',
        reason: 'overload',
        status: null,
        responseTime: null,
        slots: 7,
        periodMs: 1000,
      }),
    ),
  );
  await send(1, '{"job_id":3,"ts":1795248000000,"response_time":0.5,"status":"404"}');
  const { stdout, stderr, code } = await tail.finished;
  t.equal(
    stdout,
    [
      '2026-11-21 08:00:00.000Z  job 1  up        200   12.3 ms',
      '2026-11-21 08:00:01.000Z  job 2  down      500   12.3 ms  status  said no',
      '2026-11-21 08:00:02.000Z  job 1  up        200   12.3 ms',
      '2026-11-21 08:00:03.000Z  job 1  missed    7 slots of 1000 ms  overload',
      '2026-11-21 08:00:00.000Z  job 3  down      404    500 ms  foreign  status',
      '',
    ].join('\n'),
  );
  t.match(stderr, /^checks\[1\] offset 0: line: not JSON/);
  t.equal(code, 0);

  const json = await vedette(t, ['tail', '--json', '--last', '10', '--count', '1', '--failures', '--job', '2'], {
    env,
  });
  t.equal(json.stdout, `${encodeResult(down)}\n`);
});

test('Ctrl-C ends tail cleanly', async (t) => {
  const database = await createTestDatabase(t);
  const driver = await streamDrivers.get('embedded').create({ logger: silentLogger, database });
  t.teardown(() => driver.close());
  await driver.ensureTopics([{ topic: 'checks', partitions: 1 }], { create: true });
  const producer = await driver.createProducer();
  await producer.send([{ topic: 'checks', partition: 0, value: Buffer.from(encodeResult(result(1, 0))) }]);
  const tail = spawnVedette(t, ['tail', '--last', '1'], { env: { DATABASE_URL: database.connectionString } });
  await tail.printed(/job 1/);
  tail.child.kill('SIGINT');
  t.match(await tail.finished, { code: 0, stderr: '' });
});

test('wrong use of tail', async (t) => {
  const wrong = async (...args: string[]) => (await vedette(t, ['tail', ...args])).stderr;
  t.match(await wrong('--outcome', 'dwon'), /"dwon" is none of up, degraded, down, missed\. Did you mean down\?/);
  t.match(await wrong('--job', '0'), /"0" is no id of a job/);
});
