// Counting, end to end: blocks of 1,000 results of 10,000 jobs through a processor into PostgreSQL, and what exactly-once
// costs of it. `without_checks`: the same without deduplication, and without offsets and states of series, whose rows also
// hold last results and totals. `unconditional`: the same rows written, on no condition.
import { Accumulator } from '../src/aggregates/accumulator/index.ts';
import { SeriesIds } from '../src/aggregates/accumulator/series-ids.ts';
import { systemClock } from '../src/core/clock.ts';
import { silentLogger } from '../src/core/logger.ts';
import { ResultDecoder } from '../src/messages/decode.ts';
import type { ResultColumns } from '../src/messages/result-columns.ts';
import type { Database, Transaction } from '../src/postgres/database.ts';
import type { ResultsStore } from '../src/processor/counting/raw-results.ts';
import { createProcessor } from '../src/processor/processor.ts';
import { SeriesProgress } from '../src/processor/series/progress.ts';
import { MetricsWriter } from '../src/processor/tables/metrics/writer.ts';
import type { SlotCounters } from '../src/processor/tables/offsets.ts';
import { TablePartitions } from '../src/processor/tables/partitions.ts';
import type { FlushStep, ProcessorHooks } from '../src/processor/writing/hooks.ts';
import { createTestDatabase } from '../test/helpers/database.ts';
import { processorDefaults } from '../test/helpers/defaults.ts';
import { createFakeDriver } from '../test/processor/fake-driver.ts';
import { measure, report, round } from './machine.ts';
import { blocksOf, resultAt } from './results.ts';

const JOBS = 10_000;
/** Several flushes, of which only the first makes the rows of series. */
const RESULTS = Number(process.env.RESULTS ?? 2_500_000);
const SAMPLE = 20_000;
const ROUNDS = 5;
const fail = () => {
  throw new Error('A canonical line was refused');
};

/** Memory and time of one function each: the sample again and again, a second later every time. */
function counting({ checks, accumulate }: { checks: boolean; accumulate: boolean }): () => number {
  const blocks = blocksOf(
    Array.from({ length: SAMPLE }, (_, n) => resultAt(n, JOBS)),
    1_000,
  );
  const decoder = new ResultDecoder();
  const ids = new SeriesIds();
  const progress = new SeriesProgress(ids);
  const series = new Int32Array(1_000);
  const counted = new Int32Array(1_000).fill(1);
  const tally: SlotCounters = { results: 0, foreign: 0, duplicates: 0, fenced: 0 };
  let accumulator = new Accumulator(undefined, ids);
  let turn = 0;
  const later = (columns: ResultColumns) => {
    const shift = turn * (SAMPLE / JOBS) * 1_000;
    for (let row = 0; row < columns.length; row++) columns.slot[row] += shift;
  };
  return () => {
    for (const block of blocks) {
      decoder.reset();
      decoder.decodeRecord(block, fail);
      const { columns } = decoder;
      later(columns);
      if (checks) {
        if (!progress.resolve(columns, series)) {
          progress.load([]);
          progress.resolve(columns, series);
        }
        progress.count(columns, series, counted, tally);
      }
      if (!accumulate) continue;
      for (let row = 0; row < columns.length; row++) {
        if (!checks) accumulator.add(columns, row);
        else if (counted[row] > 0) accumulator.add(columns, row, series[row]);
      }
    }
    // As after a flush; what a flush costs is measured below.
    if (++turn % 30 === 0) accumulator = new Accumulator(undefined, ids);
    return SAMPLE;
  };
}

/** How long the statements of flushes take: those that make counting exactly once, and the others. */
class StepTimes implements ProcessorHooks {
  readonly #sums: Partial<Record<FlushStep, number>> = {};
  #last = 0;

  at(step: FlushStep): void {
    const now = performance.now();
    if (step !== 'before-begin') this.#sums[step] = (this.#sums[step] ?? 0) + now - this.#last;
    this.#last = now;
  }

