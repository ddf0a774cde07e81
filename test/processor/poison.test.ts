import { test } from 'tap';
import { only, splitLines } from '../../src/processor/counting/lines.ts';
import { findRefused } from '../../src/processor/writing/bisect.ts';
import { NaiveCounter, naiveRows } from './naive.ts';
import { countAll, createRig, type Rig, storedRows } from './rig.ts';
import { foreignLine, line } from './streams.ts';

/** The naive model of all lines but those that `refused` says yes to. */
function countWithout(rig: Rig, refused: (text: string) => boolean): NaiveCounter {
  const naive = new NaiveCounter();
  for (const { topic, records } of rig.driver.everything()) {
    for (const { value } of records) {
      for (const text of value.toString().split('\n')) if (!refused(text)) naive.line(topic, text);
    }
  }
  return naive;
}

test('lines that PostgreSQL refuses are found, kept apart, and the rest counts', async (t) => {
  const rig = await createRig(t, { checks: 2 });
  await rig.database.query('ALTER TABLE series_progress ADD CHECK (job_id NOT IN (13, 14))');
  for (let slot = 0; slot < 40; slot++) {
    // A series lies in one partition: which of two is read first is not said.
    const partition = slot % 2;
    const lines = [1, 2, 3].map((n) => line({ jobId: 4 * partition + n, slot }));
    if (slot === 7) lines.splice(1, 0, line({ jobId: 13, slot }), '', 'rubbish');
    if (slot === 25) lines.push(line({ jobId: 14, slot }), foreignLine(13, slot), foreignLine(4, slot));
    rig.driver.append('checks', partition, lines.join('\n'));
  }
  const processor = await rig.start({ resultsStore: 'all' });
  await rig.settle();
  const naive = countWithout(rig, (text) => /"job_id":1[34]/.test(text));
  t.strictSame(await storedRows(rig.database), Object.fromEntries(naiveRows(naive.counted)));
  const { rows } = await rig.database.query<{ record_offset: number; line: number; error: string; text: string }>(
    `SELECT record_offset, line, error, convert_from(bytes, 'UTF8') AS text FROM dead_letters ORDER BY record_offset, line`,
  );
  t.match(
    rows.map(({ record_offset, line, error }) => ({ record_offset, line, error })),
    [
      { record_offset: 3, line: 1, error: /^refused by PostgreSQL: new row .* violates check constraint/ },
      { record_offset: 3, line: 3, error: /not JSON/ },
      { record_offset: 12, line: 3, error: /^refused by PostgreSQL: / },
      { record_offset: 12, line: 4, error: /^refused by PostgreSQL: / },
    ],
  );
  t.equal(rows[0].text, line({ jobId: 13, slot: 7 }));
  t.equal(processor.stats().deadLetters, 4);
  const results = await rig.database.query<{ rows: number }>('SELECT count(*) AS rows FROM results');
  t.equal(results.rows[0].rows, naive.counted.length);
});

for (const [sum, error] of [
  ['9223372036854775807', /does not fit/],
  ['9007199254740991', /out of range/],
] as const) {
  test(`a sum of ${sum} that does not fit any more stops nothing`, async (t) => {
    const rig = await createRig(t);
    rig.driver.append('checks', 0, line({ slot: 1 }), line({ jobId: 2, slot: 1 }));
    await rig.start();
    await rig.settle();
    await rig.database.query('UPDATE metrics SET rt_sum = $1, writes = writes + 1 WHERE job_id = 1', [sum]);
    rig.driver.append('checks', 0, line({ slot: 2 }), line({ jobId: 2, slot: 2 }));
    await rig.settle();
    const { rows } = await rig.database.query('SELECT error FROM dead_letters');
    t.match(rows, [{ error }]);
    t.equal(countAll(rig).tally.results, 4);
  });
}

test('a partition of a table that retention has dropped is made again', async (t) => {
  const rig = await createRig(t);
  rig.driver.append('checks', 0, line({ slot: 1 }));
  const processor = await rig.start({ resultsStore: 'all' });
  await rig.settle();
  await rig.database.query(
    `SELECT drop_expired_partitions('metrics', 'minute', now()), drop_expired_partitions('results', NULL, now())`,
  );
  rig.driver.append('checks', 0, line({ slot: 2 }));
  await rig.settle();
  t.equal(processor.stats().deadLetters, 0);
  const { rows } = await rig.database.query(`SELECT granularity, count FROM metrics ORDER BY 1`);
  t.strictSame(rows, [
    { granularity: 'day', count: 2 },
    { granularity: 'hour', count: 2 },
    { granularity: 'minute', count: 1 },
  ]);
});

test('halves are tried until each refused item is found', async (t) => {
  const refuse = (bad: number[]) => async (items: readonly number[]) =>
    items.some((item) => bad.includes(item)) ? new Error(`bad ${items}`) : null;
  const items = Array.from({ length: 20 }, (_, index) => index);
  t.strictSame([...(await findRefused(items, refuse([3, 19]))).keys()], [3, 19]);
  t.equal((await findRefused(items, refuse([]))).size, 0);
  const together = async (part: readonly number[]) => (part.length > 15 ? new Error('too many') : null);
  t.equal((await findRefused(items, together)).size, 20, 'what is refused only together is refused as a whole');
});

test('blanked lines keep the numbers of the others', async (t) => {
  const value = Buffer.from('aa\n\nbbb\r\nc');
  const lines = splitLines(value);
  t.strictSame(
    lines.map(({ start, end }) => value.subarray(start, end).toString()),
    ['aa', '', 'bbb\r', 'c'],
  );
  t.equal(only(value, [lines[2]]).toString(), '  \n\nbbb\r\n ');
});
