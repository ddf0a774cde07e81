import { test } from 'tap';
import { verify } from '../../src/processor/verify/index.ts';
import type { FlushStep } from '../../src/processor/writing/hooks.ts';
import { createRig } from './rig.ts';
import { foreignLine, line, START_MS } from './streams.ts';

const DAY_SLOTS = 24 * 60;
const limits = { rows: 500, catchUpRows: 3_000 };

/** One record: a day of every minute missed for each of `jobs`, with a few other lines in between. */
function longGap(jobs: number): string {
  const lines = Array.from({ length: jobs }, (_, job) =>
    line({ jobId: 1 + job, slot: DAY_SLOTS, slots: DAY_SLOTS, periodMs: 60_000, reason: 'scheduler_down' }),
  );
  lines.splice(3, 0, foreignLine(2, 77), 'rubbish');
  lines.splice(jobs - 1, 0, line({ jobId: 1, slot: DAY_SLOTS + 1, periodMs: 60_000 }), foreignLine(500, 5));
  return lines.join('\n');
}

test('a long gap of many jobs is counted in parts, and once', async (t) => {
  const rig = await createRig(t);
  rig.driver.append('checks', 0, line({ jobId: 1, slot: 100, periodMs: 60_000 }), longGap(8), longGap(9));
  const processor = await rig.start({ flushIntervalMs: 60_000, resultsStore: 'failures', limits });
  while (processor.stats().records < 3) {
    await processor.flush();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await rig.exact(t);
  t.ok(processor.stats().flushes >= 2, `${processor.stats().flushes} flushes`);
});

test('a crash between the parts leads to the same rows', async (t) => {
  const rig = await createRig(t);
  let commits = 0;
  const hooks = {
    at(step: FlushStep) {
      // The first part is in the database, but the process does not get to know.
      if (step === 'after-commit' && ++commits === 1) throw new Error('fault');
    },
  };
  rig.driver.append('checks', 0, longGap(8));
  const processor = await rig.start({ hooks, limits });
  await rig.settle(60_000);
  await rig.exact(t, { counters: false });
  t.ok(processor.stats().lostDeltas >= 1);
});

test('a range that is counted in parts is one raw result, with the slots of all parts that count', async (t) => {
  const rig = await createRig(t);
  const { database, driver } = rig;
  const range = { slots: DAY_SLOTS, periodMs: 60_000, reason: 'scheduler_down' } as const;
  // The second one repeats more than a part of the first, the third one all but its last slots.
  driver.append('checks', 0, line({ slot: DAY_SLOTS, ...range }), line({ slot: DAY_SLOTS + 700, ...range }));
  driver.append(
    'checks',
    0,
    [line({ slot: DAY_SLOTS + 705, ...range }), line({ jobId: 2, slot: 9, ...range })].join('\n'),
  );
  await rig.start({ resultsStore: 'all', limits });
  await rig.settle(60_000);
  const { rows } = await database.query('SELECT job_id AS job, slots FROM results ORDER BY record_offset, job_id');
  t.strictSame(
    rows.map(({ job, slots }) => [job, slots]),
    [
      [1, DAY_SLOTS],
      [1, 700],
      [1, 5],
      [2, DAY_SLOTS],
    ],
  );
  const days = { fromMs: START_MS - 2 * 86_400_000, toMs: START_MS + 4 * 86_400_000 };
  const results = { store: 'all' as const, keptFromMs: 0 };
  const report = await verify({ database, driver, topics: ['checks'], results, ...days });
  t.strictSame([report.rowDifferences, report.differences], [[], []]);
});

test('a crash between the parts of a range leaves one raw result a line, and other lines of its slots theirs', async (t) => {
  const rig = await createRig(t);
  const { database, driver } = rig;
  const range = { slots: DAY_SLOTS, periodMs: 60_000, reason: 'scheduler_down' } as const;
  // The ranges of new owners repeat some slots of the lines before, the last one more than a part of them.
  const overlapping = { ...range, jobId: 2, epoch: 2, slot: DAY_SLOTS + 50 };
  driver.append('checks', 0, line({ ...range, jobId: 2, slots: 100, slot: 100 }));
  driver.append('checks', 0, [line({ ...range, slot: DAY_SLOTS }), line(overlapping)].join('\n'));
  driver.append('checks', 0, line({ ...range, epoch: 2, slot: DAY_SLOTS + 300 }));
  let commits = 0;
  const hooks = {
    at(step: FlushStep) {
      // Every other flush is in the database, but its process does not get to know.
      if (step === 'after-commit' && ++commits % 2 === 1) throw new Error('fault');
    },
  };
  const processor = await rig.start({ hooks, resultsStore: 'all', limits: { ...limits, catchUpRows: 500 } });
  await rig.settle(60_000);
  t.ok(processor.stats().lostDeltas >= 2, `${processor.stats().lostDeltas} deltas came again`);
  await rig.exact(t, { counters: false });
  const { rows } = await database.query('SELECT job_id AS job, slots FROM results ORDER BY record_offset, job_id');
  t.strictSame(
    rows.map(({ job, slots }) => [job, slots]),
    [
      [2, 100],
      [1, DAY_SLOTS],
      [2, DAY_SLOTS - 50],
      [1, 300],
    ],
  );
  const days = { fromMs: START_MS - 2 * 86_400_000, toMs: START_MS + 4 * 86_400_000 };
  const results = { store: 'all' as const, keptFromMs: 0 };
  const report = await verify({ database, driver, topics: ['checks'], results, ...days });
  t.strictSame([report.rowDifferences, report.differences], [[], []]);
});