  report(totalMs: number): object {
    const checks = (this.#sums['after-offsets'] ?? 0) + (this.#sums['after-series'] ?? 0);
    const all = Object.values(this.#sums).reduce((sum, ms) => sum + ms, 0);
    const rounded = Object.fromEntries(Object.entries(this.#sums).map(([step, ms]) => [step, round(ms)]));
    return {
      statements_ms: rounded,
      checks_share: { of_flushes: round(checks / all, 3), of_all: round(checks / totalMs, 3) },
    };
  }
}

/** The conditions that make a flush count exactly once: offsets and series are as they were read. */
const CONDITIONS = [
  /AND o\.epoch = s\.epoch\s+AND o\.next_offset IS NOT DISTINCT FROM s\.next_from/,
  /AND s\.epoch = d\.old_epoch AND s\.slot = d\.old_slot/,
];

/** The statements of its transactions have lost those conditions, and each of them was there. */
function unconditional(database: Database, seen: Set<RegExp>): Database {
  const relaxed = (tx: Transaction): Transaction =>
    overriding(tx, {
      query: (text: string, values?: unknown[]) => {
        for (const condition of CONDITIONS) if (condition.test(text)) seen.add(condition);
        return tx.query(
          CONDITIONS.reduce((sql, condition) => sql.replace(condition, ''), text),
          values,
        );
      },
    });
  return overriding(database, {
    transaction: (work: (tx: Transaction) => Promise<unknown>, options?: object) =>
      database.transaction((tx) => work(relaxed(tx)), options),
  });
}

function overriding<T extends object>(target: T, methods: object): T {
  return new Proxy(target, {
    get(_, key) {
      if (key in methods) return methods[key as keyof typeof methods];
      const value = target[key as keyof T];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

interface Run {
  lean?: boolean;
  relaxed?: boolean;
}

interface Speed {
  results_per_second: number;
  [detail: string]: unknown;
}

async function throughProcessor(store: ResultsStore, { lean = false, relaxed = false }: Run = {}): Promise<Speed> {
  const teardowns: Array<() => unknown> = [];
  const real = await createTestDatabase({ teardown: (undo: () => unknown) => void teardowns.unshift(undo) });
  const removed = new Set<RegExp>();
  const database = relaxed ? unconditional(real, removed) : real;
  const partitions = 4;
  const driver = createFakeDriver({ checks: partitions });
  driver.now = () => 0; // Old records: the processor catches up.
  let appended = 0;
  const append = () => {
    const results = Array.from({ length: SAMPLE }, (_, n) => resultAt(appended + n, JOBS));
    for (let partition = 0; partition < partitions; partition++) {
      const own = results.filter(({ jobId }) => jobId % partitions === partition);
      driver.append('checks', partition, ...blocksOf(own, 1_000));
    }
    appended += SAMPLE;
  };
  while (!lean && appended < RESULTS) append();
  const steps = new StepTimes();
  const from = performance.now();
  const cpu = process.cpuUsage();
  const base = { database, driver, logger: silentLogger, clock: systemClock, group: 'benchmark', topics: ['checks'] };
  const processor = createProcessor({
    ...processorDefaults,
    ...base,
    instanceId: 'benchmark',
    resultsStore: store,
    hooks: steps,
  });
  await processor.start();
  let rss = 0;
  while (processor.stats().results < RESULTS) {
    // A log that holds hardly more than what is not decoded yet leaves only the processor's own memory to be seen.
    while (lean && appended < RESULTS && processor.stats().lag < 40) {
      for (const { partition, lag } of processor.stats().partitions) {
        driver.trim('checks', partition, appended / 1_000 / partitions - lag);
      }
      for (const { records } of driver.everything()) (records as unknown[]).length = 0;
      append();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await new Promise((resolve) => setTimeout(resolve, lean ? 1 : 20));
    rss = Math.max(rss, process.memoryUsage.rss());
    if (processor.stats().lag === 0 && appended >= RESULTS) await processor.flush();
  }
  const seconds = (performance.now() - from) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const { flushes, totalFlushMs, maxFlushMs } = processor.stats();
  await processor.stop();
  for (const undo of teardowns) await undo();
  if (relaxed && removed.size < CONDITIONS.length) throw new Error('The conditions of the statements have changed');
  if (lean) return { results_per_second: Math.round(RESULTS / seconds), peak_rss_mb: Math.round(rss / 2 ** 20) };
  return {
    results_per_second: Math.round(RESULTS / seconds),
    cpu_ns_per_result: round(((user + system) * 1000) / RESULTS),
    flushes,
    flush_ms: { mean: round(totalFlushMs / flushes), max: round(maxFlushMs) },
    ...steps.report(seconds * 1000),
  };
}

/** Decoding, summing up and writing the same results in as many transactions, with nothing that makes it exactly once. */
async function withoutChecks(rowsPerFlush: number): Promise<object> {
  const teardowns: Array<() => unknown> = [];
  const database = await createTestDatabase({ teardown: (undo: () => unknown) => void teardowns.unshift(undo) });
  const blocks: Buffer[] = [];
  for (let at = 0; at < RESULTS; at += SAMPLE) {
    blocks.push(
      ...blocksOf(
        Array.from({ length: SAMPLE }, (_, n) => resultAt(at + n, JOBS)),
        1_000,
      ),
    );
  }
  const decoder = new ResultDecoder();
  const accumulator = new Accumulator();
  const partitions = new TablePartitions(database);
  const writer = new MetricsWriter();
  const from = performance.now();
  const cpu = process.cpuUsage();
  let flushes = 0;
  for (const [index, block] of blocks.entries()) {
    decoder.reset();
    decoder.decodeRecord(block, fail);
    for (let row = 0; row < decoder.columns.length; row++) accumulator.add(decoder.columns, row);
    if (accumulator.size < rowsPerFlush && index < blocks.length - 1) continue;
    const deltas = accumulator.take();
    await partitions.prepare([{ metrics: deltas, results: { slices: [] } }], false);
    (await database.transaction((tx) => writer.write(tx, [deltas]))).remember();
    flushes++;
  }
  const seconds = (performance.now() - from) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  for (const undo of teardowns) await undo();
  return {
    results_per_second: Math.round(RESULTS / seconds),
    cpu_ns_per_result: round(((user + system) * 1000) / RESULTS),
    flushes,
  };
}

/** One after the other and again, because the machine is not equally fast all the time; the median of each. */
async function sideBySide(): Promise<object> {
  const runs: Record<'with_checks' | 'unconditional', Speed[]> = { with_checks: [], unconditional: [] };
  for (let round = 0; round < ROUNDS; round++) {
    runs.with_checks.push(await throughProcessor('none'));
    runs.unconditional.push(await throughProcessor('none', { relaxed: true }));
  }
  const median = (speeds: Speed[]) =>
    speeds.sort((a, b) => a.results_per_second - b.results_per_second)[Math.floor(ROUNDS / 2)];
  const [checked, free] = [median(runs.with_checks), median(runs.unconditional)];
  const cost = round(1 - checked.results_per_second / free.results_per_second, 3);
  return { with_checks: checked, unconditional: free, cost_of_conditions: cost };
}

const nanos = measure({
  decode: counting({ checks: false, accumulate: false }),
  without_checks: counting({ checks: false, accumulate: true }),
  with_checks: counting({ checks: true, accumulate: true }),
});
report('processor', {
  jobs: JOBS,
  results: RESULTS,
  counting: {
    ns_per_result: {
      decode: round(nanos.decode),
      without_checks: round(nanos.without_checks),
      with_checks: round(nanos.with_checks),
    },
    results_per_cpu_second: Math.round(1e9 / nanos.with_checks),
    checks_share: round((nanos.with_checks - nanos.without_checks) / nanos.with_checks, 3),
  },
  end_to_end: process.env.ONLY_COUNTING
    ? null
    : {
        // First: what other runs leave in this process would be measured, too.
        memory: await throughProcessor('none', { lean: true }),
        without_checks: await withoutChecks(200_000),
        ...(await sideBySide()),
        with_raw_results: await throughProcessor('all'),
      },
});
