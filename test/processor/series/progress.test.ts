import fc from 'fast-check';
import { test } from 'tap';
import { SeriesIds } from '../../../src/aggregates/accumulator/series-ids.ts';
import { ResultDecoder } from '../../../src/messages/decode.ts';
import { SeriesProgress } from '../../../src/processor/series/progress.ts';
import type { SlotCounters } from '../../../src/processor/tables/offsets.ts';
import type { SeriesMoves, SeriesState } from '../../../src/processor/tables/series.ts';
import { NaiveCounter } from '../naive.ts';
import { anyRecord, foreignLine, line, START_MS } from '../streams.ts';

interface Counted {
  counted: number[];
  tally: SlotCounters;
}

function count(progress: SeriesProgress, ...lines: string[]): Counted {
  const decoder = new ResultDecoder();
  decoder.decodeRecord(Buffer.from(lines.join('\n')), () => undefined);
  const { columns } = decoder;
  const series = new Int32Array(columns.length);
  const counted = new Int32Array(columns.length);
  const tally = { results: 0, foreign: 0, duplicates: 0, fenced: 0 };
  if (!progress.resolve(columns, series)) {
    progress.load([]);
    progress.resolve(columns, series);
  }
  progress.count(columns, series, counted, tally);
  return { counted: [...counted], tally };
}

test('a slot counts once, in its order, and a lower epoch no more', async (t) => {
  const progress = new SeriesProgress(new SeriesIds());
  const lines = [
    line({ slot: 1 }),
    line({ slot: 1 }),
    line({ slot: 3 }),
    line({ slot: 2 }),
    line({ slot: 4, epoch: 2 }),
    line({ slot: 5, epoch: 1 }),
  ];
  t.strictSame(count(progress, ...lines), {
    counted: [1, 0, 1, 0, 1, 0],
    tally: { results: 3, foreign: 0, duplicates: 2, fenced: 1 },
  });
});

test('a slot that a stall of our own left undecided counts, and is not the last result', async (t) => {
  const progress = new SeriesProgress(new SeriesIds());
  const stalled = { outcome: 'missed', reason: 'stalled' } as const;
  const lines = [line({ slot: 1, ...stalled }), line({ slot: 2, outcome: 'down', reason: 'timeout' })];
  lines.push(line({ slot: 3, ...stalled }), line({ slot: 4, outcome: 'down', reason: 'timeout' }));
  t.strictSame(count(progress, ...lines).counted, [1, 1, 1, 1]);
  const { lastOutcome, lastReason, sinceSlot } = progress.takeMoves();
  t.strictSame(
    { lastOutcome, lastReason, sinceSlot },
    { lastOutcome: ['down'], lastReason: ['timeout'], sinceSlot: [START_MS + 2_000] },
  );
  count(progress, line({ slot: 5, ...stalled }));
  t.match(progress.takeMoves(), { slot: [START_MS + 5_000], lastOutcome: ['down'], sinceSlot: [START_MS + 2_000] });
});

test('a range counts only the slots that are not counted yet', async (t) => {
  const progress = new SeriesProgress(new SeriesIds());
  t.strictSame(count(progress, line({ slot: 5, slots: 3 })).counted, [3]);
  t.strictSame(count(progress, line({ slot: 8, slots: 6 })).counted, [3], 'cut: 3..8 over ..5');
  t.strictSame(count(progress, line({ slot: 8, slots: 2 })).counted, [0]);
  const off = line({ slot: 10, slots: 3 }).replace(`"slot":${START_MS + 10_000}`, `"slot":${START_MS + 10_500}`);
  t.strictSame(count(progress, off).counted, [3], 'another grid: 8.5, 9.5 and 10.5');
});

test('a fence counts nothing and shuts the old owner out', async (t) => {
  const progress = new SeriesProgress(new SeriesIds());
  const lines = [line({ slot: 5 }), line({ slot: 5, slots: 0, epoch: 2 }), line({ slot: 6, epoch: 1 })];
  t.strictSame(count(progress, ...lines).counted, [1, 0, 0]);
  t.strictSame(count(progress, line({ slot: 9, slots: 0, epoch: 2 }), line({ slot: 8, epoch: 2 })).counted, [0, 0]);
});

test('a repetition by a new owner shuts the old one out too', async (t) => {
  const progress = new SeriesProgress(new SeriesIds());
  const lines = [line({ slot: 5 }), line({ slot: 5, epoch: 2 }), line({ slot: 6, epoch: 1 })];
  t.strictSame(count(progress, ...lines), {
    counted: [1, 0, 0],
    tally: { results: 1, foreign: 0, duplicates: 1, fenced: 1 },
  });
  const { epoch, oldEpoch } = progress.takeMoves();
  t.strictSame([oldEpoch, epoch], [[-1], [2]]);
});

