import { test } from 'tap';
import { verify } from '../../../src/processor/verify/index.ts';
import { createRig, type Rig } from '../rig.ts';
import { foreignLine, line, START_MS } from '../streams.ts';

/**
 * The proof must be able to fail: every column of every kind of row that it stands for is made wrong, one at a time, in the
 * current day, and has to be found; put back, everything has to be equal.
 */
const HOUR_MS = 3_600_000;
const SLOTS = 90;

async function counted(rig: Rig): Promise<void> {
  for (let slot = 0; slot < SLOTS; slot++) {
    const outcome = slot % 5 === 0 ? 'down' : slot % 7 === 0 ? 'degraded' : 'up';
    const reason = outcome === 'down' ? 'status' : outcome === 'degraded' ? 'latency' : undefined;
    const result = line({
      slot,
      outcome,
      reason,
      status: outcome === 'down' ? '500' : '200',
      responseTime: 0.01 + slot,
    });
    const more = `,"timings":{"connect":0.001,"ttfb":0.002},"bytes":${slot},"attempt":1,"detail":"seen ${slot}","values":{"a":${slot},"c":-0.5}${
      slot % 2 === 0 ? ',"maintenance":true' : ''
    }}`;
    rig.driver.append('checks', 0, result.replace(/}$/, more), line({ slot, epoch: 0 }));
  }
  rig.driver.append('checks', 0, 'rubbish', foreignLine(9, 7));
  rig.driver.append('checks', 0, line({ slot: SLOTS + 4, slots: 5, reason: 'overload' }));
  const from = [1, 'default', 1, 1_000, 0, 'checks', 1, START_MS];
  await rig.database.query(
    `INSERT INTO schedule_spans (job_id, location, version, period_ms, phase_ms, topic, epoch, from_slot)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    from,
  );
}

const METRICS = {
  ...{ granularity: "'hour'", job_id: 'job_id + 1', location: "location || 'x'", dt: "dt + interval '1 minute'" },
  ...{ count: 'count + 1', up: 'up + 1', degraded: 'degraded + 1', down: 'down - 1', missed: 'missed + 1' },
  ...{ maintenance_up: 'maintenance_up + 1', maintenance_degraded: 'maintenance_degraded + 1' },
  ...{ maintenance_down: 'maintenance_down - 1' },
  ...{ rt_count: 'rt_count + 1', rt_min: 'rt_min - 1', rt_max: 'rt_max + 1', rt_sum: 'rt_sum + 1' },
  ...{ data: `data || '{"200": 1}'`, reasons: `reasons || '{"status": 1}'`, extra: `'{"a_b": 1}'` },
  rt_hist: 'histogram_sum(ARRAY[rt_hist, histogram_of(ARRAY[5], ARRAY[1])])',
};

const SERIES = {
  ...{ job_id: 'job_id + 1', location: "location || 'x'", topic: "'checks2'", epoch: 'epoch + 1', slot: 'slot + 1000' },
  ...{ last_ts: 'last_ts - 1', last_outcome: "'up'", last_reason: "'late'", last_status: "'200'", last_rt: '5' },
  ...{ since_slot: 'since_slot - 1000', count: 'count + 1', up: 'up - 1', degraded: 'degraded - 1', down: 'down + 1' },
  ...{ missed: 'missed + 1', codes: `codes || '{"404": 1}'`, value_names: 'value_names - 0' },
  ...{ maintenance_up: 'maintenance_up + 1', maintenance_degraded: 'maintenance_degraded + 1' },
  ...{ maintenance_down: 'maintenance_down - 1' },
};

const OFFSETS = {
  ...{ next_offset: 'next_offset - 1', results: 'results + 1', foreign_results: 'foreign_results - 1' },
  ...{ duplicates: 'duplicates - 1', fenced: 'fenced - 1', dead_letters: 'dead_letters + 1', first_offset: '5' },
};

const RESULTS = {
  ...{ job_id: 'job_id + 1', location: "location || 'x'", at: "at + interval '1 ms'", epoch: 'epoch + 1' },
  ...{ slot: 'slot + 1000', slots: 'slots + 1', period_ms: '7', ts: 'ts + 1', outcome: "'degraded'", reason: "'tls'" },
  ...{ status: "'204'", rt: 'rt + 1', timings: `timings || '{"dns": 0.5}'`, bytes: 'bytes + 1', attempt: '2' },
  ...{ detail: "'x'", topic: "'other'", partition: '7', record_offset: 'record_offset + 1' },
  ...{ '"values"': `"values" || '{"b": 0.5}'`, maintenance: 'NOT coalesce(maintenance, false)' },
  record_position: 'record_position + 1',
};

const SPANS = {
  ...{ job_id: 'job_id + 1', location: "'x'", topic: "'other'", period_ms: 'period_ms * 2', phase_ms: 'phase_ms + 1' },
  ...{ from_slot: 'from_slot - 1000', to_slot: 'from_slot + 1000', slot_count: '3' },
};

const TABLES: Array<[string, string, Record<string, string>]> = [
  ['metrics', `granularity = 'minute' AND dt = '${new Date(START_MS + 60_000).toISOString()}'`, METRICS],
  ['metrics', "granularity = 'day'", METRICS],
  ['series_progress', 'true', SERIES],
  ['stream_offsets', 'true', OFFSETS],
  ['results', 'slot IS NOT NULL AND slots = 1', RESULTS],
  ['schedule_spans', 'true', SPANS],
];

test('every column of every kind of row is held against the stream, in the current day too', async (t) => {
  const rig = await createRig(t);
  await counted(rig);
  const processor = await rig.start({ resultsStore: 'all' });
  await rig.settle();
  await processor.stop();
  const nowMs = START_MS + (SLOTS + 5) * 1_000;
  const check = () =>
    verify({
      ...{ database: rig.database, driver: rig.driver, topics: ['checks'], nowMs },
      ...{ fromMs: START_MS - HOUR_MS, toMs: nowMs, results: { store: 'all', keptFromMs: 0 } },
    });
  const before = await check();
  t.match(before, { ok: true, differences: [], rowDifferences: [], coverage: { gaps: [], counted: SLOTS + 5 } });
  for (const [table, which, columns] of TABLES) {
    const { rows } = await rig.database.query<{ name: string }>(
      'SELECT column_name AS name FROM information_schema.columns WHERE table_name = $1 AND table_schema = current_schema()',
      [table],
    );
    const left = rows
      .map(({ name }) => name)
      .filter((name) => !Object.hasOwn(columns, name) && !Object.hasOwn(columns, `"${name}"`));
    t.strictSame(left.sort(), UNJUDGED[table] ?? [], `${table}: every other column is made wrong below`);
    for (const [column, value] of Object.entries(columns)) {
      const row = `(SELECT tableoid, ctid FROM ${table} WHERE job_id = 1 AND ${which} ORDER BY 1, 2 LIMIT 1)`;
      const one = table === 'stream_offsets' ? 'true' : `(tableoid, ctid) = ${row}`;
      await rig.database.query(`CREATE TABLE saved AS TABLE ${table}`);
      const { rowCount } = await rig.database.query(`UPDATE ${table} SET ${column} = ${value} WHERE ${one}`);
      t.equal(rowCount, 1);
      const report = await check();
      t.equal(report.ok, false, `${table} ${which}: ${column} = ${value}`);
      await rig.database.query(`DELETE FROM ${table}`);
      await rig.database.query(`INSERT INTO ${table} SELECT * FROM saved`);
      await rig.database.query('DROP TABLE saved');
    }
  }
  t.match(await check(), { ok: true, differences: [], rowDifferences: [] });
});

/** Columns that say nothing about what was counted. */
const UNJUDGED: Record<string, string[]> = {
  metrics: ['writes'],
  stream_offsets: ['epoch', 'owner', 'partition', 'plain_until', 'topic', 'topic_id', 'updated_at'],
  schedule_spans: ['cron', 'cron_timezone', 'epoch', 'version'],
};
