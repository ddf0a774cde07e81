import { type Test, test } from 'tap';
import { verify } from '../../../src/processor/verify/index.ts';
import { planRebuild, type RebuildOptions, rebuild } from '../../../src/processor/verify/rebuild.ts';
import { createRig, type Rig } from '../rig.ts';
import { foreignLine, line, START_MS } from '../streams.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const DAY = START_MS - (START_MS % DAY_MS);

const options = ({ database, driver }: Rig, more: Partial<RebuildOptions> = {}): RebuildOptions => ({
  database,
  driver,
  topics: ['checks'],
  fromMs: DAY,
  toMs: DAY + DAY_MS,
  ...more,
});

/** Three jobs with a slot a second for five minutes, with repetitions, ranges, fences, foreign lines and rubbish. */
function fill(rig: Rig, from = 0, to = 300): void {
  for (let slot = from; slot < to; slot += 10) {
    for (let jobId = 1; jobId <= 3; jobId++) {
      const lines = Array.from({ length: 5 }, (_, step) =>
        line({ jobId, slot: slot + step, responseTime: ((slot + step) % 97) / 1000, status: slot % 3 ? '200' : '404' }),
      );
      lines.push(
        lines[0],
        line({ jobId, slot: slot + 9, slots: 5, reason: 'overload' }),
        foreignLine(jobId, slot * 1000),
      );
      rig.driver.append(
        'checks',
        jobId % 2,
        [...lines, 'rubbish', line({ jobId, slot: slot + 9, slots: 0 })].join('\n'),
      );
    }
  }
}

async function counted(t: Test): Promise<Rig> {
  const rig = await createRig(t, { checks: 2 });
  fill(rig);
  await rig.start();
  await rig.settle();
  return rig;
}

/** Equal, bit for bit, in the eyes of verify and of the naive model. */
async function isMended(t: Test, rig: Rig): Promise<void> {
  t.match(await verify(options(rig)), { ok: true, differenceCount: 0, unprovableCount: 0 });
  await rig.exact(t);
}

test('rows that were changed, lost, made up or moved become what the stream says, and nothing else is written', async (t) => {
  const rig = await counted(t);
  const { database } = rig;
  const nothing = await rebuild(options(rig), (plan) => t.equal(plan.changes.length, 0));
  t.match(nothing, { written: false, changes: [], refusals: [] });

  const at = (minute: number) => [new Date(START_MS + minute * MINUTE_MS)];
  const where = "WHERE granularity = 'minute' AND dt = $1 AND job_id";
  await database.query(
    `UPDATE metrics SET up = up + 1, rt_min = 7, data = '{"200": 1}', extra = '{"x": 1}' ${where} = 1`,
    at(0),
  );
  await database.query(`UPDATE metrics SET rt_hist = '' ${where} = 2`, at(0));
  await database.query(`DELETE FROM metrics ${where} < 3`, at(1));
  await database.query(`UPDATE metrics SET dt = dt + interval '30 minutes' ${where} = 3`, at(2));
  await database.query("DELETE FROM metrics WHERE granularity = 'day' AND job_id = 2");
  const before = await database.query<{ n: number }>('SELECT sum(writes) AS n FROM metrics');

  const plan = await planRebuild(options(rig));
  const kinds = plan.changes.map(({ stored, expected }) =>
    stored && expected ? 'change' : stored ? 'remove' : 'make',
  );
  t.strictSame(kinds.sort(), ['change', 'change', 'make', 'make', 'make', 'make', 'remove']);
  const after = await database.query<{ n: number }>('SELECT sum(writes) AS n FROM metrics');
  t.strictSame(after.rows, before.rows, 'a plan writes nothing');

  t.match(await rebuild(options(rig, { jobs: new Set([1]) }), () => undefined), { written: true });
  t.strictSame(
    new Set((await planRebuild(options(rig))).changes.map(({ differences: [{ jobId }] }) => jobId)),
    new Set([2, 3]),
    'only what was asked for',
  );
  t.match(await rebuild(options(rig), () => undefined), { written: true });
  await isMended(t, rig);

  // The processor, which may remember what it wrote before, goes on from what was rebuilt.
  fill(rig, 300, 400);
  await rig.settle();
  await isMended(t, rig);
});

