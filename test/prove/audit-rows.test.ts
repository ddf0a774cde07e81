import { test } from 'tap';
import { encodeBins } from '../../src/aggregates/histogram-bytes.ts';
import type { CheckResult } from '../../src/messages/check-result.ts';
import { compareRows, type RawResult } from '../faults/audit-rows.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { deltasOf, T, up, write } from '../processor/tables/metrics/flushes.ts';
import { insertProgress } from '../stats/rows.ts';

const RESULTS: readonly CheckResult[] = [
  { ...up, responseTime: 0.000_05 },
  { ...up, slot: T + 1_000, responseTime: 0.000_127 },
  { ...up, slot: T + 2_000, responseTime: 0.000_128 },
  { ...up, slot: T + 3_000, outcome: 'down', reason: 'status', status: '503', responseTime: 2.345_678 },
  { ...up, slot: T + 90_000, outcome: 'degraded', reason: 'latency', responseTime: 123.456_789 },
];

/** What the wrong value of each column is made with. */
const CORRUPTIONS: Readonly<Record<string, unknown>> = {
  ...Object.fromEntries(
    ['count', 'up', 'degraded', 'down', 'missed', 'rt_count', 'rt_min', 'rt_max', 'rt_sum'].map((name) => [name, 77]),
  ),
  data: { 200: 1, 404: 1 },
  reasons: { timeout: 1 },
  rt_hist: encodeBins([[5, 1]]),
  extra: { a: 1 },
};

function rawOf({ jobId, location, slot, outcome, reason, status, responseTime }: CheckResult): RawResult {
  const rt = responseTime === null || responseTime === undefined ? null : Math.round(responseTime * 1e6);
  const series = { job_id: jobId, location, slot: slot as number, slots: 1, period_ms: 1_000 };
  return { ...series, outcome, reason: reason ?? null, status: status ?? null, rt };
}

test('the audit of rows sees every column of every kind of row', async (t) => {
  const database = await createTestDatabase(t);
  await write(database, deltasOf(RESULTS));
  await insertProgress(database, { slot: T + 90_000, up: 3, down: 1 });
  await database.query('UPDATE series_progress SET degraded = 1, count = 5');
  const raw = RESULTS.map(rawOf);
  const right = await compareRows(database, raw);
  t.strictSame(right.problems, [], 'right rows have no problem');
  t.strictSame(right.rows, { minute: 2, hour: 2, day: 2 });

  for (const granularity of ['minute', 'hour', 'day']) {
    for (const [column, value] of Object.entries(CORRUPTIONS)) {
      const where = 'WHERE granularity = $1 AND dt = (SELECT min(dt) FROM metrics WHERE granularity = $1)';
      const { rows } = await database.query<{ was: unknown }>(`SELECT ${column} AS was FROM metrics ${where}`, [
        granularity,
      ]);
      const set = (to: unknown) => database.query(`UPDATE metrics SET ${column} = $2 ${where}`, [granularity, to]);
      await set(value);
      const { problems, wrongRows } = await compareRows(database, raw);
      t.match(problems, [new RegExp(`^row ${granularity} 1 default \\d+: ${column} is `)], `${granularity}: ${column}`);
      t.equal(wrongRows, 1);
      await set(rows[0].was);
    }
  }
  for (const column of ['count', 'up', 'degraded', 'down', 'missed']) {
    await database.query(`UPDATE series_progress SET ${column} = ${column} + 1`);
    t.match((await compareRows(database, raw)).problems, [new RegExp(`^row series 1 default: ${column} is `)]);
    await database.query(`UPDATE series_progress SET ${column} = ${column} - 1`);
  }
  await database.query("DELETE FROM metrics WHERE granularity = 'day' AND dt = (SELECT max(dt) FROM metrics)");
  t.match((await compareRows(database, raw)).problems, [/^row day 1 default \d+ is missing$/]);
  t.match((await compareRows(database, [])).rows, {}, 'without results nothing is asked for');
});