test('foreign lines always count and change neither epoch nor slot', async (t) => {
  const progress = new SeriesProgress(new SeriesIds());
  t.strictSame(count(progress, foreignLine(1, 0), foreignLine(1, 0)).tally.foreign, 2);
  const delta = progress.takeMoves();
  t.strictSame([delta.epoch, delta.slot, delta.lastStatus], [[-1], [-1], ['200']]);
  count(progress, foreignLine(1, -100, '404'));
  t.strictSame(progress.takeMoves().lastStatus, ['200'], 'an old one does not become the last result');
});

test('what is sealed goes from one state to the next, with the last result', async (t) => {
  const progress = new SeriesProgress(new SeriesIds());
  count(progress, line({ slot: 1 }), line({ slot: 2, outcome: 'down', status: '500', reason: 'status' }));
  const first = progress.takeMoves();
  t.match(first, { length: 1, isNew: [true], oldSlot: [-1], slot: [START_MS + 2_000] });
  t.match(first, { lastOutcome: ['down'], lastReason: ['status'], lastStatus: ['500'], sinceSlot: [START_MS + 2_000] });
  t.equal(progress.takeMoves().length, 0);
  count(progress, line({ slot: 3, outcome: 'down', status: '500', reason: 'status' }));
  const second = progress.takeMoves();
  t.match(second, { isNew: [false], oldSlot: [START_MS + 2_000], slot: [START_MS + 3_000] });
  t.match(second, { sinceSlot: [START_MS + 2_000], lastTs: [START_MS + 3_003] });
});

test('any stream in any portions, with states reloaded, counts as the naive model does', async (t) => {
  const portions = fc.array(
    fc.record({ record: anyRecord, seal: fc.boolean(), forget: fc.boolean(), restart: fc.boolean() }),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(portions, (steps) => {
      const naive = new NaiveCounter();
      const stored = new Map<string, SeriesState>();
      let progress = new SeriesProgress(new SeriesIds());
      const total: SlotCounters = { results: 0, foreign: 0, duplicates: 0, fenced: 0 };
      const decoder = new ResultDecoder();
      for (const { record, seal, forget, restart } of steps) {
        naive.record('checks', record);
        decoder.reset();
        decoder.decodeRecord(Buffer.from(record), () => undefined);
        const { columns } = decoder;
        const series = new Int32Array(columns.length);
        while (!progress.resolve(columns, series)) {
          progress.load(progress.missing().flatMap(({ jobId, location }) => stored.get(`${jobId} ${location}`) ?? []));
        }
        progress.count(columns, series, new Int32Array(columns.length), total);
        if (!seal) continue;
        const delta = progress.takeMoves();
        store(stored, delta);
        if (forget) progress.forgetIdle(delta);
        if (restart) progress = new SeriesProgress(new SeriesIds());
      }
      store(stored, progress.takeMoves());
      const { deadLetters: _, ...tally } = naive.tally;
      t.strictSame(total, tally);
      for (const [key, { epoch, slot }] of naive.series) {
        const { epoch: storedEpoch, slot: storedSlot } = stored.get(key.replace('checks ', ''))!;
        if (epoch !== storedEpoch || slot !== storedSlot) throw new Error(`${key}: ${storedEpoch} ${storedSlot}`);
      }
    }),
    { numRuns: 300 },
  );
});

/** What moveSeries does in PostgreSQL. */
function store(stored: Map<string, SeriesState>, delta: SeriesMoves): void {
  for (let row = 0; row < delta.length; row++) {
    const jobId = delta.jobId[row];
    const location = delta.location[row];
    const before = stored.get(`${jobId} ${location}`);
    const expected = delta.isNew[row] ? undefined : { epoch: delta.oldEpoch[row], slot: delta.oldSlot[row] };
    if (before?.epoch !== expected?.epoch || before?.slot !== expected?.slot) throw new Error('compare-and-set fails');
    stored.set(`${jobId} ${location}`, {
      jobId,
      location,
      epoch: delta.epoch[row],
      slot: delta.slot[row],
      lastTs: delta.lastTs[row],
      lastOutcome: delta.lastOutcome[row],
      lastReason: delta.lastReason[row],
      lastStatus: delta.lastStatus[row],
      lastRt: delta.lastRt[row],
      sinceSlot: delta.sinceSlot[row],
      count: delta.oldCount[row],
      statusCounts: delta.oldStatusCounts[row],
      valueNames: delta.newValueNames[row] ?? '[]',
    });
  }
}