test('a partition of the table that was dropped is made again with its rows', async (t) => {
  const rig = await counted(t);
  const { rows } = await rig.database.query<{ name: string }>(
    "SELECT DISTINCT tableoid::regclass::text AS name FROM metrics WHERE granularity = 'minute'",
  );
  for (const { name } of rows) await rig.database.query(`DROP TABLE ${name}`);
  t.match(await rebuild(options(rig), () => undefined), { written: true });
  await isMended(t, rig);
});

for (const [what, sql] of [
  ['changed', "UPDATE metrics SET down = 9 WHERE job_id = 1 AND granularity = 'day'"],
  ['lost', "DELETE FROM metrics WHERE job_id = 1 AND granularity = 'day'"],
  [
    'made up',
    "INSERT INTO metrics (granularity, job_id, location, dt) SELECT 'minute', 1, 'default', max(dt) + interval '1 minute' FROM metrics",
  ],
] as const) {
  test(`while processors count into a row that was ${what}, it is compared again`, async (t) => {
    const rig = await counted(t);
    const { database } = rig;
    await database.query(sql);
    let transactions = 0;
    const live = new Proxy(database, {
      get(target, name) {
        const value = Reflect.get(target, name) as unknown;
        if (name !== 'transaction') return typeof value === 'function' ? value.bind(target) : value;
        return async (...args: Parameters<typeof database.transaction>) => {
          const isFirst = transactions++ === 0;
          const answer = await target.transaction(...args);
          // Between the snapshot of the plan and the transaction that writes it.
          if (isFirst) {
            fill(rig, 300, 320);
            await rig.settle();
          }
          return answer;
        };
      },
    });
    await rebuild(options(rig, { database: live }), () => undefined);
    t.ok(transactions > 2, 'the first try was given up');
    await isMended(t, rig);
  });
}

test('it is refused where the stream cannot prove what it says', async (t) => {
  const rig = await counted(t);
  await rig.database.query('UPDATE metrics SET up = up + 1');
  rig.driver.trim('checks', 0, 5);
  const expired = await rebuild(options(rig), () => undefined);
  t.match(expired, { written: false, refusals: [/no longer holds the whole range/] });

  const replaced = await counted(t);
  await replaced.database.query('UPDATE stream_offsets SET results = results + 60');
  t.match(await rebuild(options(replaced), () => undefined), { written: false });
  await replaced.database.query('UPDATE metrics SET up = up + 1');
  const { written, refusals } = await rebuild(options(replaced), () => undefined);
  t.equal(written, false);
  t.match(refusals[0], /results were counted from checks\[\d\], which holds \d+: its topic was deleted and made again/);

  const ahead = await counted(t);
  await ahead.database.query('UPDATE series_progress SET slot = slot + 1000 WHERE job_id = 1');
  await ahead.database.query('UPDATE metrics SET up = up + 1');
  t.match(await rebuild(options(ahead), () => undefined), { written: false, refusals: [/1 series .* being counted/] });
});

test('rows that are counted into all the time are mended while counting waits', async (t) => {
  const rig = await counted(t);
  await rig.database.query('UPDATE metrics SET up = up + 1, rt_min = 1');
  let slot = 300;
  const feeding = setInterval(() => fill(rig, slot, ++slot), 3);
  t.teardown(() => clearInterval(feeding));
  const answer = await rebuild(options(rig), () => undefined);
  clearInterval(feeding);
  t.match(answer, { written: true, refusals: [] });
  await rig.settle();
  await isMended(t, rig);
});
